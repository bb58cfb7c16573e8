// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/library.h"

#include <dlfcn.h>

#include <mutex>

#include "base/log.h"
#include "fabric/signal_keeper.h"
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

}  // namespace vb::fabric
