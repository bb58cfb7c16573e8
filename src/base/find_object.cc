// SPDX-License-Identifier: BSD-2-Clause
// The unwinder that is linked into this library finds frames by _dl_find_object, which C libraries have since 2.35.
// Bound here, so that older ones load us: the C library's own where it is, else the list of loaded objects.
#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <cstdint>

#if __GLIBC_PREREQ(2, 35)

namespace {

using Find = int (*)(void*, dl_find_object*);

/// Not looked for yet: no function has this address.
const auto kUnknown = reinterpret_cast<Find>(-1);
std::atomic<Find> native{kUnknown};

struct Search {
  uintptr_t address;
  dl_find_object* result;
};

bool holds(const dl_phdr_info& object, uintptr_t address) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    const uintptr_t start = object.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && address >= start && address - start < segment.p_memsz) return true;
  }
  return false;
}

/// The fields that the unwinder reads.
int describe(dl_phdr_info* object, size_t, void* argument) {
  auto& search = *static_cast<Search*>(argument);
  if (!holds(*object, search.address)) return 0;
  *search.result = {};
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    auto* place = reinterpret_cast<void*>(object->dlpi_addr + segment.p_vaddr);
    if (segment.p_type == PT_GNU_EH_FRAME) search.result->dlfo_eh_frame = place;
  }
  return search.result->dlfo_eh_frame ? 1 : -1;
}

}  // namespace

extern "C" __attribute__((visibility("hidden"))) int _dl_find_object(void* address, dl_find_object* result) noexcept {
  Find find = native.load(std::memory_order_relaxed);
  if (find == kUnknown) {
    find = reinterpret_cast<Find>(::dlsym(RTLD_DEFAULT, "_dl_find_object"));
    native.store(find, std::memory_order_relaxed);
  }
  if (find) return find(address, result);
  Search search{reinterpret_cast<uintptr_t>(address), result};
  return ::dl_iterate_phdr(describe, &search) == 1 ? 0 : -1;
}

#endif
