/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KVERBS_POST_H
#define KVERBS_POST_H
#include "kverbs.h"

/** A native send completion: retires the slots up to this one. Fills wr_id and opcode; false if the consumer is not to
 * be told. Lock of the CQ held. */
bool kv_sent(struct kv_qp* qp, u32 slot, bool success, struct ib_wc* wc);
/** Drops what the slots hold, when the queue pair is gone. */
void kv_drop_slots(struct kv_qp* qp);
void kv_set_mapping(struct kv_mr* mr, u32 key, struct kv_mapping* mapping, struct kv_mapping** old);

#endif
