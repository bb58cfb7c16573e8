// SPDX-License-Identifier: BSD-2-Clause
// What most tests need, parsed once. Nothing relies on it: every file includes what it uses.
#include <gtest/gtest.h>
#include <infiniband/verbs.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "support/pair.h"
