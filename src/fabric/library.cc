// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/library.h"

#include <dlfcn.h>
#include <signal.h>
#include <string.h>

#include <mutex>

#include "base/log.h"
#include "native/inside_fabric.h"

namespace vb::fabric {

namespace {

// The types of the functions' addresses are those of their declarations.
template <class Function>
bool find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
  return function != nullptr;
}

Result<const Library*> open_library() {
  native::InsideFabric mark;
  SignalKeeper signals;
  void* handle = dlopen("libfabric.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    log(LogLevel::error, "libfabric cannot be loaded: %s", dlerror());
    return Error{ENOENT};
  }
  static Library library;
  bool complete = find(handle, "fi_getinfo", library.getinfo) && find(handle, "fi_freeinfo", library.freeinfo) &&
                  find(handle, "fi_dupinfo", library.dupinfo) && find(handle, "fi_fabric", library.open_fabric) &&
                  find(handle, "fi_version", library.version);
  if (!complete) {
    log(LogLevel::error, "libfabric lacks a function: %s", dlerror());
    return Error{ENOSYS};
  }
  return &library;
}

}  // namespace

Result<const Library*> library() {
  static std::mutex mutex;
  static Result<const Library*>* opened = nullptr;
  std::lock_guard guard(mutex);
  if (!opened) opened = new Result<const Library*>(open_library());
  return *opened;
}

namespace {

/// Whether a handler is one that libfabric or a library of its providers has installed. The program may install its own
/// at the same time, in another thread: those stay.
bool of_the_fabric(void* handler) {
  Dl_info where;
  if (dladdr(handler, &where) == 0 || !where.dli_fname) return false;
  for (const char* library : {"libfabric", "libpsm", "libinfinipath"}) {
    if (strstr(where.dli_fname, library)) return true;
  }
  return false;
}

}  // namespace

struct SignalKeeper::Saved {
  struct sigaction actions[64];
  bool valid[64];
};

SignalKeeper::SignalKeeper() : saved_(new Saved) {
  for (int i = 0; i < 64; ++i) saved_->valid[i] = sigaction(i + 1, nullptr, &saved_->actions[i]) == 0;
}

SignalKeeper::~SignalKeeper() {
  for (int i = 0; i < 64; ++i) {
    struct sigaction now;
    if (!saved_->valid[i] || sigaction(i + 1, nullptr, &now) != 0) continue;
    bool changed = now.sa_sigaction != saved_->actions[i].sa_sigaction;
    if (changed && of_the_fabric(reinterpret_cast<void*>(now.sa_sigaction)))
      sigaction(i + 1, &saved_->actions[i], nullptr);
  }
  delete saved_;
}

}  // namespace vb::fabric
