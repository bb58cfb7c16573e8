// SPDX-License-Identifier: BSD-2-Clause
// Connected pairs of QPs, in one process and between two: the fixture of every traffic test.
#pragma once

#include <memory>
#include <ostream>

#include "support/expect_wc.h"
#include "support/fixture.h"
#include "support/side.h"

namespace vt {

enum class Form { kOneProcess, kTwoProcesses };

// One peer process serves many tests; a test that failed or killed it gets the next one a new one.
inline std::unique_ptr<Peer>& shared_peer() {
  static std::unique_ptr<Peer> peer;
  return peer;
}

inline Peer& running_peer() {
  auto& peer = shared_peer();
  if (!peer || !peer->alive()) peer = std::make_unique<Peer>();
  return *peer;
}

struct PairParam {
  Form form;
  ibv_qp_type type;
};

inline std::string param_name(const testing::TestParamInfo<PairParam>& info) {
  std::string type = info.param.type == IBV_QPT_RC ? "RC" : info.param.type == IBV_QPT_UC ? "UC" : "UD";
  return type + (info.param.form == Form::kOneProcess ? "_one_process" : "_two_processes");
}

inline void PrintTo(const PairParam& param, std::ostream* out) { *out << param_name({param, 0}); }

inline const auto kRc =
    testing::Values(PairParam{Form::kOneProcess, IBV_QPT_RC}, PairParam{Form::kTwoProcesses, IBV_QPT_RC});
inline const auto kUc =
    testing::Values(PairParam{Form::kOneProcess, IBV_QPT_UC}, PairParam{Form::kTwoProcesses, IBV_QPT_UC});
inline const auto kRcAndUc =
    testing::Values(PairParam{Form::kOneProcess, IBV_QPT_RC}, PairParam{Form::kTwoProcesses, IBV_QPT_RC},
                    PairParam{Form::kOneProcess, IBV_QPT_UC}, PairParam{Form::kTwoProcesses, IBV_QPT_UC});

class PairTest : public VerbsTest, public testing::WithParamInterface<PairParam> {
 protected:
  EndOptions options{.type = GetParam().type};  // of both ends, unless make() is told otherwise
  Link link;

  void make(const EndOptions& for_a, const EndOptions& for_b) {
    a_ = std::make_unique<Side>(for_a);
    if (GetParam().form == Form::kOneProcess)
      b_ = std::make_unique<Side>(for_b);
    else
      b_ = std::make_unique<Side>(running_peer(), for_b);
  }
  void make() { make(options, options); }

  void connect(int qp = 0) { connect(link, link, qp); }
  void connect(const Link& link_a, const Link& link_b, int qp = 0) {
    ASSERT_EQ(a().connect(b().address(qp), link_a, qp), 0);
    ASSERT_EQ(b().connect(a().address(qp), link_b, qp), 0);
  }
  void make_connected() {
    make();
    connect();
  }

  bool made() const { return a_ && b_; }  // not when the test was skipped
  Side& a() { return *a_; }
  Side& b() { return *b_; }
  bool is_rc() const { return GetParam().type == IBV_QPT_RC; }

  void TearDown() override {
    a_.reset();
    b_.reset();
    if (HasFailure())
      shared_peer().reset();
    else if (shared_peer() && shared_peer()->alive())
      shared_peer()->drop_end();
  }

 private:
  std::unique_ptr<Side> a_, b_;
};

// A pair that is connected before the test begins; a subclass changes options and link in its constructor.
class ConnectedTest : public PairTest {
 protected:
  Address at_a, at_b;

  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    make_connected();
    at_a = a().address();
    at_b = b().address();
  }

  // An empty message behind whatever was posted: when it has arrived, so has that. The send queue of a and the
  // receive queue of b must hold nothing else that is not yet complete.
  void fence_by_send() {
    ASSERT_POSTED(b().post_recv(recv_wr(9000)));
    ASSERT_POSTED(a().post_send(send_wr(9001, {})));
    ASSERT_DONE(b().wait_recv(), 9000);
    ASSERT_DONE(a().wait_send(), 9001);
  }
};

}  // namespace vt
