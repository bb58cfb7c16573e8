// SPDX-License-Identifier: BSD-2-Clause
// VB_API marks the engine's interface: what the entry points (shim/) use of it. They are linked into the same library,
// so none of it is visible outside: programs see the doors' symbols only.
#pragma once

#define VB_API
