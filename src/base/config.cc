// SPDX-License-Identifier: BSD-2-Clause
#include "base/config.h"

#include <charconv>
#include <cstdlib>
#include <utility>

#include "base/never_destroyed.h"

namespace vb {
namespace {

bool parse_option(std::string_view text, Text& value) {
  value = text;
  return true;
}

bool parse_option(std::string_view text, Names& value) {
  value.clear();
  while (!text.empty()) {
    const size_t end = text.find(',');
    if (end == 0) return false;
    value.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    if (text.empty()) return false;
  }
  return true;
}

bool parse_option(std::string_view text, PortBase& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value.port);
  return error == std::errc{} && end == text.data() + text.size() && value.port >= 1024 && value.port <= 61000;
}

template <class Enum, size_t kCount>
bool parse_choice(std::string_view text, const std::pair<std::string_view, Enum> (&choices)[kCount], Enum& value) {
  for (const auto& [name, choice] : choices) {
    if (name != text) continue;
    value = choice;
    return true;
  }
  return false;
}

bool parse_option(std::string_view text, LogLevel& value) {
  static constexpr std::pair<std::string_view, LogLevel> kChoices[] = {
      {"error", LogLevel::error}, {"warn", LogLevel::warn}, {"info", LogLevel::info}, {"debug", LogLevel::debug}};
  return parse_choice(text, kChoices, value);
}

bool parse_option(std::string_view text, Native& value) {
  static constexpr std::pair<std::string_view, Native> kChoices[] = {
      {"on", Native::on}, {"off", Native::off}, {"only", Native::only}};
  return parse_choice(text, kChoices, value);
}

std::string variable_of(std::string name) {
  for (char& c : name) c = (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c;
  return "VERBATIM_" + name;
}

std::string complaint(std::string_view variable, std::string_view value, std::string_view allowed) {
  std::string text(variable);
  return text.append("='").append(value).append("' is not valid: it takes ").append(allowed);
}

/// A value that is not valid leaves the default, and the first one is remembered.
template <class T>
void read_option(T& field, const char* name, const char* initial, const char* allowed, std::string& error,
                 const std::function<const char*(const char*)>& lookup) {
  const std::string variable = variable_of(name);
  const char* value = lookup(variable.c_str());
  if (value && *value && parse_option(value, field)) return;
  if (value && *value && error.empty()) error = complaint(variable, value, allowed);
  parse_option(initial, field);
}

}  // namespace

Config parse_config(const std::function<const char*(const char*)>& lookup) {
  Config result;
#define VB_OPTION(name, type, initial, allowed, help) \
  read_option(result.name, #name, initial, allowed, result.error, lookup);
#include "base/config.def"
#undef VB_OPTION
  return result;
}

const Config& config() {
  static NeverDestroyed<Config> value(parse_config([](const char* name) { return ::secure_getenv(name); }));
  return *value;
}

const std::vector<Option>& options() {
#define VB_OPTION(name, type, initial, allowed, help) variable_of(#name),
  static const std::vector<std::string> variables = {
#include "base/config.def"
  };
#undef VB_OPTION
#define VB_OPTION(name, type, initial, allowed, help) {#name, variables[next++].c_str(), initial, allowed, help},
  size_t next = 0;
  static const std::vector<Option> rows = {
#include "base/config.def"
  };
#undef VB_OPTION
  return rows;
}

std::string check_option(const Option& option, std::string_view value) {
  const std::string text(value);
  const Config result = parse_config(
      [&](const char* variable) { return std::string_view(variable) == option.variable ? text.c_str() : nullptr; });
  return result.error;
}

}  // namespace vb
