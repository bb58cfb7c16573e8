// SPDX-License-Identifier: BSD-2-Clause
#include "native/library.h"

#include <dlfcn.h>

#include <atomic>
#include <string>

#include "base/config.h"
#include "base/log.h"
#include "native/search.h"

namespace vb::native {
namespace {

struct Known {
  const char* soname;
  std::atomic<void*> handle{nullptr};
  std::atomic<bool> tried{false};
};

Known known[] = {{"libibverbs.so.1"}, {"librdmacm.so.1"}};

Known& entry(Library library) { return known[static_cast<int>(library)]; }

std::string path_of(Library library) {
  const std::string& chosen = library == Library::ibverbs ? config().native_ibverbs : config().native_rdmacm;
  return chosen.empty() ? find_library(entry(library).soname) : chosen;
}

/// RTLD_LOCAL, so that nothing binds to it by name. Not RTLD_DEEPBIND: sanitizers refuse it, and what the library calls
/// of itself may come through our doors, which send its own objects back to it.
void* open_library(Library library) {
  const std::string path = path_of(library);
  if (path.empty()) return nullptr;
  void* handle = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (!handle) log(LogLevel::warn, "cannot open the system's %s: %s", entry(library).soname, ::dlerror());
  if (handle) log(LogLevel::debug, "opened the system's %s: %s", entry(library).soname, path.c_str());
  return handle;
}

/// No lock: another thread may be inside dlopen and wait for us. Two openers get the same handle.
void* handle_of(Library library) {
  Known& library_entry = entry(library);
  void* handle = library_entry.handle.load(std::memory_order_acquire);
  if (handle || library_entry.tried.load(std::memory_order_acquire)) return handle;
  handle = open_library(library);
  if (handle) library_entry.handle.store(handle, std::memory_order_release);
  library_entry.tried.store(true, std::memory_order_release);
  return handle;
}

}  // namespace

void* find_symbol(Library library, const char* symbol, const char* version) {
  if (config().native == Native::off) return nullptr;
  void* handle = handle_of(library);
  return handle ? ::dlvsym(handle, symbol, version) : nullptr;
}

const char* absence(Library library) {
  if (config().native == Native::off) return "VERBATIM_NATIVE is off";
  if (entry(library).handle.load(std::memory_order_acquire)) return nullptr;
  return "the system has no such library, or it cannot be opened";
}

bool is_open(Library library) { return entry(library).handle.load(std::memory_order_acquire) != nullptr; }

}  // namespace vb::native
