// SPDX-License-Identifier: BSD-2-Clause
// The table itself: every function starts as missing, what works is laid over.
#include "exp/door.h"

namespace vb::exp {
namespace {

static_assert(sizeof(verbs_context_exp) == kExperimentalTableSize);

/// Sets a slot to a function that fails as the inline functions of verbs_exp.h do without one: ENOSYS.
template <Name kName, class Value, class... Args>
void set_missing(Value (*&slot)(Args...)) {
  slot = [](Args...) -> Value {
    static std::atomic<bool> done{false};
    log_once(done, LogLevel::warn, "%s is not supported (ENOSYS)", kName.value);
    errno = ENOSYS;
    if constexpr (std::is_pointer_v<Value>) {
      return nullptr;
    } else if constexpr (!std::is_void_v<Value>) {
      return static_cast<Value>(ENOSYS);
    }
  };
}

void start_missing(verbs_context_exp& table) {
#define VB_EXP_SLOT(name, status, note) set_missing<"verbs_context_exp." #name>(table.name);
#include "abi/exp.def"
#undef VB_EXP_SLOT
}

/// Flow steering stands in slots of their verbs_context that are placeholders in ours, and the other way round: a
/// program of either kind finds a function.
template <class Function>
void double_slot(void (*&slot)(), Function function) {
  slot = reinterpret_cast<void (*)()>(function);
}

}  // namespace
}  // namespace vb::exp

void vb::door::fill_experimental(Context& context) {
  auto& table = *new (context.experimental) verbs_context_exp{};
  exp::start_missing(table);
  exp::overlay_cqs(table);
  exp::overlay_dcts(table);
  exp::overlay_device(table);
  exp::overlay_device_memory(table);
  exp::overlay_environment(table);
  exp::overlay_erasure_coding(table);
  exp::overlay_flows(table);
  exp::overlay_interfaces(table);
  exp::overlay_posting(table);
  exp::overlay_qps(table);
  exp::overlay_regions(table);
  exp::overlay_srqs(table);
  exp::overlay_umr(table);
  exp::overlay_work_queues(table);
  table.sz = sizeof table;
  context.abi._ABI_placeholder3 |= VERBS_CONTEXT_EXP;
  exp::double_slot(context.abi.ABI_placeholder1, context.abi.ibv_create_flow);
  exp::double_slot(context.abi.ABI_placeholder2, context.abi.ibv_destroy_flow);
}
