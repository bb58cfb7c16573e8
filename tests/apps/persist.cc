// SPDX-License-Identifier: BSD-2-Clause
// A file of another process, written and flushed through the distribution's librpma.
//
//     persist target <address> <port> <file>     maps the file, says "listening", serves one connection; ends with it
//     persist writer <address> <port> <blocks>   writes, flushes to persistence, says "flushed"; ends with the
//     connection
//
// Block i of 4 KiB consists of bytes 1 + (i * 7 + offset) % 251.
#include <fcntl.h>
#include <librpma.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr size_t kBlock = 4096, kSize = 256 * kBlock;

void must(int error, const char* what) {
  if (error == 0) return;
  std::fprintf(stderr, "persist: %s: %s\n", what, rpma_err_2str(error));
  std::exit(1);
}

void say(const char* what) {
  std::puts(what);
  std::fflush(stdout);
}

rpma_peer* open_peer(const char* address, rpma_util_ibv_context_type whose) {
  ibv_context* context = nullptr;
  rpma_peer* peer = nullptr;
  must(rpma_utils_get_ibv_context(address, whose, &context), "device");
  must(rpma_peer_new(context, &peer), "peer");
  return peer;
}

rpma_conn_event next_event(rpma_conn* conn) {
  rpma_conn_event event = RPMA_CONN_UNDEFINED;
  must(rpma_conn_next_event(conn, &event), "event");
  return event;
}

void must_be_established(rpma_conn* conn) {
  const rpma_conn_event event = next_event(conn);
  if (event == RPMA_CONN_ESTABLISHED) return;
  std::fprintf(stderr, "persist: not established: %s\n", rpma_utils_conn_event_2str(event));
  std::exit(1);
}

/// That direct writes to this memory are persistent, and its description: in this order.
std::vector<unsigned char> describe(rpma_mr_local* region) {
  rpma_peer_cfg* config = nullptr;
  size_t config_size = 0, region_size = 0;
  must(rpma_peer_cfg_new(&config), "configuration");
  must(rpma_peer_cfg_set_direct_write_to_pmem(config, true), "direct write");
  must(rpma_peer_cfg_get_descriptor_size(config, &config_size), "configuration's size");
  must(rpma_mr_get_descriptor_size(region, &region_size), "region's size");
  std::vector<unsigned char> data(1 + config_size + region_size);
  data[0] = static_cast<unsigned char>(config_size);
  must(rpma_peer_cfg_get_descriptor(config, &data[1]), "configuration's descriptor");
  must(rpma_mr_get_descriptor(region, &data[1 + config_size]), "region's descriptor");
  rpma_peer_cfg_delete(&config);
  return data;
}

int target(const char* address, const char* port, const char* file) {
  const int fd = open(file, O_RDWR | O_CREAT, 0600);
  if (fd < 0 || ftruncate(fd, kSize) != 0) return perror(file), 1;
  void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return perror("mmap"), 1;
  rpma_peer* peer = open_peer(address, RPMA_UTIL_IBV_CONTEXT_LOCAL);
  rpma_mr_local* region = nullptr;
  must(rpma_mr_reg(peer, memory, kSize, RPMA_MR_USAGE_WRITE_DST | RPMA_MR_USAGE_FLUSH_TYPE_PERSISTENT, &region),
       "region");
  rpma_ep* listener = nullptr;
  must(rpma_ep_listen(peer, address, port, &listener), "listen");
  say("listening");
  rpma_conn_req* request = nullptr;
  rpma_conn* conn = nullptr;
  must(rpma_ep_next_conn_req(listener, nullptr, &request), "request");
  std::vector<unsigned char> description = describe(region);
  const rpma_conn_private_data data{description.data(), static_cast<uint8_t>(description.size())};
  must(rpma_conn_req_connect(&request, &data, &conn), "accept");
  must_be_established(conn);
  next_event(conn);
  return 0;
}

rpma_mr_remote* learn(rpma_conn* conn) {
  rpma_conn_private_data data{};
  must(rpma_conn_get_private_data(conn, &data), "private data");
  auto* bytes = static_cast<unsigned char*>(data.ptr);
  rpma_peer_cfg* config = nullptr;
  must(rpma_peer_cfg_from_descriptor(bytes + 1, bytes[0], &config), "peer's configuration");
  must(rpma_conn_apply_remote_peer_cfg(conn, config), "peer's configuration, applied");
  rpma_peer_cfg_delete(&config);
  rpma_mr_remote* region = nullptr;
  must(rpma_mr_remote_from_descriptor(bytes + 1 + bytes[0], data.len - 1u - bytes[0], &region), "peer's region");
  return region;
}

void must_complete(rpma_conn* conn) {
  rpma_cq* queue = nullptr;
  ibv_wc completion{};
  must(rpma_conn_get_cq(conn, &queue), "completion queue");
  must(rpma_cq_wait(queue), "completion");
  must(rpma_cq_get_wc(queue, 1, &completion, nullptr), "completion");
  if (completion.status == IBV_WC_SUCCESS) return;
  std::fprintf(stderr, "persist: flush: %s\n", ibv_wc_status_str(completion.status));
  std::exit(1);
}

int writer(const char* address, const char* port, size_t blocks) {
  std::vector<unsigned char> memory(kSize);
  for (size_t i = 0; i < kSize; ++i) memory[i] = static_cast<unsigned char>(1 + (i / kBlock * 7 + i % kBlock) % 251);
  rpma_peer* peer = open_peer(address, RPMA_UTIL_IBV_CONTEXT_REMOTE);
  rpma_mr_local* region = nullptr;
  must(rpma_mr_reg(peer, memory.data(), kSize, RPMA_MR_USAGE_WRITE_SRC, &region), "region");
  rpma_conn_req* request = nullptr;
  rpma_conn* conn = nullptr;
  must(rpma_conn_req_new(peer, address, port, nullptr, &request), "request");
  must(rpma_conn_req_connect(&request, nullptr, &conn), "connect");
  must_be_established(conn);
  rpma_mr_remote* remote = learn(conn);
  // As many small ones as the queue takes at a time, then all the rest at once.
  size_t at = 0;
  for (; at < 4 * kBlock; at += kBlock) {
    must(rpma_write(conn, remote, at, region, at, kBlock, RPMA_F_COMPLETION_ON_ERROR, nullptr), "write");
  }
  must(rpma_write(conn, remote, at, region, at, blocks * kBlock - at, RPMA_F_COMPLETION_ON_ERROR, nullptr), "write");
  must(rpma_flush(conn, remote, 0, blocks * kBlock, RPMA_FLUSH_TYPE_PERSISTENT, RPMA_F_COMPLETION_ALWAYS, nullptr),
       "flush");
  must_complete(conn);
  say("flushed");
  next_event(conn);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc == 5 ? argv[1] : "";
  if (role == "target") return target(argv[2], argv[3], argv[4]);
  const size_t blocks = role == "writer" ? std::strtoul(argv[4], nullptr, 10) : 0;
  if (blocks > 4 && blocks <= kSize / kBlock) return writer(argv[2], argv[3], blocks);
  std::fputs("usage: persist target|writer <address> <port> <file>|<blocks, 5 to 256>\n", stderr);
  return 2;
}
