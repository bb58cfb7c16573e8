// SPDX-License-Identifier: BSD-2-Clause
// Link rates as enumerators, as multiples of 2.5 Gbit/s and in Mbit/s: one table.
#include "door.h"

namespace {

struct Rate {
  ibv_rate rate;
  int multiple;  ///< of 2.5 Gbit/s, the nominal signalling rate; -1 where there is none
  int mbps;      ///< the true rate, coding included
};

// Most rates that came after QDR are no multiples of the base rate. The values are those that programs know.
constexpr Rate kRates[] = {
    {IBV_RATE_2_5_GBPS, 1, 2500},     {IBV_RATE_5_GBPS, 2, 5000},         {IBV_RATE_10_GBPS, 4, 10000},
    {IBV_RATE_20_GBPS, 8, 20000},     {IBV_RATE_30_GBPS, 12, 30000},      {IBV_RATE_40_GBPS, 16, 40000},
    {IBV_RATE_60_GBPS, 24, 60000},    {IBV_RATE_80_GBPS, 32, 80000},      {IBV_RATE_120_GBPS, 48, 120000},
    {IBV_RATE_14_GBPS, -1, 14062},    {IBV_RATE_56_GBPS, -1, 56250},      {IBV_RATE_112_GBPS, -1, 112500},
    {IBV_RATE_168_GBPS, -1, 168750},  {IBV_RATE_25_GBPS, -1, 25781},      {IBV_RATE_100_GBPS, -1, 103125},
    {IBV_RATE_200_GBPS, -1, 206250},  {IBV_RATE_300_GBPS, -1, 309375},    {IBV_RATE_28_GBPS, 11, 28125},
    {IBV_RATE_50_GBPS, 20, 53125},    {IBV_RATE_400_GBPS, 160, 425000},   {IBV_RATE_600_GBPS, 240, 637500},
    {IBV_RATE_800_GBPS, 320, 850000}, {IBV_RATE_1200_GBPS, 480, 1275000},
};

/// The value of one column in the row where another has `key`.
template <class Key, class Value>
Value look_up(Key Rate::*column, Key key, Value Rate::*result, Value otherwise) {
  for (const Rate& row : kRates) {
    if (row.*column == key) return row.*result;
  }
  return otherwise;
}

}  // namespace

VB_DOOR int ibv_rate_to_mult(ibv_rate rate) { return look_up(&Rate::rate, rate, &Rate::multiple, -1); }
VB_DOOR int ibv_rate_to_mbps(ibv_rate rate) { return look_up(&Rate::rate, rate, &Rate::mbps, -1); }
VB_DOOR ibv_rate mbps_to_ibv_rate(int mbps) { return look_up(&Rate::mbps, mbps, &Rate::rate, IBV_RATE_MAX); }

VB_DOOR ibv_rate mult_to_ibv_rate(int multiple) {
  return multiple < 0 ? IBV_RATE_MAX : look_up(&Rate::multiple, multiple, &Rate::rate, IBV_RATE_MAX);
}
