// SPDX-License-Identifier: BSD-2-Clause
// An RDM endpoint of a libfabric provider.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>

#include "fabric/endpoint.h"

namespace vb::fabric {

struct OpenOptions {
  std::string provider;         ///< "shm", "tcp", "net", "tcp;ofi_rxm", ...
  std::string node;             ///< local IP address to bind; empty: the provider's choice
  std::string name;             ///< the endpoint's own name, where the provider lets us choose (shm)
  bool only_transfers = false;  ///< no frames come: no receives are posted
};

/// Opens and enables an endpoint, its receives posted. "shm": a ShmEndpoint. Errors: ENOENT no libfabric, ENODATA no
/// such provider.
Result<std::unique_ptr<Endpoint>> open_endpoint(const OpenOptions& options);

/// The provider for peers on other hosts: what `wanted` names, or for "auto" and "tcp" the best TCP one: tcp with
/// native RDM endpoints, else net, else tcp;ofi_rxm. `node` as above. ENODATA: none.
Result<std::string> choose_provider(const std::string& wanted, const std::string& node);

/// How the name of our endpoints begins where the provider keeps a file for each (/dev/shm).
inline constexpr char kSharedMemoryPrefix[] = "verbatim-";

}  // namespace vb::fabric
