/* SPDX-License-Identifier: BSD-2-Clause */
#include "ping.h"

#define ALL (IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE)

int ping_memory_get(struct ping_memory* memory, bool scattered) {
  int i;
  memset(memory, 0, sizeof *memory);
  memory->scattered = scattered;
  if (!scattered) return (memory->stretch = kzalloc(PING_BYTES, GFP_KERNEL)) ? 0 : -ENOMEM;
  for (i = 0; i < 2 * PING_PAGES; i++)
    if (!(memory->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO))) return -ENOMEM;
  return 0;
}

void ping_memory_put(struct ping_memory* memory) {
  int i;
  kfree(memory->stretch);
  for (i = 0; i < 2 * PING_PAGES; i++)
    if (memory->pages[i]) __free_page(memory->pages[i]);
}

/* From the last page to the first, so that no two follow each other. */
static struct page* page_number(struct ping_memory* memory, int n) { return memory->pages[2 * (PING_PAGES - 1 - n)]; }

char* ping_memory_at(struct ping_memory* memory, unsigned int offset) {
  if (!memory->scattered) return memory->stretch + offset;
  return (char*)page_address(page_number(memory, offset / PAGE_SIZE)) + offset % PAGE_SIZE;
}

static int check(void* made) { return IS_ERR(made) ? (int)PTR_ERR(made) : 0; }

static int dma_open(struct ping_side* side, struct ping_memory* memory, struct ping_key* key) {
  struct ib_mr* mr = ib_get_dma_mr(side->pd, ALL);
  key->made[0] = mr;
  if (IS_ERR(mr)) return PTR_ERR(mr);
  key->addr = ib_dma_map_single(side->pd->device, memory->stretch, PING_BYTES, DMA_BIDIRECTIONAL);
  key->lkey = mr->lkey;
  key->rkey = mr->rkey;
  return 0;
}

static int mr_close(struct ping_side* side, struct ping_key* key) { return ib_dereg_mr(key->made[0]); }

static int unsafe_open(struct ping_side* side, struct ping_memory* memory, struct ping_key* key) {
  key->addr = (unsigned long)memory->stretch;
  key->lkey = side->pd->local_dma_lkey;
  key->rkey = side->pd->unsafe_global_rkey;
  return 0;
}

static int nothing_to_close(struct ping_side* side, struct ping_key* key) { return 0; }

static int device_lkey_open(struct ping_side* side, struct ping_memory* memory, struct ping_key* key) {
  key->addr = (unsigned long)memory->stretch;
  key->lkey = side->pd->device->local_dma_lkey;
  return 0;
}

static int phys_open(struct ping_side* side, struct ping_memory* memory, struct ping_key* key) {
  struct ib_phys_buf pieces[PING_PAGES];
  u64 iova = 0x10000; /* another address than the memory's */
  struct ib_mr* mr;
  int i;
  for (i = 0; i < PING_PAGES; i++) {
    pieces[i].addr = page_to_phys(page_number(memory, i));
    pieces[i].size = PAGE_SIZE;
  }
  mr = ib_reg_phys_mr(side->pd, pieces, PING_PAGES, ALL, &iova);
  key->made[0] = mr;
  if (IS_ERR(mr)) return PTR_ERR(mr);
  key->addr = iova;
  key->lkey = mr->lkey;
  key->rkey = mr->rkey;
  return 0;
}

static void page_addresses(struct ping_memory* memory, u64* pages) {
  int i;
  for (i = 0; i < PING_PAGES; i++) pages[i] = page_to_phys(page_number(memory, i));
}

static int fmr_open(struct ping_side* side, struct ping_memory* memory, struct ping_key* key) {
  struct ib_fmr_attr attr = {PING_PAGES, 1, PAGE_SHIFT};
  u64 pages[PING_PAGES];
  struct ib_fmr* fmr = ib_alloc_fmr(side->pd, ALL, &attr);
  int error = check(fmr);
  if (error) return error;
  page_addresses(memory, pages);
  error = ib_map_phys_fmr(fmr, pages, PING_PAGES, 0);
  key->made[0] = fmr;
  key->addr = 0;
  key->lkey = fmr->lkey;
  key->rkey = fmr->rkey;
  return error;
}

