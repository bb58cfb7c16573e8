// SPDX-License-Identifier: BSD-2-Clause
// The options of config.def, from VERBATIM_* environment variables. Read once, at first use, never at load.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"
#include "base/log.h"

namespace vb {

enum class Native { on, off, only };

/// The types of config.def. Each has an overload of parse_option in config.cc.
using Text = std::string;
using Names = std::vector<std::string>;
struct PortBase {
  uint16_t port = 0;
  operator uint16_t() const { return port; }
};

struct Config {
#define VB_OPTION(name, type, initial, allowed, help) type name{};
#include "base/config.def"
#undef VB_OPTION
  /// What is wrong with the environment, ready to print; empty when nothing is. The option at fault has its default.
  std::string error;
};

/// This process's options. Lives for ever, so that threads may use it during exit.
VB_API const Config& config();

/// One row of config.def, for the launcher.
struct Option {
  const char* name;      ///< as in config.def, "log_file"
  const char* variable;  ///< "VERBATIM_LOG_FILE"
  const char* initial;
  const char* allowed;
  const char* help;
};
const std::vector<Option>& options();

/// Empty when the option takes this value, else a message that names the option, the value and what is allowed.
std::string check_option(const Option& option, std::string_view value);

/// Reads all options; `lookup` gives a variable's value or nullptr.
Config parse_config(const std::function<const char*(const char* variable)>& lookup);

}  // namespace vb
