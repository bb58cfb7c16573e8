// SPDX-License-Identifier: BSD-2-Clause
// The system's own libibverbs and librdmacm, opened beside ours at the first call that needs one: for real hardware,
// for vendor libraries, and for what we do not implement.
#pragma once

#include "base/export.h"

namespace vb::native {

enum class Library { ibverbs, rdmacm };

/// The address of symbol@version in the system's library, which is opened if need be; nullptr when the library or the
/// symbol is not there, or the option `native` is off. Takes no lock of ours, so library constructors may call it.
VB_API void* find_symbol(Library library, const char* symbol, const char* version);

/// Why find_symbol finds nothing in this library; nullptr when the library is open. Never fails, does not allocate.
VB_API const char* absence(Library library);

/// Whether the library is open already.
VB_API bool is_open(Library library);

}  // namespace vb::native
