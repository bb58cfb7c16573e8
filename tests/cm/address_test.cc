// SPDX-License-Identifier: BSD-2-Clause
// Addresses and ports.
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "support/fixture.h"

namespace cm_test {
namespace {

TEST_F(CmTest, BindingAnAddressChoosesDeviceAndPort) {
  Id id(passive);
  Address address = device_address();
  ASSERT_EQ(rdma_bind_addr(id.get(), address.get()), 0);
  EXPECT_NE(id->verbs, nullptr);
  EXPECT_NE(id->pd, nullptr);
  EXPECT_EQ(id->port_num, 1);
  EXPECT_NE(id.port(), 0);
  EXPECT_EQ(id->route.addr.src_addr.sa_family, AF_INET);
  EXPECT_NE(rdma_bind_addr(id.get(), address.get()), 0);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CmTest, AWildcardHasNoDevice) {
  Id id(passive);
  Address any = make_address("0.0.0.0");
  ASSERT_EQ(rdma_bind_addr(id.get(), any.get()), 0);
  EXPECT_EQ(id->verbs, nullptr);
  EXPECT_NE(id.port(), 0);
}

TEST_F(CmTest, APortIsTakenOnce) {
  Id first = listen();
  Id second(passive);
  Address address = device_address(first.port());
  EXPECT_NE(rdma_bind_addr(second.get(), address.get()), 0);
  EXPECT_EQ(errno, EADDRINUSE);
  Address any = make_address("0.0.0.0", first.port());
  EXPECT_NE(rdma_bind_addr(second.get(), any.get()), 0);
  EXPECT_EQ(errno, EADDRNOTAVAIL);
  first.destroy();
  EXPECT_EQ(rdma_bind_addr(second.get(), address.get()), 0) << "free as soon as it is given back";
}

TEST_F(CmTest, TheWildcardHasThePortEverywhere) {
  Id wild(passive), specific(passive);
  Address any = make_address("0.0.0.0");
  ASSERT_EQ(rdma_bind_addr(wild.get(), any.get()), 0);
  Address address = device_address(wild.port());
  EXPECT_NE(rdma_bind_addr(specific.get(), address.get()), 0);
  EXPECT_EQ(errno, EADDRNOTAVAIL);
}

TEST_F(CmTest, PortSpacesAreSeparate) {
  Id stream = listen();
  Id datagram(passive, RDMA_PS_UDP);
  Address address = device_address(stream.port());
  EXPECT_EQ(rdma_bind_addr(datagram.get(), address.get()), 0) << errno;
  EXPECT_EQ(datagram.port(), stream.port());
}

/// A TCP port that the system gives is nobody's; the RDMA port of that number may be another process's, and then
/// another number is as good.
TEST_F(CmTest, TcpPortsAreAnotherSpace) {
  bool bound = false;
  for (int i = 0; i < 20 && !bound; ++i) {
    Address address = device_address(0);
    socklen_t size = sizeof(sockaddr_in);
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(bind(tcp, address.get(), size), 0) << errno;
    ASSERT_EQ(::listen(tcp, 1), 0) << errno;
    ASSERT_EQ(getsockname(tcp, address.get(), &size), 0);
    Id id(passive);
    bound = rdma_bind_addr(id.get(), address.get()) == 0;
    close(tcp);
  }
  EXPECT_TRUE(bound);
}

TEST_F(CmTest, ForeignAddressesCannotBeBound) {
  Id id(passive);
  Address foreign = make_address("203.0.113.9", 7000);
  EXPECT_NE(rdma_bind_addr(id.get(), foreign.get()), 0);
  EXPECT_EQ(errno, EADDRNOTAVAIL);
  sockaddr local{};
  local.sa_family = AF_UNIX;
  EXPECT_NE(rdma_bind_addr(id.get(), &local), 0);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CmTest, ListeningWithoutAnAddressTakesAPort) {
  Id id(passive);
  ASSERT_EQ(rdma_listen(id.get(), 4), 0);
  EXPECT_NE(id.port(), 0);
}

TEST_F(CmTest, ResolvingFillsInTheWay) {
  Id id = resolve(7999, false);
  EXPECT_NE(id->verbs, nullptr);
  EXPECT_NE(id.port(), 0);
  EXPECT_EQ(ntohs(rdma_get_dst_port(id.get())), 7999);
  ASSERT_EQ(id->route.num_paths, 1);
  const ibv_sa_path_rec& path = *id->route.path_rec;
  EXPECT_EQ(path.pkey, 0xffff);
  EXPECT_EQ(path.hop_limit, 64);
  EXPECT_EQ(path.reversible, 1);
  EXPECT_EQ(memcmp(&path.sgid, &id->route.addr.addr.ibaddr.sgid, sizeof path.sgid), 0);
  EXPECT_EQ(memcmp(&path.dgid, &id->route.addr.addr.ibaddr.dgid, sizeof path.dgid), 0);
  EXPECT_EQ(path.dgid.raw[10], 0xff);
  EXPECT_EQ(path.dgid.raw[11], 0xff);
}

TEST_F(CmTest, EachHasAPortOfItsOwn) {
  Id first = resolve(7999, false), second = resolve(7999, false);
  EXPECT_NE(first.port(), second.port());
}

TEST_F(CmTest, StagesComeInOrder) {
  Id id(active);
  EXPECT_NE(rdma_reject(id.get(), nullptr, 0), 0);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CmTest, WithoutADeviceThereIsNothingToDo) {
  Id id(active);
  EXPECT_NE(rdma_resolve_route(id.get(), 100), 0);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_NE(rdma_disconnect(id.get()), 0);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CmTest, ManyIdentifiersCostNoDescriptors) {
  // More than a process may usually have open.
  std::vector<Id> all;
  for (int i = 0; i < 1500; ++i) all.push_back(resolve(7999, false));
  int spare = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  EXPECT_LT(spare, 500);
  close(spare);
}

}  // namespace
}  // namespace cm_test
