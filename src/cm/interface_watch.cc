// SPDX-License-Identifier: BSD-2-Clause
#include "cm/interface_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/fork.h"

namespace vb::cm {

Result<void> InterfaceWatch::open() {
  fd_ = Fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd_) return Error{errno};
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Error{errno};
  close_in_child(fd_.get());
  return {};
}

std::vector<uint32_t> InterfaceWatch::gone() {
  std::vector<uint32_t> indexes;
  alignas(nlmsghdr) char buffer[8192];
  for (;;) {
    ssize_t size = recv(fd_.get(), buffer, sizeof buffer, 0);
    if (size <= 0) return indexes;
    auto* header = reinterpret_cast<nlmsghdr*>(buffer);
    for (; NLMSG_OK(header, static_cast<size_t>(size)); header = NLMSG_NEXT(header, size)) {
      if (header->nlmsg_type != RTM_DELLINK || header->nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) continue;
      const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(header));
      // A bridge tells by the same message that an interface has left it.
      if (info->ifi_family == AF_UNSPEC) indexes.push_back(static_cast<uint32_t>(info->ifi_index));
    }
  }
}

}  // namespace vb::cm
