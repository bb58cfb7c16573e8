// SPDX-License-Identifier: BSD-2-Clause
// Erasure coding.
#include "verbs/ec.h"

#include "exp/door.h"

namespace vb::exp {
namespace {

struct ExpEcCalc {
  ibv_exp_ec_calc abi{};
  std::unique_ptr<EcCalculator> real;

  static ExpEcCalc& from(ibv_exp_ec_calc* calc) { return *reinterpret_cast<ExpEcCalc*>(calc); }
};

ibv_exp_ec_calc* handle(ExpEcCalc& calc) { return &calc.abi; }

using Work = Result<std::unique_ptr<EcWork>>;

/// All fields count, whatever comp_mask says: so it was in the adapter's driver.
Result<ExpEcCalc*> make(Pd& pd, const ibv_exp_ec_calc_init_attr& attr) {
  if (attr.comp_mask & ~uint32_t{IBV_EXP_EC_CALC_INIT_ATTR_RESERVED - 1}) return Error{EINVAL};
  if (attr.max_data_sge < 1 || attr.max_code_sge < 1) return Error{EINVAL};
  EcAttributes now;
  now.k = attr.k, now.m = attr.m, now.width = attr.w;
  now.max_data_sge = static_cast<size_t>(attr.max_data_sge);
  now.max_code_sge = static_cast<size_t>(attr.max_code_sge);
  now.max_in_flight = attr.max_inflight_calcs;
  now.matrix = attr.encode_matrix;
  now.polling = attr.polling != 0;
  auto own = std::make_unique<ExpEcCalc>();
  auto real = EcCalculator::make(pd, now);
  if (!real) return Error{real.error()};
  own->real = std::move(*real);
  own->abi.pd = &pd.abi;
  return own.release();
}

std::span<const ibv_sge> list(const ibv_sge* sges, int count) {
  return {sges, sges && count > 0 ? static_cast<size_t>(count) : 0};
}

EcMemory memory_of(const ibv_exp_ec_mem& memory) {
  const uint64_t block_size = memory.block_size > 0 ? static_cast<uint64_t>(memory.block_size) : 0;
  return {list(memory.data_blocks, memory.num_data_sge), list(memory.code_blocks, memory.num_code_sge), block_size};
}

void complete(void* who, bool succeeded) {
  auto* comp = static_cast<ibv_exp_ec_comp*>(who);
  comp->status = succeeded ? IBV_EXP_EC_CALC_SUCCESS : IBV_EXP_EC_CALC_FAIL;
  comp->done(comp);
}

/// The errno of a call, which is in errno as well.
int said(int error) {
  if (error) errno = error;
  return error;
}

template <class Describe>
int later(ibv_exp_ec_calc* calc, ibv_exp_ec_comp* comp, Describe describe) {
  EcCalculator& real = *ExpEcCalc::from(calc).real;
  return said(errno_entry([&]() -> Result<void> {
    auto work = describe(real);
    if (!work) return Error{work.error()};
    return real.submit(std::move(*work), comp ? EcCompletion{complete, comp} : EcCompletion{});
  }));
}

/// What fails in the calculation is the status of a completion elsewhere; here IBV_EXP_EC_CALC_FAIL, as it was.
template <class Describe>
int now(ibv_exp_ec_calc* calc, Describe describe) {
  bool succeeded = true;
  const int error = errno_entry([&]() -> Result<void> {
    auto work = describe(*ExpEcCalc::from(calc).real);
    if (!work) return Error{work.error()};
    succeeded = calculate(**work);
    return {};
  });
  if (error || succeeded) return said(error);
  errno = EFAULT;
  return IBV_EXP_EC_CALC_FAIL;
}

auto encoding(ibv_exp_ec_mem* memory) {
  return [=](EcCalculator& real) { return real.encode(memory_of(*memory)); };
}
auto decoding(ibv_exp_ec_mem* memory, uint8_t* erasures, uint8_t* matrix) {
  return [=](EcCalculator& real) { return real.decode(memory_of(*memory), erasures, matrix); };
}
auto updating(ibv_exp_ec_mem* memory, uint8_t* data, uint8_t* code) {
  return [=](EcCalculator& real) { return real.update(memory_of(*memory), data, code); };
}

ibv_exp_ec_calc* alloc(ibv_pd* pd, ibv_exp_ec_calc_init_attr* attr) {
  return pointer_entry([&] { return make(Pd::from(pd), *attr); });
}
void dealloc(ibv_exp_ec_calc* calc) { delete &ExpEcCalc::from(calc); }

int encode_sync(ibv_exp_ec_calc* calc, ibv_exp_ec_mem* memory) { return now(calc, encoding(memory)); }
int encode_async(ibv_exp_ec_calc* calc, ibv_exp_ec_mem* memory, ibv_exp_ec_comp* comp) {
  return later(calc, comp, encoding(memory));
}
int decode_sync(ibv_exp_ec_calc* calc, ibv_exp_ec_mem* memory, uint8_t* erasures, uint8_t* matrix) {
  return now(calc, decoding(memory, erasures, matrix));
}
int decode_async(ibv_exp_ec_calc* calc, ibv_exp_ec_mem* memory, uint8_t* erasures, uint8_t* matrix,
                 ibv_exp_ec_comp* comp) {
  return later(calc, comp, decoding(memory, erasures, matrix));
}
int update_sync(ibv_exp_ec_calc* calc, ibv_exp_ec_mem* memory, uint8_t* data, uint8_t* code) {
  return now(calc, updating(memory, data, code));
}
int update_async(ibv_exp_ec_calc* calc, ibv_exp_ec_mem* memory, uint8_t* data, uint8_t* code, ibv_exp_ec_comp* comp) {
  return later(calc, comp, updating(memory, data, code));
}

int poll(ibv_exp_ec_calc* calc, int count) { return ExpEcCalc::from(calc).real->poll(count); }

int post_each(const ibv_exp_ec_stripe* stripes, int count) {
  for (const ibv_exp_ec_stripe& stripe : std::span(stripes, static_cast<size_t>(count))) {
    ibv_send_wr* bad;
    if (const int error = ibv_post_send(stripe.qp, stripe.wr, &bad)) return error;
  }
  return 0;
}

/// Data blocks are on their way while the code blocks are calculated.
int encode_send(ibv_exp_ec_calc* calc, ibv_exp_ec_mem* memory, ibv_exp_ec_stripe* data, ibv_exp_ec_stripe* code) {
  EcCalculator& real = *ExpEcCalc::from(calc).real;
  int error = 0;
  const int status = now(calc, [&](EcCalculator& calculator) -> Work {
    auto work = calculator.encode(memory_of(*memory));
    if (work) error = post_each(data, real.k());
    if (error) return Error{error};
    return work;
  });
  return status ? status : said(post_each(code, real.m()));
}

}  // namespace

void overlay_erasure_coding(verbs_context_exp& table) {
  table.alloc_ec_calc = alloc;
  table.dealloc_ec_calc = dealloc;
  table.ec_encode_sync = encode_sync;
  table.ec_encode_async = encode_async;
  table.ec_decode_sync = decode_sync;
  table.ec_decode_async = decode_async;
  table.ec_update_sync = update_sync;
  table.ec_update_async = update_async;
  table.ec_poll = poll;
  table.ec_encode_send = encode_send;
}

}  // namespace vb::exp
