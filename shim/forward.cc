// SPDX-License-Identifier: BSD-2-Clause
#include "forward.h"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/log.h"
#include "native/library.h"

namespace {

int fail_errno() { return errno = EOPNOTSUPP; }
int fail_minus() {
  errno = EOPNOTSUPP;
  return -1;
}
void* fail_null() {
  errno = EOPNOTSUPP;
  return nullptr;
}
void* fail_list(int* count) {
  if (count) *count = 0;
  return fail_null();
}
intptr_t fail_negative() { return -EOPNOTSUPP; }
intptr_t fail_zero() { return 0; }
const char* fail_text() { return "unknown"; }
void fail_void() {}

void* failure(vb::door::Fails fails) {
  static constexpr auto address = [](auto* function) { return reinterpret_cast<void*>(function); };
  switch (fails) {
    case vb::door::Fails::errno_: return address(fail_errno);
    case vb::door::Fails::minus_: return address(fail_minus);
    case vb::door::Fails::null_: return address(fail_null);
    case vb::door::Fails::list_: return address(fail_list);
    case vb::door::Fails::negative_: return address(fail_negative);
    case vb::door::Fails::zero_: return address(fail_zero);
    case vb::door::Fails::text_: return address(fail_text);
    case vb::door::Fails::void_: break;
  }
  return address(fail_void);
}

/// Vendor libraries register drivers when they are loaded: where there is nothing to register with, nobody needs to
/// know.
void report_missing(vb::native::Library library, const vb::door::Symbol& symbol) {
  const vb::LogLevel level = symbol.fails == vb::door::Fails::void_ ? vb::LogLevel::debug : vb::LogLevel::warn;
  const char* why = vb::native::absence(library);
  vb::log(level, "%s@%s is not there in the system's own library, and fails: %s", symbol.name, symbol.version,
          why ? why : "the library is of another version");
}

void* find(vb::native::Library library, const vb::door::Symbol& symbol) {
  if (std::strcmp(symbol.version, vb::door::kAnyPrivate) != 0) {
    return vb::native::find_symbol(library, symbol.name, symbol.version);
  }
  for (const char* const* node = vb::door::ibverbs_private_nodes; *node; ++node) {
    if (void* found = vb::native::find_symbol(library, symbol.name, *node)) return found;
  }
  return nullptr;
}

}  // namespace

extern "C" void* vb_resolve(unsigned door, unsigned index) {
  const int saved = errno;
  const auto library = static_cast<vb::native::Library>(door);
  const bool ibverbs = library == vb::native::Library::ibverbs;
  const vb::door::Symbol& symbol = (ibverbs ? vb::door::ibverbs_symbols : vb::door::rdmacm_symbols)[index];
  void* target = find(library, symbol);
  if (!target) {
    report_missing(library, symbol);
    target = failure(symbol.fails);
  }
  errno = saved;
  return target;
}
