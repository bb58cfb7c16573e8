// SPDX-License-Identifier: BSD-2-Clause
// rdma_resolve_addrinfo: a look-up that ends in an event. And events of the program's own making.
#include <csignal>
#include <cstring>
#include <optional>
#include <string>

#include "addrinfo.h"
#include "door.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

namespace {

struct FreeAll {
  void operator()(rdma_addrinfo* info) const { free_all(info); }
};
using Owned = std::unique_ptr<rdma_addrinfo, FreeAll>;

/// What a look-up needs while the program goes on.
struct Lookup {
  std::shared_ptr<cm::Identifier> asker;
  std::optional<std::string> node, service;
  Owned hints;
};

const char* text(const std::optional<std::string>& value) { return value ? value->c_str() : nullptr; }

cm::Event look_up(const Lookup& lookup) {
  rdma_addrinfo* result = nullptr;
  Outcome outcome = resolve_names(text(lookup.node), text(lookup.service), lookup.hints.get(), &result);
  cm::Event event;
  event.kind = outcome.code == 0 ? cm::Kind::kAddrinfoResolved : cm::Kind::kAddrinfoError;
  event.status = outcome.code == -1 ? -outcome.error : outcome.code;
  if (result) event.subject = std::shared_ptr<rdma_addrinfo>(result, FreeAll());
  return event;
}

/// A name server may take its time: nobody else waits for it. An identifier that was closed meanwhile hears nothing.
void* look_up_in_thread(void* argument) {
  std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(argument));
  (void)guarded([&]() -> Result<void> {
    lookup->asker->post(look_up(*lookup));
    return {};
  });
  return nullptr;
}

/// With all signals blocked, because they are for the program's threads.
Result<void> start(std::unique_ptr<Lookup> lookup) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  int error = pthread_create(&thread, &detached, look_up_in_thread, lookup.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&detached);
  if (error) return Error{error};
  static_cast<void>(lookup.release());
  return {};
}

/// A subnet administrator is asked for nothing here: there is no subnet.
Result<void> check_sources(int flags) {
  if ((flags & RAI_SA) && (flags & RAI_DNS)) return Error{EINVAL};
  if (flags & RAI_SA) return Error{EOPNOTSUPP};
  return {};
}

Result<void> resolve_addrinfo(Id& id, const char* node, const char* service, const rdma_addrinfo* hints) {
  if (!node && !service && !hints) return Error{EINVAL};
  auto lookup = std::make_unique<Lookup>();
  lookup->asker = id.protocol;
  if (node) lookup->node = node;
  if (service) lookup->service = service;
  if (hints) {
    if (auto fine = check_sources(hints->ai_flags); !fine) return fine;
    lookup->hints.reset(copy_info(*hints));
    if (!lookup->hints) return Error{ENOMEM};
    lookup->hints->ai_flags &= ~(RAI_SA | RAI_DNS);
  }
  return start(std::move(lookup));
}

Result<void> query_addrinfo(Id& id, rdma_addrinfo*& info) {
  std::lock_guard guard(id.found_lock);
  if (!id.found) return Error{ENODATA};
  Owned first;
  rdma_addrinfo** end = nullptr;
  for (const rdma_addrinfo* each = id.found.get(); each; each = each->ai_next) {
    rdma_addrinfo* copy = copy_info(*each);
    if (!copy) return Error{ENOMEM};
    if (end) *end = copy;
    if (!first) first.reset(copy);
    end = &copy->ai_next;
  }
  info = first.release();
  return {};
}

Result<void> write_event(Id& id, rdma_cm_event_type type, int status, uint64_t argument) {
  if (type != RDMA_CM_EVENT_USER) return Error{EINVAL};
  cm::Event event;
  event.kind = cm::Kind::kUser;
  event.status = status;
  memcpy(event.data.data(), &argument, sizeof argument);
  event.data_size = sizeof argument;
  id.protocol->post(std::move(event));
  return {};
}

}  // namespace

}  // namespace vb::door

VB_DOOR int rdma_resolve_addrinfo(rdma_cm_id* id, const char* node, const char* service, const rdma_addrinfo* hints) {
  if (!ours(id)) return native_rdma_resolve_addrinfo(id, node, service, hints);
  auto begun = guarded([&] { return resolve_addrinfo(Id::from(id), node, service, hints); });
  return as_minus_one(begun ? complete(Id::from(id)) : begun);
}

VB_DOOR int rdma_query_addrinfo(rdma_cm_id* id, rdma_addrinfo** info) {
  if (!ours(id)) return native_rdma_query_addrinfo(id, info);
  return minus_one_entry([&] { return query_addrinfo(Id::from(id), *info); });
}

VB_DOOR int rdma_write_cm_event(rdma_cm_id* id, rdma_cm_event_type event, int status, uint64_t arg) {
  if (!ours(id)) return native_rdma_write_cm_event(id, event, status, arg);
  return minus_one_entry([&] { return write_event(Id::from(id), event, status, arg); });
}
