/* SPDX-License-Identifier: BSD-2-Clause */
/* Fast registration, in both generations: page lists, and ib_map_mr_sg. */
#include "kverbs.h"

/* Fast regions by protection domain and the upper 24 bits of their key. */
enum { kBuckets = 4096 };
static struct hlist_head buckets[kBuckets];
static DEFINE_RWLOCK(buckets_lock);
static int known; /* so that who has none looks nowhere */

static struct hlist_head* bucket(u32 key) { return &buckets[(key >> 8) * 2654435761u % kBuckets]; }

/* Lock held. */
static struct kv_mr* find(struct kv_pd* pd, u32 key) {
  for (struct hlist_node* node = bucket(key)->first; node; node = node->next) {
    struct kv_mr* mr = container_of(node, struct kv_mr, node);
    if (mr->window->rkey >> 8 == key >> 8 && to_pd(mr->ib.pd) == pd) return mr;
  }
  return NULL;
}

struct kv_mr* kv_fast_region(struct kv_pd* pd, u32 key) {
  if (__atomic_load_n(&known, __ATOMIC_RELAXED) == 0) return NULL;
  read_lock(&buckets_lock);
  struct kv_mr* mr = find(pd, key);
  read_unlock(&buckets_lock);
  return mr;
}

void kv_forget_fast(struct kv_mr* mr) {
  write_lock(&buckets_lock);
  hlist_del(&mr->node);
  known--;
  write_unlock(&buckets_lock);
}

/* The key that is given out first differs from the window's, because a window is never bound to the key that it has. */
struct ib_mr* ib_alloc_mr(struct ib_pd* pd, enum ib_mr_type type, u32 entries) {
  if (type != IB_MR_TYPE_MEM_REG) return ERR_PTR(-EOPNOTSUPP);
  struct kv_mr* mr = calloc(1, sizeof *mr);
  struct piece* pieces = calloc(max(entries, 1u), sizeof *pieces);
  struct ibv_mw* window = mr && pieces ? ibv_alloc_mw(to_pd(pd)->native, IBV_MW_TYPE_2) : NULL;
  if (!window) {
    int error = mr && pieces ? kv_failed() : -ENOMEM;
    free(pieces);
    free(mr);
    return ERR_PTR(error);
  }
  mr->window = window;
  mr->bound = window->rkey;
  mr->pieces = pieces;
  mr->room = (int)entries;
  mr->ib = (struct ib_mr){.device = pd->device, .pd = pd};
  mr->ib.lkey = mr->ib.rkey = ib_inc_rkey(window->rkey);
  atomic_inc(&pd->usecnt);
  write_lock(&buckets_lock);
  hlist_add_head(&mr->node, bucket(window->rkey));
  known++;
  write_unlock(&buckets_lock);
  return &mr->ib;
}

struct ib_mr* ib_alloc_fast_reg_mr(struct ib_pd* pd, int pages) {
  return ib_alloc_mr(pd, IB_MR_TYPE_MEM_REG, (u32)pages);
}

struct ib_fast_reg_page_list* ib_alloc_fast_reg_page_list(struct ib_device* device, int n) {
  struct ib_fast_reg_page_list* list = calloc(1, sizeof *list);
  u64* pages = calloc((size_t)max(n, 1), sizeof *pages);
  if (!list || !pages) {
    free(list);
    free(pages);
    return ERR_PTR(-ENOMEM);
  }
  *list = (struct ib_fast_reg_page_list){device, pages, (unsigned int)n};
  return list;
}

void ib_free_fast_reg_page_list(struct ib_fast_reg_page_list* list) {
  free(list->page_list);
  free(list);
}

/* As many entries as one key can show: they must meet at page boundaries, and fit. Gives their number. */
static int map_sg(struct kv_mr* mr, struct scatterlist* list, int n, unsigned int* offset, unsigned int page_size) {
  struct scatterlist* sg;
  int i;
  u32 pages = 0, skip = offset ? *offset : 0;
  mr->n = 0;
  mr->ib.length = 0;
  mr->ib.page_size = page_size;
  for_each_sg(list, sg, n, i) {
    struct piece piece = {sg_dma_address(sg) + skip, sg_dma_len(sg) - skip};
    u64 last = i > 0 ? mr->pieces[i - 1].address + mr->pieces[i - 1].length : 0;
    bool follows = i > 0 && piece.address == last;
    if (i > 0 && !follows && ((last | piece.address) & (page_size - 1))) break;
    u64 first_page = piece.address / page_size, end_page = DIV_ROUND_UP(piece.address + piece.length, (u64)page_size);
    pages += (u32)(end_page - first_page) - (follows && last % page_size ? 1 : 0);
    if (i == mr->room || pages > (u32)mr->room) break;
    mr->pieces[mr->n++] = piece;
    mr->ib.length += piece.length;
    skip = 0;
  }
  if (mr->n) mr->ib.iova = mr->pieces[0].address;
  if (offset) *offset = 0;
  return mr->n;
}

