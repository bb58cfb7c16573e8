/* SPDX-License-Identifier: BSD-2-Clause */
/* DMA mapping by an RDMA device: the identity. */
#ifndef KVERBS_IB_DMA_H
#define KVERBS_IB_DMA_H
#include <kverbs/ib_objects.h>

#if KV_SINCE(2, 6, 20)
static inline int ib_dma_mapping_error(struct ib_device* dev, u64 address) {
  (void)dev;
  (void)address;
  return 0;
}
static inline u64 ib_dma_map_single(struct ib_device* dev, void* p, size_t size, enum dma_data_direction direction) {
  (void)dev;
  (void)size;
  (void)direction;
  return kv_dma_single(p);
}
static inline void ib_dma_unmap_single(struct ib_device* dev, u64 a, size_t size, enum dma_data_direction direction) {
  (void)dev;
  (void)a;
  (void)size;
  (void)direction;
}
static inline u64 ib_dma_map_page(struct ib_device* dev, struct page* page, unsigned long offset, size_t size,
                                  enum dma_data_direction direction) {
  (void)dev;
  (void)size;
  (void)direction;
  return kv_dma_single(page_address(page)) + offset;
}
#define ib_dma_unmap_page ib_dma_unmap_single
/* The name that inline functions of some releases pulled in. */
int ib_dma_virt_map_sg(struct ib_device* dev, struct scatterlist* sg, int n) KV_SYMBOL(dma_virt_map_sg);
static inline int ib_dma_map_sg(struct ib_device* dev, struct scatterlist* sg, int n,
                                enum dma_data_direction direction) {
  (void)dev;
  (void)direction;
  return kv_dma_sg(sg, n);
}
static inline void ib_dma_unmap_sg(struct ib_device* dev, struct scatterlist* sg, int n,
                                   enum dma_data_direction direction) {
  (void)dev;
  (void)sg;
  (void)n;
  (void)direction;
}
static inline void ib_dma_sync_single_for_cpu(struct ib_device* dev, u64 a, size_t n, enum dma_data_direction d) {
  ib_dma_unmap_single(dev, a, n, d);
}
#define ib_dma_sync_single_for_device ib_dma_sync_single_for_cpu
#if KV_UNTIL(5, 1, 0)
static inline u64 ib_sg_dma_address(struct ib_device* dev, struct scatterlist* sg) {
  (void)dev;
  return sg_dma_address(sg);
}
static inline unsigned int ib_sg_dma_len(struct ib_device* dev, struct scatterlist* sg) {
  (void)dev;
  return sg_dma_len(sg);
}
#endif
#if KV_UNTIL(5, 12, 0)
static inline void* ib_dma_alloc_coherent(struct ib_device* dev, size_t size, dma_addr_t* handle, gfp_t flags) {
  return dma_alloc_coherent(dev->dma_device, size, handle, flags);
}
static inline void ib_dma_free_coherent(struct ib_device* dev, size_t size, void* p, dma_addr_t handle) {
  dma_free_coherent(dev->dma_device, size, p, handle);
}
#endif
#if KV_SINCE(5, 10, 0)
static inline bool ib_uses_virt_dma(struct ib_device* dev) { return !dev->dma_device; }
#endif
#endif

#endif
