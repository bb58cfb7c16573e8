/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 5
 * break: the PCI names of unmap addresses go
 * version: 5.6
 * before: `DECLARE_PCI_UNMAP_ADDR`, `pci_unmap_addr`
 * after: `DEFINE_DMA_UNMAP_ADDR`, `dma_unmap_addr`
 * here: the new names at every level, the old ones by level
 */
#include "row.h"

struct holder {
  int n;
#if AFTER(5, 6)
  DEFINE_DMA_UNMAP_ADDR(mapping);
#else
  DECLARE_PCI_UNMAP_ADDR(mapping)
#endif
};
#if AFTER(5, 6)
#define get dma_unmap_addr
#define set dma_unmap_addr_set
#ifdef WRONG
struct wrong {
  DECLARE_PCI_UNMAP_ADDR(mapping)
};
#endif
#else
#define get pci_unmap_addr
#define set pci_unmap_addr_set
#endif
static int test(struct ib_device* device) {
  struct holder h;
  set(&h, mapping, 77);
  CHECK(get(&h, mapping) == 77);
  return 0;
}

ROW(test);