int kv_map_mr_sg(struct ib_mr* ib, struct scatterlist* sg, int n, unsigned int* offset, unsigned int page_size) {
  struct kv_mr* mr = to_mr(ib);
  if (!mr->window || n < 1 || page_size < PAGE_SIZE || !is_power_of_2(page_size)) return -EINVAL;
  if (offset && *offset >= sg_dma_len(sg)) return -EINVAL;
  return map_sg(mr, sg, n, offset, page_size);
}

int kv_map_mr_sg_zbva(struct ib_mr* ib, struct scatterlist* sg, int n, unsigned int* offset, unsigned int page_size) {
  int mapped = kv_map_mr_sg(ib, sg, n, offset, page_size);
  if (mapped > 0) ib->iova &= page_size - 1;
  return mapped;
}

/* A mapping over one range at its own addresses needs no registration: the window is bound to the region that covers
 * all memory, so that an address where nothing is mapped fails when it is used, not here. */
struct kv_mapping* kv_map(struct kv_mr* mr, const struct piece* pieces, int n, u64 iova, int access) {
  struct kv_pd* pd = to_pd(mr->ib.pd);
  struct kv_mapping* mapping = calloc(1, sizeof *mapping);
  if (!mapping) return ERR_PTR(-ENOMEM);
  int error = make_range(pieces, n, &mapping->range);
  if (error) {
    free(mapping);
    return ERR_PTR(error);
  }
  atomic_set(&mapping->refs, 1);
  mapping->iova = iova;
  mapping->length = mapping->range.length;
  if (iova == (unsigned long)mapping->range.address) mapping->region = kv_window_region(pd, iova, mapping->length);
  if (mapping->region) return mapping;
  mapping->own = true;
  int granted = access | IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND;
  mapping->region = ibv_reg_mr_iova(pd->native, mapping->range.address, mapping->range.length, iova, granted);
  if (mapping->region) return mapping;
  error = kv_failed();
  kv_unmap(mapping);
  return ERR_PTR(error);
}

void kv_unmap(struct kv_mapping* mapping) {
  if (!mapping || !atomic_dec_and_test(&mapping->refs)) return;
  if (mapping->own && mapping->region) ibv_dereg_mr(mapping->region);
  release_range(&mapping->range);
  free(mapping);
}

/* Zero is no key of any region: the device refuses it, when the work request is executed. */
u32 kv_native_lkey(struct kv_pd* pd, const struct ib_sge* sge) {
  if (sge->lkey == KV_LOCAL_DMA_LKEY) {
    struct ibv_mr* region = kv_local_region(pd, sge->addr, sge->length);
    return region ? region->lkey : 0;
  }
  if (__atomic_load_n(&known, __ATOMIC_RELAXED) == 0) return sge->lkey;
  read_lock(&buckets_lock);
  struct kv_mr* mr = find(pd, sge->lkey);
  struct kv_mapping* mapping = mr && mr->bound == sge->lkey ? mr->mapping : NULL;
  bool inside = mapping && sge->addr >= mapping->iova && sge->length <= mapping->length &&
                sge->addr - mapping->iova <= mapping->length - sge->length;
  u32 key = !mr ? sge->lkey : inside ? mapping->region->lkey : 0;
  read_unlock(&buckets_lock);
  return key;
}

/* A peer has invalidated it. */
void kv_invalidated(struct kv_pd* pd, u32 key) {
  write_lock(&buckets_lock);
  struct kv_mr* mr = find(pd, key);
  struct kv_mapping* old = mr && mr->bound == key ? mr->mapping : NULL;
  if (old) mr->mapping = NULL;
  write_unlock(&buckets_lock);
  kv_unmap(old);
}

void kv_set_mapping(struct kv_mr* mr, u32 key, struct kv_mapping* mapping, struct kv_mapping** old) {
  write_lock(&buckets_lock);
  *old = mr->mapping;
  mr->mapping = mapping;
  mr->bound = key;
  write_unlock(&buckets_lock);
}
