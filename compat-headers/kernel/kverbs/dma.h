/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices, scatterlists and DMA mapping. A mapping is the identity, as it is for every RDMA device of the kernel that
 * works on virtual addresses. */
#ifndef KVERBS_DMA_H
#define KVERBS_DMA_H
#include <kverbs/memory.h>

struct kobject {
  const char* name;
};
struct device_driver {
  const char* name;
};
struct device {
  struct kobject kobj;
  struct device* parent;
  struct device_driver* driver;
  void* driver_data;
};
static inline const char* dev_name(const struct device* dev) { return dev && dev->kobj.name ? dev->kobj.name : ""; }
#define dev_to_node(dev) ((void)(dev), NUMA_NO_NODE)
#define dev_err(dev, text, ...) printk(KERN_ERR "%s: " text, dev_name(dev), ##__VA_ARGS__)
#define dev_warn(dev, text, ...) printk(KERN_WARNING "%s: " text, dev_name(dev), ##__VA_ARGS__)
#define dev_info(dev, text, ...) printk(KERN_INFO "%s: " text, dev_name(dev), ##__VA_ARGS__)
struct pci_dev {
  struct device dev;
};
#define to_pci_dev(d) container_of(d, struct pci_dev, dev)

enum dma_data_direction { DMA_BIDIRECTIONAL = 0, DMA_TO_DEVICE = 1, DMA_FROM_DEVICE = 2, DMA_NONE = 3 };
#define PCI_DMA_BIDIRECTIONAL DMA_BIDIRECTIONAL
#define PCI_DMA_TODEVICE DMA_TO_DEVICE
#define PCI_DMA_FROMDEVICE DMA_FROM_DEVICE
#define DMA_BIT_MASK(n) ((n) == 64 ? ~0ULL : (1ULL << (n)) - 1)

/* 2.6.24 took the page out of the scatterlist and put it in page_link; both names are one word here. */
struct scatterlist {
  union {
    unsigned long page_link;
    struct page* page;
  };
  unsigned int offset, length;
  dma_addr_t dma_address;
  unsigned int dma_length;
  unsigned int last;
};
struct sg_table {
  struct scatterlist* sgl;
  unsigned int nents, orig_nents;
};
static inline struct page* sg_page(const struct scatterlist* sg) { return sg->page; }
static inline void* sg_virt(const struct scatterlist* sg) { return (char*)page_address(sg->page) + sg->offset; }
static inline void sg_assign_page(struct scatterlist* sg, struct page* page) { sg->page = page; }
static inline void sg_set_page(struct scatterlist* sg, struct page* page, unsigned int length, unsigned int offset) {
  sg->page = page;
  sg->offset = offset;
  sg->length = length;
}
static inline void sg_mark_end(struct scatterlist* sg) { sg->last = 1; }
#define sg_init_marker(sg, n) sg_mark_end(&(sg)[(n)-1])
static inline void sg_init_table(struct scatterlist* sg, unsigned int n) {
  memset(sg, 0, n * sizeof *sg);
  sg_mark_end(sg + n - 1);
}
static inline void sg_set_buf(struct scatterlist* sg, const void* p, unsigned int length) {
  sg_set_page(sg, virt_to_page(p), length, offset_in_page(p));
}
static inline void sg_init_one(struct scatterlist* sg, const void* p, unsigned int length) {
  sg_init_table(sg, 1);
  sg_set_buf(sg, p, length);
}
static inline struct scatterlist* sg_next(struct scatterlist* sg) { return sg->last ? NULL : sg + 1; }
#define for_each_sg(list, sg, n, i) for (i = 0, sg = (list); i < (int)(n); i++, sg = i < (int)(n) ? sg + 1 : sg)
int sg_alloc_table(struct sg_table* table, unsigned int n, gfp_t flags) KV_SYMBOL(sg_alloc_table);
void sg_free_table(struct sg_table* table) KV_SYMBOL(sg_free_table);
#define sg_dma_address(sg) ((sg)->dma_address)
#define sg_dma_len(sg) ((sg)->dma_length)

static inline dma_addr_t kv_dma_single(const void* p) { return (dma_addr_t)(unsigned long)p; }
static inline int kv_dma_sg(struct scatterlist* sg, int n) {
  int i;
  for (i = 0; i < n; i++) {
    if (sg[i].page_link) sg[i].dma_address = (dma_addr_t)(unsigned long)sg_virt(&sg[i]);
    sg[i].dma_length = sg[i].length;
  }
  return n;
}
#define dma_map_single(dev, p, size, direction) ((void)(dev), (void)(size), (void)(direction), kv_dma_single(p))
#define dma_unmap_single(dev, a, size, direction) ((void)(dev), (void)(a), (void)(size), (void)(direction))
#define dma_map_page(dev, page, offset, size, direction) \
  ((void)(dev), (void)(size), (void)(direction), kv_dma_single(page_address(page)) + (offset))
#define dma_unmap_page dma_unmap_single
#define dma_map_sg(dev, sg, n, direction) ((void)(dev), (void)(direction), kv_dma_sg(sg, n))
#define dma_unmap_sg(dev, sg, n, direction) ((void)(dev), (void)(sg), (void)(n), (void)(direction))
#define dma_mapping_error(...) KV_ARITY(kv_dma_mapping_error, __VA_ARGS__)
#define kv_dma_mapping_error1(a) ((void)(a), 0)
#define kv_dma_mapping_error2(dev, a) ((void)(dev), (void)(a), 0)
#define dma_sync_single_for_cpu(dev, a, size, direction) ((void)(dev), (void)(a))
#define dma_sync_single_for_device dma_sync_single_for_cpu
#define dma_get_cache_alignment() 64
static inline void* dma_alloc_coherent(struct device* dev, size_t size, dma_addr_t* handle, gfp_t flags) {
  void* p = kmalloc(PAGE_ALIGN(size), flags | __GFP_ZERO);
  (void)dev;
  *handle = kv_dma_single(p);
  return p;
}
static inline void dma_free_coherent(struct device* dev, size_t size, void* p, dma_addr_t handle) {
  (void)dev;
  (void)size;
  (void)handle;
  kfree(p);
}

#define DEFINE_DMA_UNMAP_ADDR(name) dma_addr_t name
#define DEFINE_DMA_UNMAP_LEN(name) u32 name
#define dma_unmap_addr(p, name) ((p)->name)
#define dma_unmap_addr_set(p, name, value) ((p)->name = (value))
#define dma_unmap_len(p, name) ((p)->name)
#define dma_unmap_len_set(p, name, value) ((p)->name = (value))
#if KV_UNTIL(5, 6, 0)
#define DECLARE_PCI_UNMAP_ADDR(name) dma_addr_t name;
#define DECLARE_PCI_UNMAP_LEN(name) u32 name;
#define pci_unmap_addr dma_unmap_addr
#define pci_unmap_addr_set dma_unmap_addr_set
#define pci_unmap_len dma_unmap_len
#define pci_unmap_len_set dma_unmap_len_set
#endif

#endif
