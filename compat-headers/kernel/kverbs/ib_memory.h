/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory regions other than those of rdma/ib_verbs.h itself: physical regions, FMRs, page lists, windows. */
#ifndef KVERBS_IB_MEMORY_H
#define KVERBS_IB_MEMORY_H
#include <kverbs/ib_objects.h>

/* Physical regions: the pieces must be pages, whole ones except at the two ends. *iova_start is the wished address. */
#if KV_UNTIL(4, 4, 0)
struct ib_phys_buf {
  u64 addr, size;
};
enum ib_mr_rereg_flags { IB_MR_REREG_TRANS = 1, IB_MR_REREG_PD = 2, IB_MR_REREG_ACCESS = 4 };
struct ib_mr* ib_reg_phys_mr(struct ib_pd* pd, struct ib_phys_buf* pieces, int n, int access, u64* iova_start)
    KV_SYMBOL(reg_phys_mr);
int ib_rereg_phys_mr(struct ib_mr* mr, int mask, struct ib_pd* pd, struct ib_phys_buf* pieces, int n, int access,
                     u64* iova_start) KV_SYMBOL(rereg_phys_mr);
#endif
#if KV_UNTIL(4, 5, 0)
struct ib_mr_attr {
  struct ib_pd* pd;
  u64 device_virt_addr, size;
  int mr_access_flags;
  u32 lkey, rkey;
};
int ib_query_mr(struct ib_mr* mr, struct ib_mr_attr* attr) KV_SYMBOL(query_mr);
#endif

/* FMRs: a key that is mapped onto a list of pages by a call, without a work request. Every mapping gives new keys. */
#if KV_UNTIL(5, 8, 0)
struct ib_fmr_attr {
  int max_pages, max_maps;
  u8 page_shift;
};
struct ib_fmr* ib_alloc_fmr(struct ib_pd* pd, int access, struct ib_fmr_attr* attr) KV_SYMBOL(alloc_fmr);
int ib_map_phys_fmr(struct ib_fmr* fmr, u64* pages, int n, u64 iova) KV_SYMBOL(map_phys_fmr);
int ib_unmap_fmr(struct list_head* fmrs) KV_SYMBOL(unmap_fmr);
int ib_dealloc_fmr(struct ib_fmr* fmr) KV_SYMBOL(dealloc_fmr);
#endif

/* Fast registration: the work request makes a key valid, the consumer chooses its low byte. */
#if KV_SINCE(2, 6, 27) && KV_UNTIL(4, 4, 0)
struct ib_fast_reg_page_list {
  struct ib_device* device;
  u64* page_list;
  unsigned int max_page_list_len;
};
struct ib_mr* ib_alloc_fast_reg_mr(struct ib_pd* pd, int max_pages) KV_SYMBOL(alloc_fast_reg_mr);
struct ib_fast_reg_page_list* ib_alloc_fast_reg_page_list(struct ib_device* device, int n)
    KV_SYMBOL(alloc_fast_reg_page_list);
void ib_free_fast_reg_page_list(struct ib_fast_reg_page_list* list) KV_SYMBOL(free_fast_reg_page_list);
#endif
#if KV_SINCE(2, 6, 27)
static inline void ib_update_fast_reg_key(struct ib_mr* mr, u8 key) {
  mr->lkey = (mr->lkey & 0xffffff00u) | key;
  mr->rkey = (mr->rkey & 0xffffff00u) | key;
}
#endif
#if KV_SINCE(3, 9, 0)
static inline u32 ib_inc_rkey(u32 key) { return (key & 0xffffff00u) | ((key + 1) & 0xffu); }
#endif
#if KV_SINCE(4, 3, 0)
enum ib_mr_type { IB_MR_TYPE_MEM_REG, IB_MR_TYPE_SG_GAPS, IB_MR_TYPE_INTEGRITY };
struct ib_mr* ib_alloc_mr(struct ib_pd* pd, enum ib_mr_type type, u32 max_entries) KV_SYMBOL(alloc_mr);
#endif
#if KV_SINCE(4, 4, 0)
int kv_map_mr_sg(struct ib_mr* mr, struct scatterlist* sg, int n, unsigned int* offset, unsigned int page_size);
#define ib_map_mr_sg(...) KV_ARITY(kv_map_mr_sg_, __VA_ARGS__)
#define kv_map_mr_sg_4(mr, sg, n, page_size) kv_map_mr_sg(mr, sg, n, NULL, page_size)
#define kv_map_mr_sg_5 kv_map_mr_sg
#define ib_map_mr_sg_zbva(mr, sg, n, offset, page_size) kv_map_mr_sg_zbva(mr, sg, n, offset, page_size)
int kv_map_mr_sg_zbva(struct ib_mr* mr, struct scatterlist* sg, int n, unsigned int* offset, unsigned int page_size);
#endif

/* Memory windows. 3.9 gave them types and moved the arguments of a binding into bind_info. */
#if KV_UNTIL(4, 5, 0)
#if KV_SINCE(3, 9, 0)
enum ib_mw_type { IB_MW_TYPE_1 = 1, IB_MW_TYPE_2 = 2 };
struct ib_mw_bind {
  u64 wr_id;
  int send_flags;
  struct ib_mw_bind_info bind_info;
};
#define KV_MW_MEMBER(bind, name) ((bind)->bind_info.name)
#else
struct ib_mw_bind {
  struct ib_mr* mr;
  u64 wr_id, addr;
  u32 length;
  int send_flags, mw_access_flags;
};
#define KV_MW_MEMBER(bind, name) ((bind)->name)
#endif
#define ib_alloc_mw(...) KV_ARITY(kv_alloc_mw, __VA_ARGS__)
#define kv_alloc_mw1(pd) kv_alloc_mw2(pd, 1)
struct ib_mw* kv_alloc_mw2(struct ib_pd* pd, int type);
int ib_dealloc_mw(struct ib_mw* mw) KV_SYMBOL(dealloc_mw);
int kv_bind_mw(struct ib_qp* qp, struct ib_mw* mw, u64 wr_id, int send_flags, struct ib_mr* mr, u64 addr, u64 length,
               int access);
static inline int ib_bind_mw(struct ib_qp* qp, struct ib_mw* mw, struct ib_mw_bind* bind) {
  return kv_bind_mw(qp, mw, bind->wr_id, bind->send_flags, KV_MW_MEMBER(bind, mr), KV_MW_MEMBER(bind, addr),
                    KV_MW_MEMBER(bind, length), KV_MW_MEMBER(bind, mw_access_flags));
}
#endif

#endif