static int fmr_close(struct ping_side* side, struct ping_key* key) {
  struct ib_fmr* fmr = key->made[0];
  LIST_HEAD(list);
  int error;
  list_add(&fmr->list, &list);
  error = ib_unmap_fmr(&list);
  return error ? error : ib_dealloc_fmr(fmr);
}

static int pool_open(struct ping_side* side, struct ping_memory* memory, struct ping_key* key) {
  struct ib_fmr_pool_param param = {.max_pages_per_fmr = PING_PAGES,
                                    .page_shift = PAGE_SHIFT,
                                    .access = ALL,
                                    .pool_size = 2,
                                    .dirty_watermark = 1,
                                    .cache = 1};
  struct ib_fmr_pool* pool = ib_create_fmr_pool(side->pd, &param);
  struct ib_pool_fmr *fmr, *again;
  u64 pages[PING_PAGES];
  if (IS_ERR(pool)) return PTR_ERR(pool);
  page_addresses(memory, pages);
  key->made[1] = pool;
  key->made[0] = fmr = ib_fmr_pool_map_phys(pool, pages, PING_PAGES, 0);
  if (IS_ERR(fmr)) return PTR_ERR(fmr);
  again = ib_fmr_pool_map_phys(pool, pages, PING_PAGES, 0); /* from the cache */
  if (again != fmr) return -EINVAL;
  ib_fmr_pool_unmap(again);
  key->addr = 0;
  key->lkey = fmr->fmr->lkey;
  key->rkey = fmr->fmr->rkey;
  return 0;
}

static int pool_close(struct ping_side* side, struct ping_key* key) {
  int error = ib_fmr_pool_unmap(key->made[0]);
  if (!error) error = ib_flush_fmr_pool(key->made[1]);
  return error ? error : ib_destroy_fmr_pool(key->made[1]);
}

static int post_and_wait(struct ping_side* side, struct ib_send_wr* wr, enum ib_wc_opcode expected) {
  struct ping_op op;
  int error;
  ping_op_init(&op);
  wr->wr_cqe = &op.cqe;
  wr->send_flags |= IB_SEND_SIGNALED;
  error = ib_post_send(side->qp, wr, NULL);
  return error ? error : ping_op_wait(&op, expected);
}

static int invalidate(struct ping_side* side, u32 key) {
  struct ib_send_wr wr = {.opcode = IB_WR_LOCAL_INV, .ex.invalidate_rkey = key};
  return post_and_wait(side, &wr, IB_WC_LOCAL_INV);
}

static int list_open(struct ping_side* side, struct ping_memory* memory, struct ping_key* key) {
  struct ib_fast_reg_wr wr = {.wr = {.opcode = IB_WR_FAST_REG_MR}};
  struct ib_mr* mr = ib_alloc_fast_reg_mr(side->pd, PING_PAGES);
  struct ib_fast_reg_page_list* list = ib_alloc_fast_reg_page_list(side->pd->device, PING_PAGES);
  if (IS_ERR(mr) || IS_ERR(list)) return -ENOMEM;
  key->made[0] = mr;
  key->made[1] = list;
  page_addresses(memory, list->page_list);
  ib_update_fast_reg_key(mr, 7);
  wr.iova_start = 0;
  wr.page_list = list;
  wr.page_shift = PAGE_SHIFT;
  wr.page_list_len = PING_PAGES;
  wr.length = PING_BYTES;
  wr.access_flags = ALL;
  wr.rkey = mr->rkey;
  key->addr = 0;
  key->lkey = mr->lkey;
  key->rkey = mr->rkey;
  return post_and_wait(side, &wr.wr, IB_WC_FAST_REG_MR);
}

static int list_close(struct ping_side* side, struct ping_key* key) {
  int error = invalidate(side, key->rkey);
  ib_free_fast_reg_page_list(key->made[1]);
  return error ? error : ib_dereg_mr(key->made[0]);
}

