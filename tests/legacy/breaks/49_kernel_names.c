/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 49
 * break: names of the kernel around verbs
 * version: 5.6
 * before: `file_operations` in `/proc`; before 3.10 `create_proc_entry`, `DECLARE_MUTEX`, `do_gettimeofday`, `random32`
 * after: `struct proc_ops`; `DEFINE_SEMAPHORE`, `ktime_get`, `get_random_u32`
 * here: by level
 */
#include <linux/proc_fs.h>
#include "row.h"
static ssize_t take(struct file* file, const char __user* text, size_t n, loff_t* at) { return n; }
#if AFTER(5, 6)
static const struct proc_ops ops = {.proc_write = take};
#else
static const struct file_operations ops = {.owner = THIS_MODULE, .write = take};
#ifdef WRONG
static const struct proc_ops wrong = {.proc_write = take};
#endif
#endif
static int test(struct ib_device* device) {
  struct proc_dir_entry* entry = proc_create("row49", 0644, NULL, &ops);
  CHECK(entry);
  remove_proc_entry("row49", NULL);
  return 0;
}

ROW(test);
