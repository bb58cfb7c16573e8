/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 35
 * break: registering a handler cannot fail
 * version: 4.14
 * before: `int ib_register_event_handler(h)`
 * after: `void`
 * here: always an int; as a statement both are the same
 */
#include "row.h"

static void on_event(struct ib_event_handler* handler, struct ib_event* event) {}
static int test(struct ib_device* device) {
  struct ib_event_handler handler;
  INIT_IB_EVENT_HANDLER(&handler, device, on_event);
#if AFTER(4, 14)
  ib_register_event_handler(&handler);
  ib_unregister_event_handler(&handler);
#else
  GOOD(ib_register_event_handler(&handler));
  GOOD(ib_unregister_event_handler(&handler));
#endif
  return 0;
}

ROW(test);
