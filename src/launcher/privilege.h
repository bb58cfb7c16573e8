// SPDX-License-Identifier: BSD-2-Clause
// Programs that the dynamic linker shields from their caller's environment.
#pragma once

#include <string>

namespace vb::launcher {

/// Whether a program, looked for as execvp does, would run with another user's or group's rights, or with capabilities
/// that its caller lacks: then LD_PRELOAD and LD_LIBRARY_PATH are ignored (ld.so(8), secure-execution mode).
bool has_rights_of_its_own(const std::string& program);

}  // namespace vb::launcher
