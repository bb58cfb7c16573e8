// SPDX-License-Identifier: BSD-2-Clause
// The way to the system's own libraries: the tables that scripts/gen-abi makes, and the resolver that stubs (stub.h)
// call.
#pragma once

namespace vb::door {

/// What a stub returns for ever when the native library does not have its symbol.
enum class Fails { errno_, minus_, null_, list_, negative_, zero_, text_, void_ };

struct Symbol {
  const char* name;
  const char* version;
  Fails fails;
};

// In the order of the stubs' indices.
extern const Symbol ibverbs_symbols[];
extern const Symbol rdmacm_symbols[];

/// The version of a private symbol that any node of the system's library may have.
inline constexpr char kAnyPrivate[] = "IBVERBS_PRIVATE_*";
/// The private nodes that are known; ends with nullptr.
extern const char* const ibverbs_private_nodes[];

}  // namespace vb::door

/// The target of a stub: the function of the native library, or one that fails. Thread-safe: racing threads get the
/// same. `door` counts as vb::native::Library does.
extern "C" __attribute__((visibility("default"))) void* vb_resolve(unsigned door, unsigned index);
