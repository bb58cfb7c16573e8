// SPDX-License-Identifier: BSD-2-Clause
// verbatim run [options] [--] PROGRAM [ARGUMENTS]   runs a program on Verbatim
// verbatim env [options]                            prints the shell commands that do the same for a shell
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/config.h"
#include "launcher/environment.h"
#include "launcher/privilege.h"
#include "launcher/view.h"

namespace vb::launcher {
namespace {

constexpr int kUsageError = 2;
constexpr int kCannotRun = 126;
constexpr int kNotFound = 127;

using Values = std::map<std::string, std::string>;  // by the option's name in config.def

std::string flag_of(std::string name) {
  for (char& c : name) c = c == '_' ? '-' : c;
  return "--" + name;
}

std::string check_value(const Option& option, const std::string& value) {
  const std::string error = check_option(option, value);
  return error.empty() ? "" : flag_of(option.name) + ": " + error;
}

void add_options(CLI::App& command, Values& values) {
  for (const Option& option : options()) {
    const std::string help = std::string(option.help) + " Takes " + option.allowed + ".";
    command.add_option(flag_of(option.name), values[option.name], help)->type_name("");
  }
}

/// What is set here, what the environment holds already, and what is wrong with either.
bool set_options(const Values& values, Variables& variables) {
  for (const Option& option : options()) {
    const std::string& given = values.at(option.name);
    const char* inherited = std::getenv(option.variable);
    const std::string value = !given.empty() ? given : inherited ? inherited : "";
    const std::string error = given.empty() ? check_option(option, value) : check_value(option, value);
    if (!error.empty()) {
      std::fprintf(stderr, "verbatim: %s\n", error.c_str());
      return false;
    }
    if (!given.empty()) variables.emplace_back(option.variable, given);
  }
  return true;
}

/// The loader splits its lists at these, and has no way to quote.
bool check_directory(const std::string& directory) {
  if (directory.empty()) {
    std::fprintf(stderr, "verbatim: libverbatim.so.0 is neither in ../lib/verbatim nor in ../%s of this launcher\n",
                 VERBATIM_LIBDIR_FROM_BIN);
    return false;
  }
  if (directory.find_first_of(": ;") == std::string::npos) return true;
  std::fprintf(stderr, "verbatim: the dynamic linker cannot preload from '%s': it has a space, colon or semicolon\n",
               directory.c_str());
  return false;
}

/// Makes this process's own options those that the program will have.
void take_options(const Variables& variables) {
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  // A device that is asked for and absent is the program's to tell, once.
  const char* given = std::getenv("VERBATIM_LOG");
  const std::string level = given ? given : "";
  ::setenv("VERBATIM_LOG", "error", 1);
  config();
  given ? ::setenv("VERBATIM_LOG", level.c_str(), 1) : ::unsetenv("VERBATIM_LOG");
}

/// The directory with what the program shall see of its devices in sysfs; empty without one, which few programs mind.
std::string view_directory() {
  if (config().native == Native::only) return {};
  const Result<std::vector<Device*>> devices = list_devices();
  if (!devices) return {};
  const std::vector<ViewEntry> entries = describe_devices(*devices);
  if (entries.empty()) return {};
  const Result<std::string> view = make_view(entries);
  if (view) return *view;
  std::fprintf(stderr, "verbatim: no files in /sys/class/infiniband for the program: cannot write them to /tmp: %s\n",
               std::strerror(view.error()));
  return {};
}

int run(const std::vector<std::string>& command, const Variables& variables) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  if (has_rights_of_its_own(command[0]))
    std::fprintf(stderr, "verbatim: '%s' runs with rights of its own, so it loads the system's libraries, not these\n",
                 arguments[0]);
  ::execvp(arguments[0], arguments.data());
  const int error = errno;
  std::fprintf(stderr, "verbatim: cannot run '%s': %s\n", arguments[0],
               error == ENOENT ? "no such program" : std::strerror(error));
  return error == ENOENT ? kNotFound : kCannotRun;
}

std::string quoted(const std::string& value) {
  std::string result = "'";
  for (const char c : value) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

int print(const Variables& variables) {
  for (const auto& [name, value] : variables) std::printf("export %s=%s\n", name.c_str(), quoted(value).c_str());
  return 0;
}

int start(bool only_print, const std::vector<std::string>& command, const Values& values) {
  if (!only_print && command.empty()) {
    std::fprintf(stderr, "verbatim: which program? verbatim run [options] -- PROGRAM [ARGUMENTS]\n");
    return kUsageError;
  }
  const std::string directory = library_directory();
  if (!check_directory(directory)) return kCannotRun;
  Variables variables = loader_variables(directory);
  if (!set_options(values, variables)) return kUsageError;
  take_options(variables);
  // A library of libfabric's oldest provider ends the process at SIGTERM and others, unless it is told not to.
  variables.emplace_back("IPATH_NO_BACKTRACE", "1");
  variables.emplace_back("VERBATIM_VIEW", view_directory());
  if (!variables.back().second.empty()) variables.emplace_back("PATH", program_path(directory));
  return only_print ? print(variables) : run(command, variables);
}

/// Where PROGRAM stands: behind the options of `run`, each of which takes a value, and behind a "--" if there is one.
int find_program(int argc, char** argv) {
  int at = 2;
  while (at < argc && argv[at][0] == '-' && std::strcmp(argv[at], "--") != 0) {
    const bool has_value = std::strncmp(argv[at], "--", 2) == 0 && !std::strchr(argv[at], '=');
    at += has_value && std::strcmp(argv[at], "--help") != 0 ? 2 : 1;
  }
  return std::min(at, argc);
}

int main(int argc, char** argv) {
  const bool runs = argc > 1 && std::strcmp(argv[1], "run") == 0;
  const int program = runs ? find_program(argc, argv) : argc;
  std::vector<std::string> command(argv + program, argv + argc);
  if (!command.empty() && command.front() == "--") command.erase(command.begin());

  CLI::App app("Runs RDMA verbs programs, as they are, on libfabric.", "verbatim");
  app.set_version_flag("--version", "verbatim " VERBATIM_VERSION);
  app.require_subcommand(1);
  Values values;
  CLI::App* run_command = app.add_subcommand("run", "Runs PROGRAM with its ARGUMENTS on Verbatim.");
  run_command->footer("Usage: verbatim run [OPTIONS] [--] PROGRAM [ARGUMENTS]");
  CLI::App* env_command =
      app.add_subcommand("env", "Prints the commands that make a shell's programs run on Verbatim.");
  add_options(*run_command, values);
  add_options(*env_command, values);
  try {
    app.parse(program, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }
  return start(env_command->parsed(), command, values);
}

}  // namespace
}  // namespace vb::launcher

int main(int argc, char** argv) { return vb::launcher::main(argc, argv); }
