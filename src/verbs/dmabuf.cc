// SPDX-License-Identifier: BSD-2-Clause
// Registration of dma-bufs that their exporter lets processors map.
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "verbs/mr.h"

namespace vb {

namespace {

constexpr long kDmaBufMagic = 0x444d4142;

/// The processor's view of a dma-buf, opened for access while it lives.
struct View {
  void* at = MAP_FAILED;
  size_t size = 0;
  int fd = -1;

  void sync(uint64_t flags) const {
    dma_buf_sync request{flags | DMA_BUF_SYNC_RW};
    ioctl(fd, DMA_BUF_IOCTL_SYNC, &request);
  }
  ~View() {
    if (at != MAP_FAILED) {
      sync(DMA_BUF_SYNC_END);
      munmap(at, size);
    }
    if (fd >= 0) close(fd);
  }
};

/// 0, or why this is no dma-buf that holds [offset, offset+length).
int check(int fd, uint64_t offset, size_t length) {
  struct statfs info;
  if (fstatfs(fd, &info) != 0) return EBADF;
  if (info.f_type != kDmaBufMagic) return EINVAL;
  off_t size = lseek(fd, 0, SEEK_END);
  if (size >= 0 && (offset > static_cast<uint64_t>(size) || length > static_cast<uint64_t>(size) - offset))
    return EINVAL;
  return length == 0 || offset + length < offset ? EINVAL : 0;
}

/// Whether the system lets a process reach into such memory of another: not if it has no pages of its own. Where it
/// allows that of no memory, nobody tries.
bool is_in_reach(uint64_t address) {
  char byte;
  const iovec own{&byte, 1}, other{reinterpret_cast<void*>(address), 1};
  return process_vm_readv(getpid(), &own, 1, &other, 1, 0) == 1 || errno != EFAULT;
}

}  // namespace

Result<Mr*> reg_dmabuf_mr(Pd& pd, uint64_t offset, size_t length, uint64_t iova, int fd, unsigned access) {
  constexpr unsigned kAllowed = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
                                IBV_ACCESS_REMOTE_ATOMIC | IBV_ACCESS_RELAXED_ORDERING;
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if ((access & ~kAllowed) || !access_fits(access) || (iova ^ offset) % page != 0) return Error{EINVAL};
  if (int error = check(fd, offset, length)) return Error{error};
  auto view = std::make_shared<View>();
  // From its start: some exporters show that, whatever offset a mapping asks for.
  view->size = offset + length;
  view->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  int protection = PROT_READ | ((access & IBV_ACCESS_LOCAL_WRITE) ? PROT_WRITE : 0);
  view->at = mmap(nullptr, view->size, protection, MAP_SHARED, fd, 0);
  if (view->at == MAP_FAILED) return Error{EOPNOTSUPP};
  view->sync(DMA_BUF_SYNC_START);
  auto region = std::make_unique<MemoryRegion>();
  region->address = reinterpret_cast<uint64_t>(view->at) + offset;
  region->length = length;
  region->iova = iova;
  region->access = access & kKnownAccess;
  region->out_of_reach = !is_in_reach(region->address);
  region->backing = std::move(view);
  auto mr = enter_region(pd, std::move(region));
  if (mr) (*mr)->abi.addr = nullptr;  // the program's address is the offset in the dma-buf
  return mr;
}

}  // namespace vb
