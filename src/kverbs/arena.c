/* SPDX-License-Identifier: BSD-2-Clause */
#include "arena.h"

#include <kverbs/dma.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

/* Address space, not memory: pages come to be when they are touched. */
enum { kPages = 1 << 20, kSmallest = 5, kLargest = 11, kWorthGivingBack = 64, kAlignment = 4 << 20 };

struct object {
  struct object* next;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int file = -1;
static char* base;
static struct page* pages;
static u64 used[kPages / 64];
static u32 next_page;
static struct object* free_objects[kLargest + 1];

static void open_arena(void) {
  size_t size = (size_t)kPages << PAGE_SHIFT;
  file = memfd_create("verbatim-kmod", MFD_CLOEXEC);
  BUG_ON(file < 0 || ftruncate(file, (off_t)size) != 0);
  char* space = mmap(NULL, size + kAlignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  BUG_ON(space == MAP_FAILED);
  /* Runs of a power of two are aligned as they are in the kernel. */
  base =
      mmap(PTR_ALIGN(space, kAlignment), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, file, 0);
  BUG_ON(base == MAP_FAILED);
  pages =
      mmap(NULL, kPages * sizeof *pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  BUG_ON(pages == MAP_FAILED);
}

static bool is_used(u32 page) { return used[page / 64] >> page % 64 & 1; }
static void mark(u32 page, bool on) {
  u64 bit = 1ULL << page % 64;
  used[page / 64] = on ? used[page / 64] | bit : used[page / 64] & ~bit;
}

/* The first free run from `from` on that ends before `end`. */
static bool find_run(u32 from, u32 end, u32 n, u32 align, u32* found) {
  for (u32 page = (u32)ALIGN(from, align); page + n <= end;) {
    u32 k = 0;
    while (k < n && !is_used(page + k)) k++;
    if (k == n) {
      *found = page;
      return true;
    }
    page = (u32)ALIGN(page + k + 1, align);
  }
  return false;
}

/* Lock held. */
static struct page* take_run(u32 n, u32 align) {
  u32 page;
  if (n == 0 || n > kPages) return NULL;
  if (!find_run(next_page, kPages, n, align, &page) && !find_run(0, min(next_page + n, (u32)kPages), n, align, &page))
    return NULL;
  for (u32 k = 0; k < n; k++) mark(page + k, true);
  pages[page].run = n;
  pages[page].shift = 0;
  next_page = page + n;
  return &pages[page];
}

/* Lock held. */
static void give_run(struct page* page) {
  u32 first = (u32)(page - pages), n = page->run;
  page->run = 0;
  if (n >= kWorthGivingBack) madvise(base + ((size_t)first << PAGE_SHIFT), (size_t)n << PAGE_SHIFT, MADV_REMOVE);
  for (u32 k = 0; k < n; k++) mark(first + k, false);
}

static void* object_of(struct page* page) { return base + ((size_t)(page - pages) << PAGE_SHIFT); }

/* Lock held. A page of small objects is never given back. */
static void* take_object(unsigned int shift) {
  if (!free_objects[shift]) {
    struct page* page = take_run(1, 1);
    if (!page) return NULL;
    page->shift = (u16)shift;
    for (size_t at = 0; at < PAGE_SIZE; at += 1UL << shift) {
      struct object* object = (void*)((char*)object_of(page) + at);
      object->next = free_objects[shift];
      free_objects[shift] = object;
    }
  }
  struct object* object = free_objects[shift];
  free_objects[shift] = object->next;
  return object;
}

void* kmalloc(size_t size, gfp_t flags) {
  pthread_once(&once, open_arena);
  if (size > (size_t)kPages << PAGE_SHIFT) return NULL;
  unsigned int shift = max(size <= 1 ? 0 : fls64(size - 1), (int)kSmallest);
  pthread_mutex_lock(&lock);
  struct page* page;
  void* p = NULL;
  if (shift <= kLargest) {
    p = take_object(shift);
  } else if ((page = take_run((u32)(PAGE_ALIGN(size) >> PAGE_SHIFT), 1))) {
    p = object_of(page);
  }
  pthread_mutex_unlock(&lock);
  if (p && (flags & __GFP_ZERO)) memset(p, 0, size);
  return p;
}

static struct page* page_of(const void* p) {
  BUG_ON(!arena_holds((unsigned long)p, 1));
  return &pages[(size_t)((const char*)p - base) >> PAGE_SHIFT];
}

void kfree(const void* p) {
  if (IS_ERR_OR_NULL(p)) return;
  struct page* page = page_of(p);
  pthread_mutex_lock(&lock);
  BUG_ON(!page->run);
  if (page->shift) {
    struct object* object = (struct object*)p;
    object->next = free_objects[page->shift];
    free_objects[page->shift] = object;
  } else {
    give_run(page);
  }
  pthread_mutex_unlock(&lock);
}

void* krealloc(const void* p, size_t size, gfp_t flags) {
  if (!p) return kmalloc(size, flags);
  struct page* page = page_of(p);
  size_t old = page->shift ? 1UL << page->shift : (size_t)page->run << PAGE_SHIFT;
  if (size <= old) return (void*)p;
  void* fresh = kmalloc(size, flags);
  if (!fresh) return NULL;
  memcpy(fresh, p, old);
  kfree(p);
  return fresh;
}

struct page* alloc_pages(gfp_t flags, unsigned int order) {
  pthread_once(&once, open_arena);
  if (order > 18) return NULL;
  pthread_mutex_lock(&lock);
  struct page* page = take_run(1u << order, 1u << order);
  pthread_mutex_unlock(&lock);
  if (page && (flags & __GFP_ZERO)) memset(object_of(page), 0, PAGE_SIZE << order);
  return page;
}

void __free_pages(struct page* page, unsigned int order) {
  (void)order;
  if (page) kfree(object_of(page));
}

/* An address outside of the arena has no page of its own; its number stands for it, as in page_address. */
struct page* virt_to_page(const void* p) {
  pthread_once(&once, open_arena);
  if (!arena_holds((unsigned long)p, 1)) return (struct page*)((unsigned long)p & PAGE_MASK);
  return page_of(p);
}

void* page_address(const struct page* page) {
  pthread_once(&once, open_arena);
  if (page < pages || page >= pages + kPages) return (void*)page;
  return object_of((struct page*)page);
}

char* kstrdup(const char* text, gfp_t flags) { return text ? kmemdup(text, strlen(text) + 1, flags) : NULL; }

void* kmemdup(const void* p, size_t size, gfp_t flags) {
  void* copy = kmalloc(size, flags);
  return copy ? memcpy(copy, p, size) : NULL;
}

char* kasprintf(gfp_t flags, const char* format, ...) {
  char text[4096];
  va_list arguments;
  va_start(arguments, format);
  kv_vscnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return kstrdup(text, flags);
}

struct kmem_cache* kv_cache(size_t size, void (*constructor)(void*)) {
  struct kmem_cache* cache = kmalloc(sizeof *cache, GFP_KERNEL);
  if (cache) *cache = (struct kmem_cache){size, constructor};
  return cache;
}

void* kmem_cache_alloc(struct kmem_cache* cache, gfp_t flags) {
  void* p = kmalloc(cache->size, flags);
  if (p && cache->constructor) cache->constructor(p);
  return p;
}

int sg_alloc_table(struct sg_table* table, unsigned int n, gfp_t flags) {
  table->sgl = n ? kmalloc_array(n, sizeof *table->sgl, flags) : NULL;
  table->nents = table->orig_nents = n;
  if (!table->sgl) return -ENOMEM;
  sg_init_table(table->sgl, n);
  return 0;
}

void sg_free_table(struct sg_table* table) {
  kfree(table->sgl);
  table->sgl = NULL;
}

u64 arena_base(void) {
  pthread_once(&once, open_arena);
  return (unsigned long)base;
}

u64 arena_size(void) { return (u64)kPages << PAGE_SHIFT; }

bool arena_holds(u64 address, u64 length) {
  u64 start = arena_base();
  return address >= start && length <= arena_size() && address - start <= arena_size() - length;
}

static bool follow_each_other(const struct piece* pieces, int n) {
  for (int i = 1; i < n; i++)
    if (pieces[i].address != pieces[i - 1].address + pieces[i - 1].length) return false;
  return true;
}

/* Whether a second mapping can join them. */
static bool can_join(const struct piece* pieces, int n) {
  for (int i = 0; i < n; i++) {
    if (!arena_holds(pieces[i].address, pieces[i].length)) return false;
    if (i > 0 && offset_in_page(pieces[i].address)) return false;
    if (i < n - 1 && offset_in_page(pieces[i].address + pieces[i].length)) return false;
  }
  return true;
}

static int map_again(const struct piece* pieces, int n, struct range* range) {
  size_t first = offset_in_page(pieces[0].address), at = 0;
  range->alias_length = PAGE_ALIGN(first + range->length);
  char* alias = mmap(NULL, range->alias_length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (alias == MAP_FAILED) return -ENOMEM;
  for (int i = 0; i < n; i++) {
    u64 start = pieces[i].address & PAGE_MASK;
    size_t length = PAGE_ALIGN(pieces[i].address + pieces[i].length) - start;
    if (mmap(alias + at, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, (off_t)(start - arena_base())) ==
        MAP_FAILED) {
      munmap(alias, range->alias_length);
      return -ENOMEM;
    }
    at += length;
  }
  range->alias = alias;
  range->address = alias + first;
  return 0;
}

int make_range(const struct piece* pieces, int n, struct range* range) {
  if (n < 1) return -EINVAL;
  *range = (struct range){(void*)(unsigned long)pieces[0].address, 0, NULL, 0};
  for (int i = 0; i < n; i++) range->length += pieces[i].length;
  if (follow_each_other(pieces, n)) return 0;
  return can_join(pieces, n) ? map_again(pieces, n, range) : -EINVAL;
}

void release_range(struct range* range) {
  if (range->alias) munmap(range->alias, range->alias_length);
  range->alias = NULL;
}
