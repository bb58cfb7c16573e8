// SPDX-License-Identifier: BSD-2-Clause
// Keeps the program's signal handlers: some providers install their own when they are loaded or opened. What the
// program itself installs meanwhile, in another thread, stays.
#pragma once

#include <signal.h>

namespace vb::fabric {

/// Whether a handler is one that libfabric or a library of its providers has installed.
bool of_the_fabric(const struct sigaction& action);

class SignalKeeper {
 public:
  /// `foreign` tells which handlers have to go when the keeper does.
  explicit SignalKeeper(bool (*foreign)(const struct sigaction&) = of_the_fabric);
  ~SignalKeeper();
  SignalKeeper(const SignalKeeper&) = delete;
  SignalKeeper& operator=(const SignalKeeper&) = delete;

 private:
  struct Saved;
  bool (*foreign_)(const struct sigaction&);
  Saved* saved_;
};

}  // namespace vb::fabric
