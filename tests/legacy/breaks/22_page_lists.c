/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 22
 * break: page lists go, `ib_map_mr_sg` comes
 * version: 4.4
 * before: `IB_WR_FAST_REG_MR` and `wr.fast_reg`
 * after: `ib_map_mr_sg`, `struct ib_reg_wr`, `IB_WR_REG_MR`
 * here: one mechanism: a window of type 2, bound in the order of the queue
 */
#include "row.h"

static int post_and_wait(struct row_pair* pair, struct ib_send_wr* wr, enum ib_wc_opcode opcode) {
  struct ib_wc wc;
  wr->send_flags = IB_SEND_SIGNALED;
  GOOD(ib_post_send(pair->qp[1], wr, &(struct ib_send_wr*){NULL}));
  GOOD(row_wait(pair->cq, &wc));
  CHECK(wc.status == IB_WC_SUCCESS && wc.opcode == opcode);
  return 0;
}
static int test(struct ib_device* device) {
  struct row_pair pair;
  struct page* pages[3] = {alloc_page(GFP_KERNEL), alloc_page(GFP_KERNEL), alloc_page(GFP_KERNEL)};
  struct ib_send_wr invalid = {.opcode = IB_WR_LOCAL_INV};
  u64* local = kzalloc(8, GFP_KERNEL);
  struct ib_mr* mr;
  int round;
  u64 at;
  GOOD(row_open(device, &pair));
#if AFTER(4, 4)
  mr = ib_alloc_mr(pair.pd, IB_MR_TYPE_MEM_REG, 2);
#else
  mr = ib_alloc_fast_reg_mr(pair.pd, 2);
#endif
  CHECK(!IS_ERR(mr));
  for (round = 0; round < 3; round++) { /* the second time with the same key, the third with the next */
#if AFTER(4, 4)
    struct scatterlist sg[2];
    struct ib_reg_wr wr = {.wr = {.opcode = IB_WR_REG_MR}, .mr = mr};
    if (round == 2) ib_update_fast_reg_key(mr, ib_inc_rkey(mr->rkey));
    sg_init_table(sg, 2);
    sg_set_page(&sg[0], pages[2], PAGE_SIZE, 0);
    sg_set_page(&sg[1], pages[0], PAGE_SIZE, 0);
    ib_dma_map_sg(device, sg, 2, DMA_FROM_DEVICE);
    CHECK(ib_map_mr_sg(mr, sg, 2, NULL, PAGE_SIZE) == 2);
    wr.key = mr->rkey;
    wr.access = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE;
    GOOD(post_and_wait(&pair, &wr.wr, IB_WC_REG_MR));
    at = mr->iova;
#ifdef WRONG
    wr.wr.wr.fast_reg.rkey = 0;
#endif
#else
    struct ib_fast_reg_page_list* list = ib_alloc_fast_reg_page_list(device, 2);
    struct ib_send_wr wr = {.opcode = IB_WR_FAST_REG_MR};
    if (round == 2) ib_update_fast_reg_key(mr, mr->rkey + 1);
    list->page_list[0] = page_to_phys(pages[2]);
    list->page_list[1] = page_to_phys(pages[0]);
    wr.wr.fast_reg.iova_start = at = 0x4000;
    wr.wr.fast_reg.page_list = list;
    wr.wr.fast_reg.page_shift = PAGE_SHIFT;
    wr.wr.fast_reg.page_list_len = 2;
    wr.wr.fast_reg.length = 2 * PAGE_SIZE;
    wr.wr.fast_reg.access_flags = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE;
    wr.wr.fast_reg.rkey = mr->rkey;
    GOOD(post_and_wait(&pair, &wr, IB_WC_FAST_REG_MR));
    ib_free_fast_reg_page_list(list);
#ifdef WRONG
    wr.opcode = IB_WR_REG_MR;
#endif
#endif
    GOOD(row_reach(&pair, page_address(pages[2]), at, mr->rkey));
    GOOD(row_reach(&pair, page_address(pages[0]) + 8, at + PAGE_SIZE + 8, mr->rkey));
    invalid.ex.invalidate_rkey = mr->rkey;
    GOOD(post_and_wait(&pair, &invalid, IB_WC_LOCAL_INV));
  }
  CHECK(row_rdma(&pair, IB_WR_RDMA_READ, local, pair.pd->local_dma_lkey, at, mr->rkey) == IB_WC_REM_ACCESS_ERR);
  GOOD(ib_dereg_mr(mr));
  GOOD(row_close(&pair));
  kfree(local);
  __free_page(pages[0]);
  __free_page(pages[1]);
  __free_page(pages[2]);
  return 0;
}

ROW(test);
