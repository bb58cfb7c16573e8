// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/exportable_memory.h"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace vb {

namespace {

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

Result<ExportableMemory> ExportableMemory::allocate(size_t size) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t mapped = (size + page - 1) & ~(page - 1);
  if (mapped < size) return Error{ENOMEM};
  Fd pages(::memfd_create("verbatim-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!pages || ::ftruncate(pages.get(), static_cast<off_t>(mapped)) != 0) return Error{ENOMEM};
  void* address = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, pages.get(), 0);
  if (address == MAP_FAILED) return Error{ENOMEM};
  ExportableMemory memory;
  memory.address_ = static_cast<unsigned char*>(address);
  memory.mapped_ = mapped;
  memory.dmabuf_ = make_dmabuf(pages.get(), mapped);
  return memory;
}

ExportableMemory::~ExportableMemory() {
  if (address_) ::munmap(address_, mapped_);
}

Result<int> ExportableMemory::export_dmabuf() const {
  if (!dmabuf_) return Error{ENODATA};
  const int fd = ::fcntl(dmabuf_.get(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return Error{errno};
  return fd;
}

void ExportableMemory::swap(ExportableMemory& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(mapped_, other.mapped_);
  std::swap(dmabuf_, other.dmabuf_);
}

}  // namespace vb
