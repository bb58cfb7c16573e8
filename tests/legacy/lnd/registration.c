/* SPDX-License-Identifier: BSD-2-Clause */
/* How memory becomes reachable, in each era. */
#include "lnd.h"

#define REMOTE (IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE)

/* Local access: a region for all memory, or what the protection domain has. */
static int open_local(struct lnd_conn* conn) {
#ifdef LND_DMA_MR
  conn->dma_mr = ib_get_dma_mr(conn->pd, REMOTE);
  if (IS_ERR(conn->dma_mr)) {
    int error = PTR_ERR(conn->dma_mr);
    conn->dma_mr = NULL;
    return error;
  }
  conn->lkey = conn->dma_mr->lkey;
#else
  conn->lkey = conn->pd->local_dma_lkey;
#endif
  return 0;
}

static void close_local(struct lnd_conn* conn) {
  if (conn->dma_mr) ib_dereg_mr(conn->dma_mr);
}

#if defined(LND_GLOBAL)
int lnd_open_keys(struct lnd_conn* conn) { return open_local(conn); }
void lnd_close_keys(struct lnd_conn* conn) { close_local(conn); }

/* A fragment for each page, all with the one key. */
int lnd_map(struct lnd_conn* conn, struct lnd_bulk* bulk, struct lnd_frag* frags, u32* n) {
  u32 i;
  for (i = 0; i < bulk->pages; i++) {
    frags[i].addr = sg_dma_address(&bulk->sg[i]);
    frags[i].length = sg_dma_len(&bulk->sg[i]);
    frags[i].key = conn->dma_mr->rkey;
  }
  *n = bulk->pages;
  return 0;
}
void lnd_unmap(struct lnd_conn* conn, struct lnd_bulk* bulk) {}

#elif defined(LND_FMR)
int lnd_open_keys(struct lnd_conn* conn) {
  struct ib_fmr_pool_param param;
  int error = open_local(conn);
  if (error) return error;
  memset(&param, 0, sizeof param);
  param.max_pages_per_fmr = LND_PAGES;
  param.page_shift = PAGE_SHIFT;
  param.access = REMOTE;
  param.pool_size = 2 * LND_DEPTH;
  param.dirty_watermark = LND_DEPTH / 2;
  param.cache = 1;
  conn->pool = ib_create_fmr_pool(conn->pd, &param);
  if (!IS_ERR(conn->pool)) return 0;
  error = PTR_ERR(conn->pool);
  conn->pool = NULL;
  return error;
}

void lnd_close_keys(struct lnd_conn* conn) {
  if (conn->pool) ib_destroy_fmr_pool(conn->pool);
  close_local(conn);
}

/* One fragment over pages that do not follow each other, from address 0 on. */
int lnd_map(struct lnd_conn* conn, struct lnd_bulk* bulk, struct lnd_frag* frags, u32* n) {
  struct ib_pool_fmr* fmr;
  u64 pages[LND_PAGES];
  u32 i;
  for (i = 0; i < bulk->pages; i++) pages[i] = sg_dma_address(&bulk->sg[i]) & PAGE_MASK;
  fmr = ib_fmr_pool_map_phys(conn->pool, pages, bulk->pages, 0);
  if (IS_ERR(fmr)) return PTR_ERR(fmr);
  bulk->key = fmr;
  frags[0].addr = 0;
  frags[0].length = bulk->length;
  frags[0].key = fmr->fmr->rkey;
  *n = 1;
  return 0;
}

void lnd_unmap(struct lnd_conn* conn, struct lnd_bulk* bulk) {
  if (bulk->key) ib_fmr_pool_unmap(bulk->key);
  bulk->key = NULL;
}

#else
/* Fast registration: regions in a list, valid still from their last use. */
struct key {
  struct list_head entry;
  struct ib_mr* mr;
#ifdef LND_PAGE_LIST
  struct ib_fast_reg_page_list* list;
#endif
  bool valid;
};

