// SPDX-License-Identifier: BSD-2-Clause
// XRC domains of files, and three ends in two processes.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "support/missing.h"
#include "support/pair.h"

namespace vt {

inline bool device_has_xrc() {
  ContextPtr context = open_device();
  ibv_device_attr attr{};
  ibv_query_device(context.get(), &attr);
  return attr.device_cap_flags & IBV_DEVICE_XRC;
}

// The files of a test's domains.
class XrcFiles {
 public:
  XrcFiles() = default;
  XrcFiles(const XrcFiles&) = delete;
  XrcFiles& operator=(const XrcFiles&) = delete;
  ~XrcFiles() {
    for (const std::string& name : names_) unlink(name.c_str());
  }
  // The end's domain is that of a file of its own.
  void use_new(EndOptions& options) {
    char name[] = "/tmp/verbs_xrc_XXXXXX";
    close(mkstemp(name));
    names_.emplace_back(name);
    std::snprintf(options.xrc_file, sizeof options.xrc_file, "%s", name);
  }

 private:
  std::vector<std::string> names_;
};

// `a` has an initiator, in this process; `b` and `c` are in the one or the other, as the form says.
class XrcThreeEndsTest : public VerbsTest {
 protected:
  XrcFiles files;
  std::unique_ptr<Side> a, b, c;
  Address at_a, at_b;
  Region at_c;
  Link link;

  void SetUp() override {
    VerbsTest::SetUp();
    if (!IsSkipped() && !device_has_xrc()) SKIP_ON_OTHERS("this device has no XRC");
  }
  void TearDown() override {
    c.reset();
    a.reset();
    b.reset();
    if (HasFailure())
      shared_peer().reset();
    else if (shared_peer() && shared_peer()->alive())
      shared_peer()->drop_end();
  }
  static std::unique_ptr<Side> end(const EndOptions& options, bool at_peer) {
    return at_peer ? std::make_unique<Side>(running_peer(), options) : std::make_unique<Side>(options);
  }
};

}  // namespace vt
