/* SPDX-License-Identifier: BSD-2-Clause */
/* Protection domains, and keys for all memory. */
#include <sys/mman.h>
#include <verbatim/verbatim.h>

#include "kverbs.h"

/* Where a device cannot register all memory at once, the arena is registered in pieces of this size, when they are
 * first used, and stays so: it never unmaps. */
static const u64 kChunk = 4 << 20;

static struct kv_device* device_of(struct kv_pd* pd) { return container_of(pd->ib.device, struct kv_device, ib); }

static int open_memory(struct kv_pd* pd) {
  if (device_of(pd)->everywhere) {
    pd->everything = verbatim_reg_global_mr(pd->native, IBV_ACCESS_LOCAL_WRITE);
    return pd->everything ? 0 : kv_failed();
  }
  pd->chunks = calloc(arena_size() / kChunk, sizeof *pd->chunks);
  return pd->chunks ? 0 : -ENOMEM;
}

static int open_unsafe(struct kv_pd* pd) {
  const unsigned int all = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE;
  if (!(pd->ib.flags & IB_PD_UNSAFE_GLOBAL_RKEY)) return 0;
  pd->unsafe = verbatim_reg_global_mr(pd->native, all);
  if (!pd->unsafe) return kv_failed();
  pd->ib.unsafe_global_rkey = pd->unsafe->rkey;
  return 0;
}

static int close_memory(struct kv_pd* pd) {
  if (pd->unsafe) ibv_dereg_mr(pd->unsafe);
  if (pd->windows) ibv_dereg_mr(pd->windows);
  if (pd->everything) ibv_dereg_mr(pd->everything);
  for (u64 i = 0; pd->chunks && i < arena_size() / kChunk; i++)
    if (pd->chunks[i]) ibv_dereg_mr(pd->chunks[i]);
  pd->unsafe = pd->windows = pd->everything = NULL;
  free(pd->chunks);
  pd->chunks = NULL;
  return -ibv_dealloc_pd(pd->native);
}

struct ib_pd* kv_alloc_pd(struct ib_device* ib, unsigned int flags) {
  struct kv_pd* pd = calloc(1, sizeof *pd);
  if (!pd) return ERR_PTR(-ENOMEM);
  pd->ib.device = ib;
  pd->ib.flags = flags;
  pd->ib.local_dma_lkey = KV_LOCAL_DMA_LKEY;
  pthread_mutex_init(&pd->lock, NULL);
  pd->native = ibv_alloc_pd(device_of(pd)->context);
  int error = pd->native ? open_memory(pd) : kv_failed();
  if (!error) error = open_unsafe(pd);
  if (!error) return &pd->ib;
  if (pd->native) close_memory(pd);
  free(pd);
  return ERR_PTR(error);
}

/* -EBUSY while consumers' objects stand on it, as the count of the kernel says; then nothing is taken away. */
int ib_dealloc_pd(struct ib_pd* ib) {
  struct kv_pd* pd = to_pd(ib);
  if (atomic_read(&ib->usecnt) != 0) return -EBUSY;
  int error = close_memory(pd);
  if (error) return error;
  free(pd);
  return 0;
}

/* Lock held. Windows can be bound to these as well, if the device has windows. */
static struct ibv_mr* chunk(struct kv_pd* pd, u64 number) {
  int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE;
  if (device_of(pd)->native.device_cap_flags & IBV_DEVICE_MEM_WINDOW_TYPE_2B) access |= IBV_ACCESS_MW_BIND;
  if (!pd->chunks[number])
    pd->chunks[number] = ibv_reg_mr(pd->native, (void*)(unsigned long)(arena_base() + number * kChunk), kChunk, access);
  return pd->chunks[number];
}

static struct ibv_mr* chunk_of(struct kv_pd* pd, u64 address, u64 length) {
  if (!arena_holds(address, length)) return NULL;
  u64 first = (address - arena_base()) / kChunk, last = (address + (length ? length - 1 : 0) - arena_base()) / kChunk;
  if (first != last) return NULL;
  pthread_mutex_lock(&pd->lock);
  struct ibv_mr* region = chunk(pd, first);
  pthread_mutex_unlock(&pd->lock);
  return region;
}

struct ibv_mr* kv_local_region(struct kv_pd* pd, u64 address, u64 length) {
  return pd->everything ? pd->everything : chunk_of(pd, address, length);
}

struct ibv_mr* kv_window_region(struct kv_pd* pd, u64 address, u64 length) {
  const unsigned int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE |
                              IBV_ACCESS_REMOTE_ATOMIC | IBV_ACCESS_MW_BIND;
  if (!pd->everything) return chunk_of(pd, address, length);
  pthread_mutex_lock(&pd->lock);
  if (!pd->windows) pd->windows = verbatim_reg_global_mr(pd->native, access);
  pthread_mutex_unlock(&pd->lock);
  return pd->windows;
}

struct ib_mr* ib_get_dma_mr(struct ib_pd* ib, int access) {
  struct kv_mr* mr = calloc(1, sizeof *mr);
  if (!mr) return ERR_PTR(-ENOMEM);
  mr->native = verbatim_reg_global_mr(to_pd(ib)->native, (unsigned int)access);
  /* Where local access is all that is asked for, the reserved key does. */
  bool local = (access & ~IB_ACCESS_LOCAL_WRITE) == 0;
  if (!mr->native && !local) {
    int error = kv_failed();
    free(mr);
    return ERR_PTR(error);
  }
  mr->ib = (struct ib_mr){.device = ib->device, .pd = ib, .length = ~0ULL};
  mr->ib.lkey = mr->native ? mr->native->lkey : KV_LOCAL_DMA_LKEY;
  mr->ib.rkey = mr->native ? mr->native->rkey : 0;
  mr->access = access;
  atomic_inc(&ib->usecnt);
  return &mr->ib;
}
