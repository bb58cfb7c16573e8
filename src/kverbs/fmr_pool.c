/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools of FMRs. One that was given back keeps its mapping, and its key stays valid, until it is mapped anew or a batch
 * is unmapped; with a cache it can be found again by its pages. */
#include "kverbs.h"

enum { kMaxRemaps = 32, kBuckets = 256 };

struct ib_fmr_pool {
  spinlock_t lock;
  struct ib_fmr_pool_param param;
  struct list_head free, dirty;
  struct hlist_head buckets[kBuckets];
  int size, dirty_count;
  struct mutex flushing;
  struct work_struct flush;
};

static struct hlist_head* bucket(struct ib_fmr_pool* pool, u64 first_page) {
  return &pool->buckets[(first_page >> PAGE_SHIFT) % kBuckets];
}

/* Lock held. */
static struct ib_pool_fmr* look_up(struct ib_fmr_pool* pool, const u64* pages, int n, u64 iova) {
  for (struct hlist_node* node = bucket(pool, pages[0])->first; node; node = node->next) {
    struct ib_pool_fmr* fmr = container_of(node, struct ib_pool_fmr, cache_node);
    bool same = fmr->page_list_len == n && fmr->io_virtual_address == iova;
    if (same && memcmp(fmr->page_list, pages, (size_t)n * sizeof *pages) == 0) return fmr;
  }
  return NULL;
}

/* Lock held. */
static void uncache(struct ib_pool_fmr* fmr) {
  if (!fmr->cache_node.pprev) return;
  hlist_del(&fmr->cache_node);
  INIT_HLIST_NODE(&fmr->cache_node);
}

/* Takes out what is not in use and still mapped: the dirty ones; all of them also those that are cached. */
static void flush(struct ib_fmr_pool* pool, bool all) {
  LIST_HEAD(batch);
  LIST_HEAD(fmrs);
  struct ib_pool_fmr* fmr;
  mutex_lock(&pool->flushing);
  spin_lock(&pool->lock);
  list_splice_init(&pool->dirty, &batch);
  if (all) list_splice_init(&pool->free, &batch);
  list_for_each_entry(fmr, &batch, list) {
    uncache(fmr);
    fmr->remap_count = 0;
    list_add_tail(&fmr->fmr->list, &fmrs);
  }
  pool->dirty_count = 0;
  spin_unlock(&pool->lock);
  ib_unmap_fmr(&fmrs);
  spin_lock(&pool->lock);
  list_splice(&batch, &pool->free);
  spin_unlock(&pool->lock);
  mutex_unlock(&pool->flushing);
  if (pool->param.flush_function) pool->param.flush_function(pool, pool->param.flush_arg);
}

static void flush_later(struct work_struct* work) { flush(container_of(work, struct ib_fmr_pool, flush), false); }

static struct ib_pool_fmr* make_fmr(struct ib_fmr_pool* pool, struct ib_pd* pd) {
  struct ib_fmr_attr attr = {pool->param.max_pages_per_fmr, kMaxRemaps, (u8)pool->param.page_shift};
  struct ib_pool_fmr* fmr = calloc(1, sizeof *fmr + (size_t)attr.max_pages * sizeof(u64));
  if (!fmr) return NULL;
  fmr->pool = pool;
  fmr->fmr = ib_alloc_fmr(pd, pool->param.access, &attr);
  if (!IS_ERR(fmr->fmr)) return fmr;
  free(fmr);
  return NULL;
}

struct ib_fmr_pool* ib_create_fmr_pool(struct ib_pd* pd, struct ib_fmr_pool_param* param) {
  if (param->max_pages_per_fmr < 1 || param->pool_size < 1) return ERR_PTR(-EINVAL);
  struct ib_fmr_pool* pool = calloc(1, sizeof *pool);
  if (!pool) return ERR_PTR(-ENOMEM);
  pool->param = *param;
  if (!pool->param.page_shift) pool->param.page_shift = PAGE_SHIFT; /* consumers older than the member */
  spin_lock_init(&pool->lock);
  mutex_init(&pool->flushing);
  INIT_LIST_HEAD(&pool->free);
  INIT_LIST_HEAD(&pool->dirty);
  INIT_WORK(&pool->flush, flush_later);
  for (; pool->size < param->pool_size; pool->size++) {
    struct ib_pool_fmr* fmr = make_fmr(pool, pd);
    if (!fmr) {
      ib_destroy_fmr_pool(pool);
      return ERR_PTR(-ENOMEM);
    }
    list_add_tail(&fmr->list, &pool->free);
  }
  return pool;
}

int ib_destroy_fmr_pool(struct ib_fmr_pool* pool) {
  struct ib_pool_fmr *fmr, *next;
  int left = pool->size;
  cancel_work_sync(&pool->flush);
  list_splice_init(&pool->dirty, &pool->free);
  list_for_each_entry_safe(fmr, next, &pool->free, list) {
    ib_dealloc_fmr(fmr->fmr);
    free(fmr);
    left--;
  }
  if (left) printk(KERN_WARNING "fmr_pool: destroyed with %d FMRs in use\n", left);
  free(pool);
  return left ? -EBUSY : 0;
}

int ib_flush_fmr_pool(struct ib_fmr_pool* pool) {
  flush(pool, true);
  return 0;
}

/* Lock held: one to map anew, which is out of all lists then. */
static struct ib_pool_fmr* take_free(struct ib_fmr_pool* pool) {
  struct ib_pool_fmr* fmr = list_first_entry_or_null(&pool->free, struct ib_pool_fmr, list);
  if (!fmr) return NULL;
  list_del_init(&fmr->list);
  uncache(fmr);
  return fmr;
}

struct ib_pool_fmr* kv_fmr_pool_map_phys(struct ib_fmr_pool* pool, u64* pages, int n, u64 iova) {
  if (n < 1 || n > pool->param.max_pages_per_fmr) return ERR_PTR(-EINVAL);
  spin_lock(&pool->lock);
  struct ib_pool_fmr* fmr = pool->param.cache ? look_up(pool, pages, n, iova) : NULL;
  if (fmr) {
    if (fmr->ref_count++ == 0) list_del_init(&fmr->list);
    spin_unlock(&pool->lock);
    return fmr;
  }
  fmr = take_free(pool);
  spin_unlock(&pool->lock);
  if (!fmr) return ERR_PTR(-EAGAIN);
  int error = ib_map_phys_fmr(fmr->fmr, pages, n, iova);
  spin_lock(&pool->lock);
  if (error) {
    list_add(&fmr->list, &pool->free);
  } else {
    fmr->remap_count++;
    fmr->ref_count = 1;
    fmr->io_virtual_address = iova;
    fmr->page_list_len = n;
    memcpy(fmr->page_list, pages, (size_t)n * sizeof *pages);
    if (pool->param.cache) hlist_add_head(&fmr->cache_node, bucket(pool, pages[0]));
  }
  spin_unlock(&pool->lock);
  return error ? ERR_PTR(error) : fmr;
}

int ib_fmr_pool_unmap(struct ib_pool_fmr* fmr) {
  struct ib_fmr_pool* pool = fmr->pool;
  bool enough = false;
  spin_lock(&pool->lock);
  if (--fmr->ref_count == 0) {
    if (fmr->remap_count < kMaxRemaps) {
      list_add_tail(&fmr->list, &pool->free);
    } else {
      list_add_tail(&fmr->list, &pool->dirty);
      enough = ++pool->dirty_count >= max(pool->param.dirty_watermark, 1);
    }
  }
  spin_unlock(&pool->lock);
  if (enough) schedule_work(&pool->flush);
  return 0;
}
