// SPDX-License-Identifier: BSD-2-Clause
// The environment that a context may have of its own, and resource domains.
#include <cstdlib>
#include <cstring>

#include "exp/door.h"

namespace vb::exp {
namespace {

verbs_context_exp& table_of(ibv_context* context) {
  return *reinterpret_cast<verbs_context_exp*>(Context::from(context).experimental);
}

/// Says that a context has an environment of its own. It holds settings of a hardware's driver; nothing reads it here.
verbs_environment private_environment{};

int use_private_environment(ibv_context* context) {
  table_of(context).venv = &private_environment;
  return 0;
}

/// As setenv(3), into the process's environment or, from ibv_exp_use_priv_env on, into the context's own.
int set_environment(ibv_context* context, const char* name, const char* value, int overwrite) {
  if (!table_of(context).venv) return setenv(name, value, overwrite);
  if (name && *name && !std::strchr(name, '=') && value) return 0;
  errno = EINVAL;
  return -1;
}

Result<ResDomain*> make_domain(Context& context, const ibv_exp_res_domain_init_attr& attr) {
  const auto has = [&](uint32_t bit) { return (attr.comp_mask & bit) != 0; };
  const bool fits = !has(~uint32_t{IBV_EXP_RES_DOMAIN_RESERVED - 1}) &&
                    !(has(IBV_EXP_RES_DOMAIN_THREAD_MODEL) && attr.thread_model > IBV_EXP_THREAD_SINGLE) &&
                    !(has(IBV_EXP_RES_DOMAIN_MSG_MODEL) && attr.msg_model > IBV_EXP_MSG_FORCE_LOW_LATENCY);
  if (!fits) return Error{EINVAL};
  auto* domain = new ResDomain;
  domain->abi.context = &context.abi.context;
  ++context.uses;
  return domain;
}

ibv_exp_res_domain* create_domain(ibv_context* context, ibv_exp_res_domain_init_attr* attr) {
  return pointer_entry([&] { return make_domain(Context::from(context), *attr); });
}

int destroy_domain(ibv_context*, ibv_exp_res_domain* domain, ibv_exp_destroy_res_domain_attr* attr) {
  if (attr && attr->comp_mask) return errno = EINVAL;
  ResDomain& own = ResDomain::from(domain);
  if (own.reference.use_count() > 1) return errno = EBUSY;
  Context& context = Context::from(own.abi.context);
  delete &own;
  release(context);
  return 0;
}

}  // namespace

void overlay_environment(verbs_context_exp& table) {
  table.lib_exp_use_priv_env = use_private_environment;
  table.lib_exp_setenv = set_environment;
  table.exp_create_res_domain = create_domain;
  table.exp_destroy_res_domain = destroy_domain;
}

}  // namespace vb::exp
