// SPDX-License-Identifier: BSD-2-Clause
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "support/end.h"
#include "support/pattern.h"

namespace vt {

Region End::keep(ibv_mr* mr) {
  Region region;
  if (!mr) {
    region.error = errno;
    return region;
  }
  regions_.emplace_back(mr);
  return {.id = static_cast<int>(regions_.size()) - 1,
          .error = 0,
          .addr = reinterpret_cast<uint64_t>(mr->addr),
          .lkey = mr->lkey,
          .rkey = mr->rkey};
}

Region End::reg(uint64_t offset, uint64_t length, int access) {
  return keep(ibv_reg_mr(pd_.get(), buffer_.data() + offset, length, access));
}

Region End::reg_iova(uint64_t offset, uint64_t length, uint64_t iova, int access) {
  return keep(ibv_reg_mr_iova(pd_.get(), buffer_.data() + offset, length, iova, access));
}

Region End::reg_in_other_pd(uint64_t offset, uint64_t length, int access) {
  if (!other_pd_) other_pd_.reset(ibv_alloc_pd(context_.get()));
  return keep(ibv_reg_mr(other_pd_.get(), buffer_.data() + offset, length, access));
}

uint32_t End::window_key() {
  windows_.emplace_back(ibv_alloc_mw(pd_.get(), IBV_MW_TYPE_2));
  if (!windows_.back()) throw std::runtime_error("no memory window, errno " + std::to_string(errno));
  return windows_.back()->rkey;
}

Region End::reg_file(Bytes path, uint64_t length, int access) {
  path.push_back(0);
  int fd = open(reinterpret_cast<const char*>(path.data()), O_RDWR | O_CREAT, 0600);
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(length)) != 0) return {.error = errno};
  void* map = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (map == MAP_FAILED) return {.error = errno};
  return keep(ibv_reg_mr(pd_.get(), map, length, access));
}

int End::dereg(int id) { return ibv_dereg_mr(regions_.at(static_cast<size_t>(id)).release()); }

void End::fill(uint64_t offset, uint64_t length, uint64_t seed, uint64_t from) {
  fill_pattern(std::span(buffer_).subspan(offset, length), seed, from);
}

int64_t End::mismatch(uint64_t offset, uint64_t length, uint64_t seed, uint64_t from) {
  return find_mismatch(std::span<const uint8_t>(buffer_).subspan(offset, length), seed, from);
}

void End::store(uint64_t offset, Bytes bytes) {
  if (offset + bytes.size() > buffer_.size()) throw std::runtime_error("store beyond the buffer");
  std::copy(bytes.begin(), bytes.end(), buffer_.begin() + static_cast<ptrdiff_t>(offset));
}

Bytes End::load(uint64_t offset, uint64_t length) {
  auto part = std::span(buffer_).subspan(offset, length);
  return Bytes(part.begin(), part.end());
}

bool End::spin_on_byte(uint64_t offset, uint8_t value) {
  std::atomic_ref<uint8_t> byte(buffer_.at(offset));
  Deadline deadline;
  while (byte.load(std::memory_order_acquire) != value) {
    if (deadline.expired()) return false;
    sched_yield();
  }
  return true;
}

}  // namespace vt
