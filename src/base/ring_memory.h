// SPDX-License-Identifier: BSD-2-Clause
// Memory for the rings of queues: from the heap, or from whoever the program named (ibv_alloc_parent_domain(3)).
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <type_traits>

namespace vb {

/// Somebody else's memory. Called without locks, by the thread that makes, resizes or destroys the queue.
class RingSource {
 public:
  /// What allocate() returns to say: take the heap.
  static inline char use_heap;

  /// `size` bytes, or nullptr when there are none, or &use_heap.
  virtual void* allocate(size_t size, size_t alignment) = 0;
  /// Takes back what allocate() gave.
  virtual void release(void* memory) = 0;

 protected:
  ~RingSource() = default;
};

/// Gives a ring back to where it came from.
struct ReleaseRing {
  RingSource* source = nullptr;  ///< nullptr: the heap
  void operator()(void* memory) const {
    if (source) {
      source->release(memory);
    } else {
      std::free(memory);
    }
  }
};

template <class T>
using Ring = std::unique_ptr<T[], ReleaseRing>;

inline constexpr size_t kRingAlignment = 64;

/// `count` of T, not initialised beyond what T's own constructor does. Empty when there is no memory. `source` outlives
/// the ring; nullptr: the heap.
template <class T>
Ring<T> make_ring(size_t count, RingSource* source) {
  static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= kRingAlignment);
  const size_t size = (count * sizeof(T) + kRingAlignment - 1) & ~(kRingAlignment - 1);
  void* memory = source ? source->allocate(size, kRingAlignment) : &RingSource::use_heap;
  if (memory == &RingSource::use_heap) {
    source = nullptr;
    memory = std::aligned_alloc(kRingAlignment, size);
  }
  if (!memory) return {};
  T* ring = static_cast<T*>(memory);
  std::uninitialized_default_construct_n(ring, count);
  return Ring<T>(ring, ReleaseRing{source});
}

}  // namespace vb
