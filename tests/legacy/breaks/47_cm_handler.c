/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 47
 * break: handlers of the InfiniBand CM
 * version: 4.20
 * before: `int handler(struct ib_cm_id *, struct ib_cm_event *)`
 * after: `int handler(struct ib_cm_id *, const struct ib_cm_event *)`
 * here: by level
 */
#include "service.h"

#if AFTER(4, 20) == defined(WRONG)
#define WANTED
#else
#define WANTED const
#endif
static int typed(struct ib_cm_id* id, WANTED struct ib_cm_event* event) { return on_event(id, (void*)event); }

/* Refused, and the identifier ends with its handler. */
static int asked(struct ib_cm_id* id, const struct ib_cm_event* event) {
  int error = ib_send_cm_rej(id, IB_CM_REJ_NO_RESOURCES, NULL, 0, "full", 5);
  return error ? error : 1;
}

static int answered(struct ib_cm_id* id, const struct ib_cm_event* event) { return -EINVAL; }

static int test(struct ib_device* device) {
  struct ib_cm_id *listener = ib_create_cm_id(device, typed, NULL), *id;
  CHECK(!IS_ERR(listener));
  GOOD(ib_cm_listen(listener, SERVICE, 0));
  CHECK(listener->state == IB_CM_LISTEN);
  id = request(device, 1, NULL);
  CHECK(!IS_ERR(id));
  GOOD(wait_for(IB_CM_REJ_RECEIVED));
  GOOD(wait_for(IB_CM_REQ_RECEIVED)); /* counted when the handler is done, by another thread */
  CHECK(reason == IB_CM_REJ_NO_RESOURCES && strcmp(told, "full") == 0 && happened[IB_CM_REQ_RECEIVED] == 1);
  ib_destroy_cm_id(id);
  ib_destroy_cm_id(listener);
  happened[IB_CM_REJ_RECEIVED] = 0;
  id = request(device, 1, NULL); /* nobody listens any more */
  CHECK(!IS_ERR(id));
  GOOD(wait_for(IB_CM_REJ_RECEIVED));
  CHECK(reason == IB_CM_REJ_INVALID_SERVICE_ID);
  ib_destroy_cm_id(id);
  return 0;
}

ROW(test);
