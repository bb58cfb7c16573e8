// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/buf.h"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <unordered_set>

#include "base/never_destroyed.h"

namespace vb {
namespace {

std::mutex mutex;

std::unordered_set<const void*>& alive() {
  static NeverDestroyed<std::unordered_set<const void*>> buffers;
  return *buffers;
}

/// The kernel turns sealed pages of a memfd into a DMA buffer.
Fd make_dmabuf(int memory, size_t size) {
  Fd device(::open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
  if (!device || ::fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) != 0) return {};
  udmabuf_create request{};
  request.memfd = static_cast<uint32_t>(memory);
  request.flags = UDMABUF_FLAGS_CLOEXEC;
  request.size = size;
  return Fd(::ioctl(device.get(), UDMABUF_CREATE, &request));
}

}  // namespace

Result<Buf*> alloc_buf(Pd& pd, size_t size) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t mapped = (size + page - 1) & ~(page - 1);
  if (size == 0) return Error{EINVAL};
  if (mapped < size) return Error{ENOMEM};
  Fd memory(::memfd_create("verbatim-buf", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory || ::ftruncate(memory.get(), static_cast<off_t>(mapped)) != 0) return Error{ENOMEM};
  void* address = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (address == MAP_FAILED) return Error{ENOMEM};
  auto* buf = new Buf{&pd, static_cast<unsigned char*>(address), size, mapped, make_dmabuf(memory.get(), mapped)};
  ++pd.uses;
  std::lock_guard guard(mutex);
  alive().insert(buf);
  return buf;
}

void free_buf(Buf& buf) {
  {
    std::lock_guard guard(mutex);
    alive().erase(&buf);
  }
  ::munmap(buf.address, buf.mapped);
  --buf.pd->uses;
  delete &buf;
}

bool is_buf(const ibv_buf* buf) {
  std::lock_guard guard(mutex);
  return alive().contains(buf);
}

bool contains(const Buf& buf, const void* addr, size_t length) {
  const auto* at = static_cast<const unsigned char*>(addr);
  if (at < buf.address) return false;
  const size_t offset = static_cast<size_t>(at - buf.address);
  return offset <= buf.size && length <= buf.size - offset;
}

Result<int> export_buf(Buf& buf) {
  if (!buf.dmabuf) return Error{ENODATA};
  const int fd = ::fcntl(buf.dmabuf.get(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return Error{errno};
  return fd;
}

}  // namespace vb