static int register_sg(struct ping_side* side, struct scatterlist* sg, int n, struct ping_key* key) {
  struct ib_reg_wr wr = {.wr = {.opcode = IB_WR_REG_MR}};
  struct ib_mr* mr = ib_alloc_mr(side->pd, IB_MR_TYPE_MEM_REG, PING_PAGES + 1);
  int mapped = ib_dma_map_sg(side->pd->device, sg, n, DMA_BIDIRECTIONAL);
  if (IS_ERR(mr)) return PTR_ERR(mr);
  key->made[0] = mr;
  if (ib_map_mr_sg(mr, sg, mapped, NULL, PAGE_SIZE) != mapped) return -EINVAL;
  ib_update_fast_reg_key(mr, ib_inc_rkey(mr->rkey));
  wr.mr = mr;
  wr.key = mr->rkey;
  wr.access = ALL;
  key->addr = mr->iova;
  key->lkey = mr->lkey;
  key->rkey = mr->rkey;
  return post_and_wait(side, &wr.wr, IB_WC_REG_MR);
}

static int reg_stretch_open(struct ping_side* side, struct ping_memory* memory, struct ping_key* key) {
  struct scatterlist sg;
  sg_init_one(&sg, memory->stretch, PING_BYTES);
  return register_sg(side, &sg, 1, key);
}

static int reg_pages_open(struct ping_side* side, struct ping_memory* memory, struct ping_key* key) {
  struct scatterlist sg[PING_PAGES];
  int i;
  sg_init_table(sg, PING_PAGES);
  for (i = 0; i < PING_PAGES; i++) sg_set_page(&sg[i], page_number(memory, i), PAGE_SIZE, 0);
  return register_sg(side, sg, PING_PAGES, key);
}

static int reg_close(struct ping_side* side, struct ping_key* key) {
  int error = invalidate(side, key->rkey);
  return error ? error : ib_dereg_mr(key->made[0]);
}

static int window_open(struct ping_side* side, struct ping_memory* memory, struct ping_key* key) {
  struct ib_phys_buf piece = {virt_to_phys(memory->stretch), PING_BYTES};
  u64 iova = piece.addr;
  struct ib_mr* mr = ib_reg_phys_mr(side->pd, &piece, 1, ALL | IB_ACCESS_MW_BIND, &iova);
  struct ib_mw* mw = ib_alloc_mw(side->pd, IB_MW_TYPE_1);
  struct ib_mw_bind bind = {.send_flags = IB_SEND_SIGNALED};
  struct ping_op op;
  int error;
  if (IS_ERR(mr) || IS_ERR(mw)) return -ENOMEM;
  key->made[0] = mr;
  key->made[1] = mw;
  ping_op_init(&op);
  bind.wr_id = (unsigned long)&op.cqe;
  bind.bind_info.mr = mr;
  bind.bind_info.addr = iova;
  bind.bind_info.length = PING_BYTES;
  bind.bind_info.mw_access_flags = IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE;
  error = ib_bind_mw(side->qp, mw, &bind);
  if (!error) error = ping_op_wait(&op, IB_WC_BIND_MW);
  key->addr = iova;
  key->lkey = mr->lkey;
  key->rkey = mw->rkey;
  return error;
}

static int window_close(struct ping_side* side, struct ping_key* key) {
  int error = ib_dealloc_mw(key->made[1]);
  return error ? error : ib_dereg_mr(key->made[0]);
}

const struct ping_way ping_ways[] = {
    {"ib_get_dma_mr", false, false, dma_open, mr_close},
    {"IB_PD_UNSAFE_GLOBAL_RKEY", false, false, unsafe_open, nothing_to_close},
    {"ib_device.local_dma_lkey", false, true, device_lkey_open, nothing_to_close},
    {"ib_reg_phys_mr", true, false, phys_open, mr_close},
    {"ib_alloc_fmr", true, false, fmr_open, fmr_close},
    {"ib_create_fmr_pool", true, false, pool_open, pool_close},
    {"IB_WR_FAST_REG_MR", true, false, list_open, list_close},
    {"IB_WR_REG_MR", false, false, reg_stretch_open, reg_close},
    {"IB_WR_REG_MR of scattered pages", true, false, reg_pages_open, reg_close},
    {"ib_bind_mw", false, false, window_open, window_close},
};
const int ping_way_count = ARRAY_SIZE(ping_ways);
