// SPDX-License-Identifier: BSD-2-Clause
// rdma_getaddrinfo: names and services by the C library's resolver; no daemon is asked.
#include <netdb.h>

#include <cstdlib>
#include <cstring>

#include "addrinfo.h"
#include "door.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

namespace {

struct FreeInfo {
  void operator()(addrinfo* info) const { freeaddrinfo(info); }
};
using Info = std::unique_ptr<addrinfo, FreeInfo>;

Outcome failed(int error) { return {-1, error}; }

sockaddr* clone(const sockaddr* address, socklen_t size) {
  auto* copy = static_cast<sockaddr*>(calloc(1, sizeof(sockaddr_storage)));
  if (copy) memcpy(copy, address, size);
  return copy;
}

char* clone_text(const char* text) { return text ? strdup(text) : nullptr; }

/// Allocated and freed by this library alone, but in the C way: a program may look at every field.
void free_one(rdma_addrinfo* info) {
  free(info->ai_src_addr);
  free(info->ai_dst_addr);
  free(info->ai_src_canonname);
  free(info->ai_dst_canonname);
  free(info->ai_route);
  free(info->ai_connect);
  free(info);
}

bool consistent(const rdma_addrinfo& hints) {
  bool datagram_space = hints.ai_port_space == RDMA_PS_UDP || hints.ai_port_space == RDMA_PS_IPOIB;
  bool stream_space = hints.ai_port_space == RDMA_PS_TCP;
  if (hints.ai_qp_type == IBV_QPT_UD) return !stream_space;
  return !(hints.ai_qp_type && datagram_space);
}

/// Without RAI_FAMILY the family of GIDs is no hint: what is found is an IP address.
bool by_gid(const rdma_addrinfo& hints) { return hints.ai_family == AF_IB && (hints.ai_flags & RAI_FAMILY); }

addrinfo resolver_hints(const rdma_addrinfo& hints) {
  addrinfo out{};
  if (hints.ai_flags & RAI_PASSIVE) out.ai_flags |= AI_PASSIVE;
  if (hints.ai_flags & RAI_NUMERICHOST) out.ai_flags |= AI_NUMERICHOST;
  out.ai_family = hints.ai_family == AF_IB ? AF_UNSPEC : hints.ai_family;
  if (by_gid(hints)) {
    // A GID is written as an IPv6 address, and an IPv4 address has a GID.
    out.ai_family = AF_INET6;
    out.ai_flags |= AI_V4MAPPED;
  }
  out.ai_socktype = SOCK_STREAM;
  if (hints.ai_qp_type == IBV_QPT_UD || hints.ai_port_space == RDMA_PS_UDP) out.ai_socktype = SOCK_DGRAM;
  return out;
}

void set_types(rdma_addrinfo& out, const rdma_addrinfo& hints) {
  out.ai_flags = hints.ai_flags;
  out.ai_qp_type = hints.ai_qp_type;
  out.ai_port_space = hints.ai_port_space;
  bool datagram = out.ai_qp_type == IBV_QPT_UD || out.ai_port_space == RDMA_PS_UDP;
  if (!out.ai_qp_type) out.ai_qp_type = datagram ? IBV_QPT_UD : IBV_QPT_RC;
  if (!out.ai_port_space) out.ai_port_space = datagram ? RDMA_PS_UDP : RDMA_PS_TCP;
}

bool set_address(sockaddr*& to, socklen_t& size, const sockaddr* from, socklen_t from_size) {
  if (!from || from_size == 0 || from_size > sizeof(sockaddr_storage)) return true;
  to = clone(from, from_size);
  size = from_size;
  return to != nullptr;
}

/// What was found, in the family that was asked for.
bool set_found(const rdma_addrinfo& out, sockaddr*& to, socklen_t& size, const addrinfo& found) {
  if (out.ai_family != AF_IB) return set_address(to, size, found.ai_addr, found.ai_addrlen);
  auto address = cm::copy_address(found.ai_addr);
  if (!address) return false;
  sockaddr_ib ib = cm::infiniband_address(*address, static_cast<uint16_t>(out.ai_port_space));
  return set_address(to, size, reinterpret_cast<const sockaddr*>(&ib), sizeof ib);
}

bool fill(rdma_addrinfo& out, const addrinfo* found, const rdma_addrinfo& hints) {
  set_types(out, hints);
  bool passive = hints.ai_flags & RAI_PASSIVE;
  bool fine = true;
  if (found) {
    out.ai_family = by_gid(hints) ? AF_IB : found->ai_family;
    fine = passive ? set_found(out, out.ai_src_addr, out.ai_src_len, *found)
                   : set_found(out, out.ai_dst_addr, out.ai_dst_len, *found);
    (passive ? out.ai_src_canonname : out.ai_dst_canonname) = clone_text(found->ai_canonname);
  } else {
    out.ai_family = hints.ai_src_addr ? hints.ai_src_addr->sa_family
                                      : (hints.ai_dst_addr ? hints.ai_dst_addr->sa_family : hints.ai_family);
  }
  if (!out.ai_src_addr)
    fine = fine && set_address(out.ai_src_addr, out.ai_src_len, hints.ai_src_addr, hints.ai_src_len);
  if (!out.ai_dst_addr)
    fine = fine && set_address(out.ai_dst_addr, out.ai_dst_len, hints.ai_dst_addr, hints.ai_dst_len);
  return fine;
}

/// The kernel's choice of a source, so that a program can bind what it sees.
void add_source(rdma_addrinfo& out) {
  if (out.ai_src_addr || !out.ai_dst_addr) return;
  auto destination = cm::copy_address(out.ai_dst_addr);
  if (!destination) return;
  auto source = cm::source_for(*destination, nullptr);
  if (!source) return;
  addrinfo found{};
  found.ai_addr = source->get();
  found.ai_addrlen = source->length;
  set_found(out, out.ai_src_addr, out.ai_src_len, found);
}

Outcome look_up(const char* node, const char* service, const rdma_addrinfo& hints, rdma_addrinfo** result) {
  Info list;
  if (node || service) {
    addrinfo wanted = resolver_hints(hints);
    addrinfo* found = nullptr;
    if (int error = getaddrinfo(node, service, &wanted, &found)) return {error, 0};
    list.reset(found);
  }
  auto* out = static_cast<rdma_addrinfo*>(calloc(1, sizeof(rdma_addrinfo)));
  if (!out) return failed(ENOMEM);
  if (!fill(*out, list.get(), hints)) {
    free_one(out);
    return failed(ENOMEM);
  }
  if (!(out->ai_flags & (RAI_PASSIVE | RAI_NOROUTE))) add_source(*out);
  *result = out;
  return {};
}

}  // namespace

