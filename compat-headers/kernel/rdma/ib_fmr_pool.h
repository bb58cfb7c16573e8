/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools of FMRs: mappings stay cached after they were given back, and are undone in batches. */
#ifndef KVERBS_RDMA_IB_FMR_POOL_H
#define KVERBS_RDMA_IB_FMR_POOL_H
#include <rdma/ib_verbs.h>

#if KV_UNTIL(5, 8, 0)
struct ib_fmr_pool;
struct ib_fmr_pool_param {
  int max_pages_per_fmr;
  int page_shift; /* since 2.6.26 */
  enum ib_access_flags access;
  int pool_size;
  int dirty_watermark; /* that many given back and not cached are unmapped together */
  void (*flush_function)(struct ib_fmr_pool* pool, void* arg);
  void* flush_arg;
  unsigned cache : 1;
  unsigned relaxed : 1; /* OFED of one vendor */
};
struct ib_pool_fmr {
  struct ib_fmr* fmr;
  struct ib_fmr_pool* pool;
  struct list_head list;
  struct hlist_node cache_node;
  int ref_count, remap_count;
  u64 io_virtual_address;
  int page_list_len;
  u64 page_list[];
};
struct ib_fmr_pool* ib_create_fmr_pool(struct ib_pd* pd, struct ib_fmr_pool_param* param) KV_SYMBOL(create_fmr_pool);
/** ib_destroy_fmr_pool - -EBUSY is only said: what is still mapped is unmapped */
int ib_destroy_fmr_pool(struct ib_fmr_pool* pool) KV_SYMBOL(destroy_fmr_pool);
int ib_flush_fmr_pool(struct ib_fmr_pool* pool) KV_SYMBOL(flush_fmr_pool);
/** ib_fmr_pool_map_phys - a mapping of these pages at this address; ERR_PTR(-EAGAIN) when all FMRs are in use */
struct ib_pool_fmr* kv_fmr_pool_map_phys(struct ib_fmr_pool* pool, u64* pages, int n, u64 iova);
/* Until 2.6.18 the address was given by reference, and there was a reason to change it. */
#define ib_fmr_pool_map_phys kv_fmr_pool_map_phys
int ib_fmr_pool_unmap(struct ib_pool_fmr* fmr) KV_SYMBOL(fmr_pool_unmap);
#endif

#endif
