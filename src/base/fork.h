// SPDX-License-Identifier: BSD-2-Clause
// What a forked child must not keep: descriptors that tell peers that this process lives. Programs that exec lose them
// by O_CLOEXEC; those that only fork lose them here.
#pragma once

namespace vb {

void close_in_child(int fd);
/// Before the descriptor is closed here.
void keep_in_child(int fd);
/// `forget` runs in every child, after the descriptors are closed. At most eight in all, each given once.
void on_fork(void (*forget)());

}  // namespace vb
