// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/signal_keeper.h"

#include <dlfcn.h>
#include <string.h>

namespace vb::fabric {

bool of_the_fabric(const struct sigaction& action) {
  Dl_info where;
  if (dladdr(reinterpret_cast<void*>(action.sa_sigaction), &where) == 0 || !where.dli_fname) return false;
  for (const char* library : {"libfabric", "libpsm", "libinfinipath"}) {
    if (strstr(where.dli_fname, library)) return true;
  }
  return false;
}

namespace {

/// Puts `action` in the place of the handler `seen`. What is found there instead came from the program after we looked,
/// and goes back, unless something newer has come again.
void replace(int signal, struct sigaction action, void (*seen)(int, siginfo_t*, void*)) {
  struct sigaction found;
  while (sigaction(signal, &action, &found) == 0 && found.sa_sigaction != seen) {
    seen = action.sa_sigaction;
    action = found;
  }
}

}  // namespace

struct SignalKeeper::Saved {
  struct sigaction actions[64];
  bool valid[64];
};

SignalKeeper::SignalKeeper(bool (*foreign)(const struct sigaction&)) : foreign_(foreign), saved_(new Saved) {
  for (int i = 0; i < 64; ++i) saved_->valid[i] = sigaction(i + 1, nullptr, &saved_->actions[i]) == 0;
}

SignalKeeper::~SignalKeeper() {
  for (int i = 0; i < 64; ++i) {
    struct sigaction now;
    if (!saved_->valid[i] || sigaction(i + 1, nullptr, &now) != 0) continue;
    bool changed = now.sa_sigaction != saved_->actions[i].sa_sigaction;
    if (changed && foreign_(now)) replace(i + 1, saved_->actions[i], now.sa_sigaction);
  }
  delete saved_;
}

}  // namespace vb::fabric
