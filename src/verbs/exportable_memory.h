// SPDX-License-Identifier: BSD-2-Clause
// Memory of the library's own making that can be given away as a DMA buffer: zeroed pages of a memfd, mapped.
#pragma once

#include <cstddef>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace vb {

class ExportableMemory {
 public:
  /// At least `size` bytes, in whole pages. ENOMEM.
  static Result<ExportableMemory> allocate(size_t size);

  ExportableMemory() = default;
  ExportableMemory(ExportableMemory&& other) noexcept { swap(other); }
  ExportableMemory& operator=(ExportableMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~ExportableMemory();

  unsigned char* address() const { return address_; }
  size_t mapped() const { return mapped_; }
  /// A new fd of the kernel's DMA buffer over the same pages. ENODATA: it gives ordinary memory none (no /dev/udmabuf,
  /// or it may not be used).
  Result<int> export_dmabuf() const;

 private:
  void swap(ExportableMemory& other) noexcept;

  unsigned char* address_ = nullptr;
  size_t mapped_ = 0;
  Fd dmabuf_;
};

}  // namespace vb
