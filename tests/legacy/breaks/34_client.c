/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 34
 * break: a client may refuse a device
 * version: 5.8
 * before: `void add(dev)`
 * after: `int add(dev)`; since 4.3 `remove(dev, data)`
 * here: by level
 */
#include "row.h"

static int added, removed;
static void* given;
static struct ib_client client;
#if AFTER(5, 8)
static int add(struct ib_device* device) {
  if (added++) return -EOPNOTSUPP;
  ib_set_client_data(device, &client, &added);
  return 0;
}
#else
static void add(struct ib_device* device) {
  added++;
  ib_set_client_data(device, &client, &added);
}
#endif
static void gone(struct ib_device* device, void* data) {
  removed++;
  given = data;
}
static struct ib_client client = {.name = "two", .add = add, .remove = gone};
static int test(struct ib_device* device) {
  GOOD(ib_register_client(&client));
  CHECK(added >= 1 && ib_get_client_data(device, &client) == &added);
  ib_unregister_client(&client);
  CHECK(given == &added && ib_get_client_data(device, &client) == NULL);
#if AFTER(5, 8)
  CHECK(removed == 1); /* those that it refused are not taken from it */
#else
  CHECK(removed == added);
#endif
  return 0;
}

ROW(test);
