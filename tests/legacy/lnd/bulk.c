/* SPDX-License-Identifier: BSD-2-Clause */
#include "lnd.h"

struct lnd_bulk* lnd_new_bulk(unsigned int length) {
  struct lnd_bulk* bulk = kzalloc(sizeof *bulk, GFP_KERNEL);
  unsigned int i;
  if (!bulk) return NULL;
  bulk->length = length;
  bulk->pages = DIV_ROUND_UP(length, PAGE_SIZE);
  sg_init_table(bulk->sg, LND_PAGES);
  for (i = 0; i < bulk->pages; i++) {
    unsigned int left = length - i * (unsigned int)PAGE_SIZE;
    bulk->page[i] = alloc_page(GFP_KERNEL);
    if (!bulk->page[i]) {
      lnd_free_bulk(bulk);
      return NULL;
    }
    sg_set_page(&bulk->sg[i], bulk->page[i], min(left, (unsigned int)PAGE_SIZE), 0);
  }
  dma_map_sg(NULL, bulk->sg, bulk->pages, DMA_BIDIRECTIONAL);
  return bulk;
}

void lnd_free_bulk(struct lnd_bulk* bulk) {
  unsigned int i;
  if (!bulk) return;
  for (i = 0; i < LND_PAGES; i++)
    if (bulk->page[i]) __free_page(bulk->page[i]);
  kfree(bulk);
}

static u8* byte_at(struct lnd_bulk* bulk, unsigned int i) {
  return (u8*)page_address(bulk->page[i / PAGE_SIZE]) + i % PAGE_SIZE;
}

static u8 pattern(u64 seed, unsigned int i) { return (u8)(seed * 131 + i * 29 + i / 253); }

void lnd_fill(struct lnd_bulk* bulk, u64 seed) {
  unsigned int i;
  for (i = 0; i < bulk->length; i++) *byte_at(bulk, i) = pattern(seed, i);
}

int lnd_check(struct lnd_bulk* bulk, u64 seed) {
  unsigned int i;
  for (i = 0; i < bulk->length; i++)
    if (*byte_at(bulk, i) != pattern(seed, i)) return -EILSEQ;
  return 0;
}
