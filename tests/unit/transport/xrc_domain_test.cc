// SPDX-License-Identifier: BSD-2-Clause
#include "transport/xrc_domain.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <optional>

namespace vb {
namespace {

using Side = XrcDomain::Side;

/// Two domains of one inode, by devices that there are not: each has a file description of its own, as processes have.
class VoucherTest : public testing::Test {
 protected:
  std::shared_ptr<XrcDomain> domain(uint32_t device) {
    auto opened = XrcDomain::open({.device = device, .fd = file_.get(), .create = true});
    return opened ? *opened : nullptr;
  }

  Fd file_{memfd_create("domain", MFD_CLOEXEC)};
  std::shared_ptr<XrcDomain> teller_ = domain(1001), told_ = domain(1002);
};

TEST_F(VoucherTest, ShowsThatItsTellerHasOpenedTheDomain) {
  std::optional<XrcDomain::Voucher> voucher(std::in_place, teller_, XrcDomain::Use{Side::kOpener, 5});
  const uint64_t number = voucher->number();
  EXPECT_TRUE(told_->vouched_elsewhere(number, {Side::kOpener, 5}));
  EXPECT_FALSE(told_->vouched_elsewhere(number + 1, {Side::kOpener, 5}));
  EXPECT_FALSE(teller_->vouched_elsewhere(number, {Side::kOpener, 5})) << "it is its own";
  voucher.reset();
  EXPECT_FALSE(told_->vouched_elsewhere(number, {Side::kOpener, 5}));
}

/// Who was told of one and is no member cannot pass it on.
TEST_F(VoucherTest, IsGoodForOneUseOnly) {
  for (const Side side : {Side::kOpener, Side::kOwner}) {
    const Side other = side == Side::kOpener ? Side::kOwner : Side::kOpener;
    for (const uint32_t slot : {0u, 5u, 4095u}) {
      const XrcDomain::Voucher voucher(teller_, {side, slot});
      EXPECT_TRUE(told_->vouched_elsewhere(voucher.number(), {side, slot}));
      EXPECT_FALSE(told_->vouched_elsewhere(voucher.number(), {other, slot}));
      EXPECT_FALSE(told_->vouched_elsewhere(voucher.number(), {side, slot ^ 1}));
    }
  }
}

TEST_F(VoucherTest, GoesWhereItIsMoved) {
  XrcDomain::Voucher voucher;
  {
    XrcDomain::Voucher first(teller_, {Side::kOwner, 7});
    voucher = std::move(first);
  }
  EXPECT_TRUE(told_->vouched_elsewhere(voucher.number(), {Side::kOwner, 7}));
}

}  // namespace
}  // namespace vb
