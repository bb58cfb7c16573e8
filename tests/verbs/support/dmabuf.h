// SPDX-License-Identifier: BSD-2-Clause
// DMA buffers that a kernel exports, from whichever of its exporters is there.
#pragma once

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vt {

/// A descriptor, and the processor's own view of what it stands for.
class DmaBuf {
 public:
  DmaBuf(std::string exporter, int fd, size_t size) : exporter_(std::move(exporter)), fd_(fd), size_(size) {
    view_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  DmaBuf(DmaBuf&& other) noexcept
      : exporter_(std::move(other.exporter_)),
        fd_(std::exchange(other.fd_, -1)),
        size_(other.size_),
        view_(std::exchange(other.view_, MAP_FAILED)) {}
  DmaBuf(const DmaBuf&) = delete;
  DmaBuf& operator=(const DmaBuf&) = delete;
  ~DmaBuf() {
    close_fd();
    if (view_ != MAP_FAILED) munmap(view_, size_);
  }

  const std::string& exporter() const { return exporter_; }
  int fd() const { return fd_; }
  bool mapped() const { return view_ != MAP_FAILED; }
  std::span<uint8_t> bytes() const { return {static_cast<uint8_t*>(view_), size_}; }
  void close_fd() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  std::string exporter_;
  int fd_;
  size_t size_;
  void* view_;
};

namespace dmabuf_detail {

inline constexpr const char* kUdmabuf = "/dev/udmabuf";
inline constexpr const char* kHeap = "/dev/dma_heap/system";

/// Pages of a memfd. `size` is a multiple of the page size here and below.
inline int from_udmabuf(int device, size_t size) {
  const int memory = memfd_create("dmabuf-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  int fd = -1;
  if (ftruncate(memory, static_cast<off_t>(size)) == 0 && fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) == 0) {
    udmabuf_create request{};
    request.memfd = static_cast<uint32_t>(memory), request.flags = UDMABUF_FLAGS_CLOEXEC, request.size = size;
    fd = ioctl(device, UDMABUF_CREATE, &request);
  }
  close(memory);
  return fd;
}

inline int from_heap(int device, size_t size) {
  dma_heap_allocation_data request{};
  request.len = size, request.fd_flags = O_RDWR | O_CLOEXEC;
  return ioctl(device, DMA_HEAP_IOCTL_ALLOC, &request) == 0 ? static_cast<int>(request.fd) : -1;
}

// Of drm/drm.h and drm_mode.h, which belong to another package than the other headers.
struct CreateDumb {
  uint32_t height, width, bpp, flags, handle, pitch;
  uint64_t size;
};
struct PrimeHandle {
  uint32_t handle, flags;
  int32_t fd;
};

/// A graphics device's plain buffer.
inline int from_graphics(int device, size_t size) {
  CreateDumb request{static_cast<uint32_t>(size / 4096), 1024, 32, 0, 0, 0, 0};
  if (ioctl(device, _IOWR('d', 0xb2, CreateDumb), &request) != 0 || request.size < size) return -1;
  PrimeHandle exported{request.handle, O_RDWR | O_CLOEXEC, -1};
  return ioctl(device, _IOWR('d', 0x2d, PrimeHandle), &exported) == 0 ? exported.fd : -1;
}

inline void take_from(const std::string& node, int (*make)(int, size_t), size_t size, std::vector<DmaBuf>& all) {
  const int device = open(node.c_str(), O_RDWR | O_CLOEXEC);
  if (device < 0) return;
  const int fd = make(device, size);
  close(device);
  if (fd < 0) return;
  DmaBuf made(node, fd, size);
  if (made.mapped()) all.push_back(std::move(made));
}

}  // namespace dmabuf_detail

/// A buffer of `size` bytes (a multiple of the page size) from each exporter that gives one which processors may map.
inline std::vector<DmaBuf> all_dmabufs(size_t size) {
  using namespace dmabuf_detail;
  std::vector<DmaBuf> all;
  take_from(kUdmabuf, from_udmabuf, size, all);
  take_from(kHeap, from_heap, size, all);
  for (int card = 0; card < 8; ++card) take_from("/dev/dri/card" + std::to_string(card), from_graphics, size, all);
  return all;
}

inline std::string missing_exporters() {
  using namespace dmabuf_detail;
  return std::string("no DMA buffer to be had: neither ") + kUdmabuf + " nor " + kHeap +
         " nor a plain buffer of /dev/dri/card*";
}

}  // namespace vt