Outcome resolve_names(const char* node, const char* service, const rdma_addrinfo* given, rdma_addrinfo** result) {
  if (!node && !service && !given) return failed(EINVAL);
  rdma_addrinfo hints = given ? *given : rdma_addrinfo{};
  switch (hints.ai_family) {
    case AF_UNSPEC:
    case AF_INET:
    case AF_INET6:
    case AF_IB: break;
    default: return failed(EINVAL);
  }
  if (!consistent(hints)) return failed(EINVAL);
  return look_up(node, service, hints, result);
}

void free_all(rdma_addrinfo* info) {
  while (info) free_one(std::exchange(info, info->ai_next));
}

rdma_addrinfo* copy_info(const rdma_addrinfo& info) {
  auto* copy = static_cast<rdma_addrinfo*>(calloc(1, sizeof(rdma_addrinfo)));
  if (!copy) return nullptr;
  copy->ai_flags = info.ai_flags;
  copy->ai_family = info.ai_family;
  copy->ai_qp_type = info.ai_qp_type;
  copy->ai_port_space = info.ai_port_space;
  bool fine = set_address(copy->ai_src_addr, copy->ai_src_len, info.ai_src_addr, info.ai_src_len) &&
              set_address(copy->ai_dst_addr, copy->ai_dst_len, info.ai_dst_addr, info.ai_dst_len);
  copy->ai_src_canonname = clone_text(info.ai_src_canonname);
  copy->ai_dst_canonname = clone_text(info.ai_dst_canonname);
  if (fine) return copy;
  free_one(copy);
  return nullptr;
}

}  // namespace vb::door

VB_DOOR int rdma_getaddrinfo(const char* node, const char* service, const rdma_addrinfo* hints,
                             rdma_addrinfo** result) {
  if (make_native()) return native_rdma_getaddrinfo(node, service, hints, result);
  Outcome outcome = resolve_names(node, service, hints, result);
  if (outcome.code == -1) errno = outcome.error;
  return outcome.code;
}

VB_DOOR void rdma_freeaddrinfo(rdma_addrinfo* result) {
  if (make_native()) return native_rdma_freeaddrinfo(result);
  free_all(result);
}