static int new_key(struct lnd_conn* conn) {
  struct key* key = kzalloc(sizeof *key, GFP_KERNEL);
  if (!key) return -ENOMEM;
#ifdef LND_PAGE_LIST
  key->list = ib_alloc_fast_reg_page_list(conn->id->device, LND_PAGES);
  key->mr = ib_alloc_fast_reg_mr(conn->pd, LND_PAGES);
  if (IS_ERR(key->list) || IS_ERR(key->mr)) return -ENOMEM;
#else
  key->mr = ib_alloc_mr(conn->pd, IB_MR_TYPE_MEM_REG, LND_PAGES);
  if (IS_ERR(key->mr)) return PTR_ERR(key->mr);
#endif
  list_add_tail(&key->entry, &conn->keys);
  return 0;
}

int lnd_open_keys(struct lnd_conn* conn) {
  int i, error = open_local(conn);
  for (i = 0; i < 2 * LND_DEPTH && !error; i++) error = new_key(conn);
  return error;
}

void lnd_close_keys(struct lnd_conn* conn) {
  struct key *key, *next;
  list_for_each_entry_safe(key, next, &conn->keys, entry) {
    ib_dereg_mr(key->mr);
#ifdef LND_PAGE_LIST
    ib_free_fast_reg_page_list(key->list);
#endif
    kfree(key);
  }
  close_local(conn);
}

static int post(struct lnd_conn* conn, struct ib_send_wr* wr) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 19, 0)
  const struct ib_send_wr* bad;
#else
  struct ib_send_wr* bad;
#endif
  return ib_post_send(conn->id->qp, wr, &bad);
}

static int make_valid(struct lnd_conn* conn, struct key* key, struct lnd_bulk* bulk, u64* addr) {
#ifdef LND_PAGE_LIST
  struct ib_send_wr wr;
  u32 i;
  for (i = 0; i < bulk->pages; i++) key->list->page_list[i] = sg_dma_address(&bulk->sg[i]);
  memset(&wr, 0, sizeof wr);
  wr.opcode = IB_WR_FAST_REG_MR;
  wr.wr.fast_reg.page_list = key->list;
  wr.wr.fast_reg.page_list_len = bulk->pages;
  wr.wr.fast_reg.page_shift = PAGE_SHIFT;
  wr.wr.fast_reg.length = bulk->length;
  wr.wr.fast_reg.iova_start = 0;
  wr.wr.fast_reg.access_flags = REMOTE;
  wr.wr.fast_reg.rkey = key->mr->rkey;
  *addr = 0;
  return post(conn, &wr);
#else
  struct ib_reg_wr wr;
  int n;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 7, 0)
  n = ib_map_mr_sg(key->mr, bulk->sg, bulk->pages, NULL, PAGE_SIZE);
#else
  n = ib_map_mr_sg(key->mr, bulk->sg, bulk->pages, PAGE_SIZE);
#endif
  if (n != (int)bulk->pages) return n < 0 ? n : -EINVAL;
  memset(&wr, 0, sizeof wr);
  wr.wr.opcode = IB_WR_REG_MR;
  wr.mr = key->mr;
  wr.key = key->mr->rkey;
  wr.access = REMOTE;
  *addr = key->mr->iova;
  return post(conn, &wr.wr);
#endif
}

static int make_invalid(struct lnd_conn* conn, struct key* key) {
  struct ib_send_wr wr;
  memset(&wr, 0, sizeof wr);
  wr.opcode = IB_WR_LOCAL_INV;
  wr.ex.invalidate_rkey = key->mr->rkey;
  return post(conn, &wr);
}

int lnd_map(struct lnd_conn* conn, struct lnd_bulk* bulk, struct lnd_frag* frags, u32* n) {
  struct key* key;
  int error = 0;
  u64 addr = 0;
  if (list_empty(&conn->keys)) return -EAGAIN;
  key = list_entry(conn->keys.next, struct key, entry);
  if (key->valid) error = make_invalid(conn, key);
  if (error) return error;
  key->valid = false;
  ib_update_fast_reg_key(key->mr, (u8)(key->mr->rkey + 1));
  error = make_valid(conn, key, bulk, &addr);
  if (error) return error;
  key->valid = true;
  list_del(&key->entry);
  bulk->key = key;
  frags[0].addr = addr;
  frags[0].length = bulk->length;
  frags[0].key = key->mr->rkey;
  *n = 1;
  return 0;
}

void lnd_unmap(struct lnd_conn* conn, struct lnd_bulk* bulk) {
  struct key* key = bulk->key;
  if (key) list_add_tail(&key->entry, &conn->keys);
  bulk->key = NULL;
}
#endif
