// SPDX-License-Identifier: BSD-2-Clause
// An RDM endpoint with the least code between a benchmark and libfabric.
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace vb::bench {

/// Memory of the peer that RMA reaches.
struct RemoteMemory {
  uint64_t address = 0;
  uint64_t key = 0;
};

/// All calls come from one thread. Failures throw std::runtime_error. Post calls return false when the provider is
/// busy: progress(), and try again.
class RawEndpoint {
 public:
  /// `node` is the local IP address to bind; providers that have no IP addresses (shm) ignore it.
  RawEndpoint(const std::string& provider, const std::string& node, size_t message_size);

  std::vector<unsigned char> name() const;
  void set_peer(const std::vector<unsigned char>& name, const RemoteMemory& memory);
  RemoteMemory memory() const;

  /// Keeps this many receives posted from now on. The provider may allow less.
  void post_receives(size_t count);

  bool send(size_t size);
  bool inject(size_t size);
  bool rma_write(size_t size);
  bool rma_read(size_t size);

  /// Reads completions: counts them, and posts each receive again.
  void progress();
  uint64_t received() const { return received_; }
  uint64_t completed() const { return completed_; }  ///< sends, writes and reads, not injects

  size_t inject_size() const { return info_->tx_attr->inject_size; }
  size_t transmit_depth() const { return info_->tx_attr->size; }
  const char* provider() const { return info_->fabric_attr->prov_name; }

  unsigned char* outgoing() { return buffer_.get(); }              ///< what sends, writes and reads use
  unsigned char* target() { return buffer_.get() + 2 * stride_; }  ///< what the peer's RMA reaches

 private:
  struct Close {
    template <class Object>
    void operator()(Object* object) const {
      fi_close(&object->fid);
    }
  };
  template <class Object>
  using Owned = std::unique_ptr<Object, Close>;
  struct FreeInfo {
    void operator()(fi_info* info) const { fi_freeinfo(info); }
  };

  struct Free {
    void operator()(unsigned char* memory) const { std::free(memory); }
  };

  static fi_info* find(const std::string& provider, const std::string& node);
  void open();
  void register_buffer();
  bool post_receive(fi_context2& context);
  bool accepted(ssize_t status, const char* what) const;
  [[noreturn]] void throw_completion_error();

  std::unique_ptr<fi_info, FreeInfo> info_;
  size_t stride_;  // outgoing, incoming and target are this far apart
  std::unique_ptr<unsigned char[], Free> buffer_;
  Owned<fid_fabric> fabric_;
  Owned<fid_domain> domain_;
  Owned<fid_mr> registration_;
  Owned<fid_av> addresses_;
  Owned<fid_cq> completions_;
  Owned<fid_ep> endpoint_;
  fi_addr_t peer_ = FI_ADDR_UNSPEC;
  RemoteMemory remote_;
  void* descriptor_ = nullptr;
  std::vector<fi_context2> receive_contexts_;
  std::vector<fi_context2> transmit_contexts_;
  size_t next_context_ = 0;
  uint64_t received_ = 0;
  uint64_t completed_ = 0;
};

}  // namespace vb::bench
