/* SPDX-License-Identifier: BSD-2-Clause */
/* Parameters of every type, an entry that says what they are and takes text, and a command that ^C interrupts. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/wait.h>

static int number = 1;
module_param(number, int, 0444);
static unsigned short small = 2;
module_param(small, ushort, 0444);
static bool flag;
module_param(flag, bool, 0444);
static char* text = "none";
module_param(text, charp, 0444);
static int list[4];
static unsigned int listed;
module_param_array(list, int, &listed, 0444);
static char name[8] = "short";
module_param_string(name, name, sizeof name, 0444);

static DECLARE_WAIT_QUEUE_HEAD(never);
static char written[64];

static int show(struct seq_file* m, void* unused) {
  unsigned int i;
  seq_printf(m, "number=%d small=%u flag=%d text=%s name=%s written=%s list=", number, small, flag, text, name,
             written);
  for (i = 0; i < listed; i++) seq_printf(m, "%d;", list[i]);
  seq_puts(m, "\n");
  return 0;
}

static int open_entry(struct inode* inode, struct file* file) { return single_open(file, show, NULL); }

static ssize_t take(struct file* file, const char __user* from, size_t n, loff_t* at) {
  if (n >= sizeof written) return -EINVAL;
  if (strncmp(from, "sleep", 5) == 0) {
    printk(KERN_INFO "asleep\n");
    return wait_event_interruptible(never, 0);
  }
  memcpy(written, from, n);
  written[n - 1] = 0; /* the newline */
  return n;
}

static const struct proc_ops ops = {.proc_open = open_entry,
                                    .proc_read = seq_read,
                                    .proc_lseek = seq_lseek,
                                    .proc_release = single_release,
                                    .proc_write = take};

static int __init params_init(void) { return proc_create("params", 0644, NULL, &ops) ? 0 : -ENOMEM; }
static void __exit params_exit(void) {
  remove_proc_entry("params", NULL);
  pr_info("gone\n");
}
module_init(params_init);
module_exit(params_exit);
MODULE_LICENSE("Dual BSD/GPL");
