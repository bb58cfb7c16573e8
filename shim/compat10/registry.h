// SPDX-License-Identifier: BSD-2-Clause
// The contexts and channels of IBVERBS_1.0 that are alive. ibv_create_comp_channel and ibv_destroy_comp_channel have
// one version for all programs: this tells them whose structure they got.
#pragma once

#include <infiniband/verbs.h>

namespace vb::compat10 {

struct Context;
struct Channel;

void enter(Context* context);
void leave(Context* context);

/// The 1.0 object that a pointer is, or nullptr. One load in a process without any.
Context* as_context(const void* pointer);
Channel* as_channel(const void* pointer);

/// A 1.0 program's channel, with the same address semantics as any object: NULL and errno when it fails.
ibv_comp_channel* create_channel(Context* context);
/// An errno value, or 0.
int destroy_channel(Channel* channel);

}  // namespace vb::compat10
