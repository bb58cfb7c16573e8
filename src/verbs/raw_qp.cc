// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/raw_qp.h"

#include <algorithm>
#include <cstring>

#include "transport/engine.h"
#include "transport/raw_receiver.h"
#include "verbs/limits.h"
#include "verbs/rwq_ind_table.h"

namespace vb {
namespace {

/// The raw ports of an engine: a forked child has an engine of its own.
class RawSource final : public Lane::Source {
 public:
  size_t poll() override { return ports.poll(); }
  RawPorts ports;
  const Engine* owner = nullptr;
};

/// Lane's lock held. Never destroyed: it belongs to the engine.
RawPorts& raw_ports() {
  static RawSource* source = nullptr;
  if (!source || source->owner != &engine()) {
    source = new RawSource;
    source->owner = &engine();
    engine().lane.add_source(*source);
  }
  return source->ports;
}

/// A queue pair without queues.
class SpreadingQueuePair final : public QueuePair {
 public:
  explicit SpreadingQueuePair(RwqIndTable& table) : table_(table) {
    for (Wq* wq : table.queues) spreader.table.push_back(&wq->receiver);
    ++table_.uses;
  }
  ~SpreadingQueuePair() override { --table_.uses; }

  RawSpreader spreader;

  void run() override {}
  void receive(Channel&, const wire::Packet&) override {}
  bool drained() const override { return true; }
  void flush() override {}

 protected:
  void stop(ibv_wc_status, uint32_t) override {}

 private:
  RwqIndTable& table_;
};

Result<void> check(const ibv_qp_init_attr_ex& attr) {
  constexpr uint32_t kNeeded = IBV_QP_INIT_ATTR_IND_TABLE | IBV_QP_INIT_ATTR_RX_HASH;
  if ((attr.comp_mask & kNeeded) != kNeeded || !attr.rwq_ind_tbl || attr.qp_type != IBV_QPT_RAW_PACKET) {
    return Error{EINVAL};
  }
  const ibv_rx_hash_conf& hash = attr.rx_hash_conf;
  if (hash.rx_hash_function != IBV_RX_HASH_FUNC_TOEPLITZ || (hash.rx_hash_fields_mask & ~kRxHashFields)) {
    return Error{EOPNOTSUPP};
  }
  if (hash.rx_hash_key_len != kToeplitzKey || !hash.rx_hash_key) return Error{EINVAL};
  return {};
}

}  // namespace

Result<RawPort*> raw_port_of(const Device& device) {
  const bool loopback = std::strcmp(device.abi.name, "vb_lo") == 0;
  return raw_ports().get(device.netdev, device.mtu, loopback);
}

Result<std::unique_ptr<QueuePair>> make_raw_transport(const Device& device) {
  auto guard = engine().lane.hold();
  auto port = raw_port_of(device);
  if (!port) return Error{port.error()};
  return std::unique_ptr<QueuePair>(std::make_unique<RawQueuePair>(**port));
}

Result<std::unique_ptr<QueuePair>> make_spreader(const Device& device, const ibv_qp_init_attr_ex& attr) {
  if (auto fine = check(attr); !fine) return Error{fine.error()};
  auto guard = engine().lane.hold();
  if (auto port = raw_port_of(device); !port) return Error{port.error()};
  auto transport = std::make_unique<SpreadingQueuePair>(RwqIndTable::from(attr.rwq_ind_tbl));
  std::copy_n(attr.rx_hash_conf.rx_hash_key, kToeplitzKey, transport->spreader.key.begin());
  transport->spreader.fields = attr.rx_hash_conf.rx_hash_fields_mask;
  return std::unique_ptr<QueuePair>(std::move(transport));
}

void adopt_raw(Qp& qp, bool strips_vlan) {
  if (RawQueuePair* raw = raw_transport(qp)) {
    raw->receiver.config.strips_vlan = strips_vlan;
    raw->adopt_config();
    qp.frames = &raw->receiver;
  } else {
    qp.frames = &static_cast<SpreadingQueuePair&>(qp.transport).spreader;
  }
}

void limit_rate(Qp& qp, uint32_t kbps, uint32_t burst) {
  RawQueuePair* raw = raw_transport(qp);
  if (!raw) return;
  raw->pacer.set(kbps, burst);
  raw->run();
}

Result<void> modify_qp_rate_limit(Qp& qp, const ibv_qp_rate_limit_attr& attr) {
  RawQueuePair* raw = raw_transport(qp);
  auto guard = engine().lane.hold();
  if (!raw || raw->state() != IBV_QPS_RTS || attr.comp_mask != 0 || attr.rate_limit > kMaxRateLimit) {
    return Error{EINVAL};
  }
  limit_rate(qp, attr.rate_limit, attr.max_burst_sz);
  return {};
}

}  // namespace vb
