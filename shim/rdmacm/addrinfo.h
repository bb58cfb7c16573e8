// SPDX-License-Identifier: BSD-2-Clause
// rdma_addrinfo: looked up, copied, freed.
#pragma once

#include <rdma/rdma_cma.h>

namespace vb::door {

/// The C library's errors are given as they are (EAI_*).
struct Outcome {
  int code = 0;
  int error = 0;  ///< code -1
};

/// What rdma_getaddrinfo does. May wait for a name server.
Outcome resolve_names(const char* node, const char* service, const rdma_addrinfo* hints, rdma_addrinfo** result);
/// A whole list.
void free_all(rdma_addrinfo* info);
/// One, with what it points to, but for routes and connection data. nullptr: no memory.
rdma_addrinfo* copy_info(const rdma_addrinfo& info);

}  // namespace vb::door
