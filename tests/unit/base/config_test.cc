// SPDX-License-Identifier: BSD-2-Clause
#include "base/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

namespace vb {
namespace {

using Environment = std::map<std::string, std::string>;

Config parse(const Environment& environment) {
  return parse_config([&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

TEST(Config, AnEmptyEnvironmentGivesTheDefaults) {
  const Config config = parse({});
  EXPECT_EQ(config.provider, "auto");
  EXPECT_TRUE(config.device.empty());
  EXPECT_EQ(config.log, LogLevel::warn);
  EXPECT_EQ(config.port_base, 21000);
  EXPECT_EQ(config.native, Native::on);
  EXPECT_EQ(config.error, "");
}

TEST(Config, EachOptionTakesItsValues) {
  const Config config = parse({{"VERBATIM_PROVIDER", "psm3"},
                               {"VERBATIM_DEVICE", "vb_lo,vb_eth0"},
                               {"VERBATIM_LOG", "debug"},
                               {"VERBATIM_PORT_BASE", "61000"},
                               {"VERBATIM_NATIVE", "only"}});
  EXPECT_EQ(config.error, "");
  EXPECT_EQ(config.provider, "psm3");
  EXPECT_EQ(config.device, (Names{"vb_lo", "vb_eth0"}));
  EXPECT_EQ(config.log, LogLevel::debug);
  EXPECT_EQ(config.port_base, 61000);
  EXPECT_EQ(config.native, Native::only);
}

TEST(Config, AWrongValueIsNamedAndLeavesTheDefault) {
  for (const char* value : {"1023", "61001", "21000x", "-1", "99999999999", " 21000"}) {
    const Config config = parse({{"VERBATIM_PORT_BASE", value}});
    EXPECT_EQ(config.port_base, 21000);
    EXPECT_EQ(config.error, "VERBATIM_PORT_BASE='" + std::string(value) +
                                "' is not valid: it takes a port number from 1024 to 61000");
  }
}

TEST(Config, AListHasNoEmptyNames) {
  for (const char* value : {",", "a,", ",a", "a,,b"}) EXPECT_NE(parse({{"VERBATIM_DEVICE", value}}).error, "") << value;
  EXPECT_EQ(parse({{"VERBATIM_DEVICE", "a"}}).device, Names{"a"});
}

TEST(Config, EveryDefaultIsValid) {
  for (const Option& option : options()) EXPECT_EQ(check_option(option, option.initial), "") << option.name;
}

TEST(Config, VariablesAreDerivedFromNames) {
  const auto named = [](const Option& option) { return std::string(option.name) == "log_file"; };
  const auto found = std::find_if(options().begin(), options().end(), named);
  ASSERT_NE(found, options().end());
  EXPECT_STREQ(found->variable, "VERBATIM_LOG_FILE");
}

}  // namespace
}  // namespace vb
