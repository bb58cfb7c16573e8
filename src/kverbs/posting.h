/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the send side share: a consumer's request on its way to native ones. Send lock held by all. */
#ifndef KVERBS_POSTING_H
#define KVERBS_POSTING_H
#include "post.h"

enum { kMostSges = 32 };

/* What a consumer's request becomes: native requests one by one, of which the last carries its flags. */
struct posting {
  struct kv_qp* qp;
  struct ibv_sge sges[kMostSges];
  struct ibv_send_wr native;
  u64 wr_id;
  enum ib_wc_opcode opcode;
  unsigned int flags;
};

/** Posts p->native. `rest`: how many follow for the same request; `old`: what nobody needs when this is done. */
int kv_submit(struct posting* p, u32 rest, struct kv_mapping* old);
static inline int kv_submit_only(struct posting* p) { return kv_submit(p, 0, NULL); }

/* post_validity.c */
/** Ends what a key shows: at once for what is posted from here on, with the request for what was posted before. */
int kv_invalidate(struct posting* p, u32 key);
/** READ and then invalidate the local key; the consumer sees one request. */
int kv_read_and_invalidate(struct posting* p, u32 key);
/** Makes a fast region valid. What is posted behind this may use its lkey. */
int kv_make_valid(struct posting* p, struct kv_mr* mr, u32 key, const struct piece* pieces, int n, u64 iova,
                  int access);
int kv_fast_register(struct posting* p, const struct kv_fat_send_wr* wr);
int kv_bind_window(struct posting* p, const struct kv_fat_send_wr* wr);

#endif
