// SPDX-License-Identifier: BSD-2-Clause
// Where the kernel's rdma_rxe departs from the specification, or from what verbs programs rely on. A test that
// meets one of these is skipped on devices named rxe*, unless VERBATIM_TEST_KNOWN_RXE=run.
// The first column is a shell pattern over "Suite.Test" as GoogleTest prints it, without the prefix of a
// parameterised suite ("Both/"). README.md repeats this table with the reasons in the specification. What
// error_table_test.cc holds rxe to is in its own table (error_table.cc).
#pragma once

namespace vt {

struct KnownRxe {
  const char* pattern;
  const char* reason;
};

inline constexpr KnownRxe kKnownRxe[] = {
    {"QpTest.NeedsBothCqs", "the provider follows a NULL CQ and crashes"},
    {"PostLimitTest.ARefusalByStateNamesTheFirstRequest*", "bad_wr is left alone when the state forbids a post"},
    {"PostLimitTest.AnUnknownOpcodeIsRefused*", "the provider queues any opcode"},
    {"QpQueryTest.SaysTheCurrentStateToo*", "query_qp leaves cur_qp_state at 0"},
    {"QpQueryTest.APkeyIndexBeyondTheTableIsRefused*", "pkey_index is not looked at"},
    {"QpQueryTest.AnMtuOfZeroIsRefused*", "an MTU below IBV_MTU_256 is taken"},
    {"QpQueryTest.MoreResponderResourcesThan*", "max_dest_rd_atomic is not compared with the device's"},
    {"SrqTrafficTest.AQpMovedToErrorSaysThatItTookItsLastReceive*", "no LAST_WQE_REACHED event"},
    {"RetryTest.RetryCountSevenIsNotEndless*", "a retry_cnt of 7 is taken for endless"},
    {"FlushTest.ReceivesPostedAfterFlushInOrder*", "receives posted in ERR are not flushed"},
    {"FlushTest.MoreThanTheQueueHoldsFlowsThroughAQpInError*", "receives posted in ERR are not flushed"},
    {"LocalSendErrorTest.SendWhoseSecondSgeHasAWrongKey*", "LOC_QP_OP_ERR instead of LOC_PROT_ERR"},
    {"LocalSendErrorTest.WriteFromAWrongKey*", "LOC_QP_OP_ERR instead of LOC_PROT_ERR"},
    {"LocalSendErrorTest.SendFromADeregisteredRegion*", "LOC_QP_OP_ERR instead of LOC_PROT_ERR"},
    {"LocalSendErrorTest.UnsignaledSendFailsVisibly*", "LOC_QP_OP_ERR instead of LOC_PROT_ERR"},
    {"LocalReceiveErrorTest.ReceiveTooSmall*", "LOC_QP_OP_ERR, REM_OP_ERR; not LOC_LEN_ERR, REM_INV_REQ_ERR"},
    {"LocalReceiveErrorTest.ReceiveWithoutRoomAtAll*", "LOC_QP_OP_ERR, REM_OP_ERR; not LOC_LEN_ERR, REM_INV_REQ_ERR"},
    {"LocalReceiveErrorTest.ReceiveWith*Key*", "LOC_QP_OP_ERR instead of LOC_PROT_ERR"},
    {"LocalReceiveErrorTest.ReceiveInto*", "LOC_QP_OP_ERR instead of LOC_PROT_ERR"},
    {"LocalReceiveErrorTest.ReceiveBehindTheRegion*", "LOC_QP_OP_ERR instead of LOC_PROT_ERR"},
    {"UcErrorTest.AMessageTooLongForItsReceive*", "the receive completes with LOC_QP_OP_ERR and the QP ends"},
    {"UcErrorTest.ASendErrorLeavesTheReceiveQueueAtWork*", "a send error ends the whole QP: there is no SQE state"},
    {"AsyncEventTest.TheFirstRequestInRtr*", "no COMM_EST"},
    {"QpStateTest.EveryOptionalAttributeIsAccepted/UC", "SQD to SQD with an address is EINVAL for UC, 0 for RC"},
    {"WrApiTest.InlineData*", "the inline setters work only when the caller sets IBV_SEND_INLINE as well"},
    {"UdTest.AnIpv4HeaderStandsInFront*", "the IPv4 header has no checksum"},
    {"UdTest.TheServiceLevelTellsTheKindOfHeader*", "sl is 0"},
    {"UdTest.TheHighBitAsksForTheQpsOwnQkey*", "the Q_Key of a request is sent as it is"},
    {"UdTest.MoreThanTheMtuIsALengthError*", "it completes with success, and is lost"},
    {"UdTest.ASendErrorStopsTheSendQueueOnly*", "a send error ends the whole QP: there is no SQE state"},
    {"UdTest.AReceiveThatIsTooSmall*", "LOC_QP_OP_ERR instead of LOC_LEN_ERR"},
    {"UdTest.WhatADatagramCannotDoIsRefused*", "the provider follows the NULL address handle and crashes"},
    {"CqOverrunTest.TheCqAndThenTheQpReportAnError*", "the QP goes on"},
    {"MwTest.InvalidatingWhatIsNotBoundFails*", "the kernel panics"},
    {"MwTest.AZeroBasedWindowCountsFromItsStart*", "the end of the region counts, not the window's"},
    {"MwTest.OutsideTheWindowNothingIsGranted*", "the end of the region counts, not the window's"},
    {"MwTest.APeerInvalidatesBySending*", "the completion has the kernel's flag, which means something else here"},
    {"MwTest.APeerThatInvalidatesAWrongKey*", "the sender is told success"},
    {"MwTest.DestroyingItsQpUnbindsType2*", "it takes 50 s, and the window stays bound"},
    {"WrWindowTest.SendWithInvalidateTakesThePeersKey*", "the kernel panics"},
    {"MulticastTest.*", "what a device sends to a group does not come to the QPs of the same device"},
    {"QpTest.QueryRepeatsTheReturnedCaps", "create_qp returns the caps asked for, query_qp the larger ones it made"},
};

}  // namespace vt
