// SPDX-License-Identifier: BSD-2-Clause
// Where librdmacm on the kernel's rdma_rxe (rdma-core 44, Linux 6.1) cannot do what this suite asks for. A test that
// meets one of these is skipped on devices named rxe*, unless VERBATIM_TEST_KNOWN_RXE=run.
#pragma once

namespace cm_test {

struct KnownRxe {
  const char* test;  ///< "Suite.Test"
  const char* reason;
};

inline constexpr KnownRxe kKnownRxe[] = {
    {"CmTest.WithoutADeviceThereIsNothingToDo", "the library follows the NULL device and crashes"},
    {"CmTest.WhoComesToADestroyedChannelIsToldAfterAWhile", "a promise beyond the library's: it reads freed memory"},
    {"CmTest.AnIdentifierMayOutliveItsChannel", "a promise beyond the library's: it reads freed memory"},
    {"CmTest.AGidLeadsToItsAddress", "no route leads to an AF_IB address on RoCE: ENODEV"},
    {"CmTest.AQpMayGoWhileAnotherThreadTakesTheEventThatMovesIt",
     "the library moves the QP without a lock, and may read freed memory"},
    {"ConnectedCmTest.AListenerThatIsMadeAnewIsWaitedFor", "a promise beyond the kernel's: it refuses at once"},
};

}  // namespace cm_test
