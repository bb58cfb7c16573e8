/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory. Everything that these functions give lies in one arena, whose pages the library can map a second time: that
 * is how a region over scattered pages becomes one range. An address is the same number for the processor, for DMA and
 * as "physical" address. */
#ifndef KVERBS_MEMORY_H
#define KVERBS_MEMORY_H
#include <kverbs/base.h>

#define PAGE_SHIFT 12
#undef PAGE_SIZE
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#undef PAGE_MASK
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(n) ALIGN(n, PAGE_SIZE)
#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)

#define __GFP_ZERO 0x100u
#define __GFP_NOWARN 0x200u
#define __GFP_HIGHMEM 0x2u
#define __GFP_COMP 0x4000u
#define __GFP_NORETRY 0x1000u
#define GFP_KERNEL 0xcc0u
#define GFP_ATOMIC 0xa20u
#define GFP_NOIO 0xc00u
#define GFP_NOFS 0xc40u
#define GFP_NOWAIT 0x800u
#define GFP_USER GFP_KERNEL
#define GFP_HIGHUSER GFP_KERNEL
#define GFP_DMA GFP_KERNEL

void* kmalloc(size_t size, gfp_t flags) KV_SYMBOL(kmalloc);
void kfree(const void* p) KV_SYMBOL(kfree);
void* krealloc(const void* p, size_t size, gfp_t flags) KV_SYMBOL(krealloc);
static inline void* kzalloc(size_t size, gfp_t flags) { return kmalloc(size, flags | __GFP_ZERO); }
static inline void* kmalloc_array(size_t n, size_t size, gfp_t flags) {
  size_t bytes;
  return __builtin_mul_overflow(n, size, &bytes) ? NULL : kmalloc(bytes, flags);
}
static inline void* kcalloc(size_t n, size_t size, gfp_t flags) { return kmalloc_array(n, size, flags | __GFP_ZERO); }
#define kmalloc_node(size, flags, node) ((void)(node), kmalloc(size, flags))
#define kzalloc_node(size, flags, node) ((void)(node), kzalloc(size, flags))
#define kcalloc_node(n, size, flags, node) ((void)(node), kcalloc(n, size, flags))
#define kvmalloc kmalloc
#define kvzalloc kzalloc
#define kvcalloc kcalloc
#define kvmalloc_array kmalloc_array
#define kvfree kfree
#define vmalloc(size) kmalloc(size, GFP_KERNEL)
#define vzalloc(size) kzalloc(size, GFP_KERNEL)
#define vfree kfree
#define kfree_sensitive kfree
char* kstrdup(const char* text, gfp_t flags) KV_SYMBOL(kstrdup);
void* kmemdup(const void* p, size_t size, gfp_t flags) KV_SYMBOL(kmemdup);
char* kasprintf(gfp_t flags, const char* format, ...) KV_SYMBOL(kasprintf) __printf(2, 3);

struct kmem_cache {
  size_t size;
  void (*constructor)(void*);
};
struct kmem_cache* kv_cache(size_t size, void (*constructor)(void*));
void* kmem_cache_alloc(struct kmem_cache* cache, gfp_t flags) KV_SYMBOL(kmem_cache_alloc);
#define kmem_cache_zalloc(cache, flags) kmem_cache_alloc(cache, (flags) | __GFP_ZERO)
#define kmem_cache_free(cache, p) ((void)(cache), kfree(p))
#define kmem_cache_destroy(cache) kfree(cache)
#define kmem_cache_create(name, size, ...) ((void)(name), kv_cache(size, NULL))
#define KMEM_CACHE(type, flags) kv_cache(sizeof(struct type), NULL)
#define SLAB_HWCACHE_ALIGN 0x2000u

/* Pages. */
struct page {
  u32 run;   /* pages of the allocation that begins here, else 0 */
  u16 shift; /* objects of 1 << shift bytes share this page */
  u16 objects;
};
struct page* alloc_pages(gfp_t flags, unsigned int order) KV_SYMBOL(alloc_pages);
void __free_pages(struct page* page, unsigned int order) KV_SYMBOL(__free_pages);
struct page* virt_to_page(const void* p) KV_SYMBOL(virt_to_page);
void* page_address(const struct page* page) KV_SYMBOL(page_address);
#define alloc_page(flags) alloc_pages(flags, 0)
#define alloc_pages_node(node, flags, order) ((void)(node), alloc_pages(flags, order))
#define __free_page(page) __free_pages(page, 0)
#define __get_free_pages(flags, order) ((unsigned long)kv_page_or_null(alloc_pages(flags, order)))
#define __get_free_page(flags) __get_free_pages(flags, 0)
#define get_zeroed_page(flags) __get_free_page((flags) | __GFP_ZERO)
#define free_pages(address, order) kfree((void*)(unsigned long)(address))
#define free_page(address) kfree((void*)(unsigned long)(address))
static inline void* kv_page_or_null(struct page* page) { return page ? page_address(page) : NULL; }
#define vmalloc_to_page virt_to_page
#define page_to_phys(page) ((phys_addr_t)(unsigned long)page_address(page))
#define page_to_pfn(page) ((unsigned long)page_address(page) >> PAGE_SHIFT)
#define virt_to_phys(p) ((phys_addr_t)(unsigned long)(p))
#define phys_to_virt(a) ((void*)(unsigned long)(a))
#define __pa(p) virt_to_phys(p)
#define __va(a) phys_to_virt(a)
#define kmap(page) page_address(page)
#define kunmap(page) ((void)(page))
#define kmap_local_page kmap
#define kunmap_local(p) ((void)(p))
#define get_order(size) ((size) <= PAGE_SIZE ? 0 : fls64(((u64)(size)-1) >> PAGE_SHIFT))
#define is_vmalloc_addr(p) ((void)(p), 0)
#define virt_addr_valid(p) ((p) != NULL)
#define numa_node_id() 0
#define cpu_to_node(cpu) ((void)(cpu), 0)
#define NUMA_NO_NODE (-1)

static inline unsigned long copy_from_user(void* to, const void* from, unsigned long n) {
  memcpy(to, from, n);
  return 0;
}
static inline unsigned long copy_to_user(void* to, const void* from, unsigned long n) {
  memcpy(to, from, n);
  return 0;
}
#define put_user(value, p) (*(p) = (value), 0)
#define get_user(variable, p) ((variable) = *(p), 0)

#endif
