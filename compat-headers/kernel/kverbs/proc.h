/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries in /proc, written and read by the runner's commands. */
#ifndef KVERBS_PROC_H
#define KVERBS_PROC_H
#include <kverbs/module.h>

struct inode {
  void* i_private;
};
struct file {
  void* private_data;
  loff_t f_pos;
  unsigned int f_flags;
  struct inode* f_inode;
};
#define file_inode(file) ((file)->f_inode)

struct file_operations {
  struct module* owner;
  loff_t (*llseek)(struct file*, loff_t, int);
  ssize_t (*read)(struct file*, char*, size_t, loff_t*);
  ssize_t (*write)(struct file*, const char*, size_t, loff_t*);
  int (*open)(struct inode*, struct file*);
  int (*release)(struct inode*, struct file*);
};
#if KV_SINCE(5, 6, 0)
struct proc_ops {
  unsigned int proc_flags;
  int (*proc_open)(struct inode*, struct file*);
  ssize_t (*proc_read)(struct file*, char*, size_t, loff_t*);
  ssize_t (*proc_write)(struct file*, const char*, size_t, loff_t*);
  loff_t (*proc_lseek)(struct file*, loff_t, int);
  int (*proc_release)(struct inode*, struct file*);
};
#endif

struct proc_dir_entry {
  struct module* owner;
  void* data;
  int (*read_proc)(char* page, char** start, off_t offset, int count, int* eof, void* data);
  int (*write_proc)(struct file* file, const char* buffer, unsigned long count, void* data);
  struct file_operations ops; /* what follows is the library's */
  char path[128];
  int directory;
  struct proc_dir_entry* next;
};
struct proc_dir_entry* kv_proc_make(const char* name, struct proc_dir_entry* parent, const struct file_operations* ops,
                                    void* data, int directory);
void remove_proc_entry(const char* name, struct proc_dir_entry* parent) KV_SYMBOL(remove_proc_entry);
#define proc_remove(entry) remove_proc_entry(NULL, entry)
#define proc_mkdir(name, parent) kv_proc_make(name, parent, NULL, NULL, 1)
#if KV_UNTIL(3, 10, 0)
#define create_proc_entry(name, mode, parent) ((void)(mode), kv_proc_make(name, parent, NULL, NULL, 0))
#endif
#if KV_SINCE(5, 6, 0)
static inline struct proc_dir_entry* kv_proc_create(const char* name, struct proc_dir_entry* parent,
                                                    const struct proc_ops* ops, void* data) {
  struct file_operations same;
  memset(&same, 0, sizeof same);
  same.llseek = ops->proc_lseek;
  same.read = ops->proc_read;
  same.write = ops->proc_write;
  same.open = ops->proc_open;
  same.release = ops->proc_release;
  return kv_proc_make(name, parent, &same, data, 0);
}
#else
#define kv_proc_create(name, parent, ops, data) kv_proc_make(name, parent, ops, data, 0)
#endif
#define proc_create(name, mode, parent, ops) ((void)(mode), kv_proc_create(name, parent, ops, NULL))
#define proc_create_data(name, mode, parent, ops, data) ((void)(mode), kv_proc_create(name, parent, ops, data))
#define PDE_DATA(inode) ((inode)->i_private)
#define pde_data(inode) ((inode)->i_private)

struct seq_operations;
struct seq_file {
  char* buf;
  size_t size, count, from;
  void* private;
  int (*show)(struct seq_file*, void*);
};
int seq_printf(struct seq_file* m, const char* format, ...) KV_SYMBOL(seq_printf) __printf(2, 3);
int seq_puts(struct seq_file* m, const char* text) KV_SYMBOL(seq_puts);
int seq_putc(struct seq_file* m, char c) KV_SYMBOL(seq_putc);
ssize_t seq_read(struct file* file, char* buffer, size_t size, loff_t* position) KV_SYMBOL(seq_read);
loff_t seq_lseek(struct file* file, loff_t offset, int whence) KV_SYMBOL(seq_lseek);
int single_open(struct file* file, int (*show)(struct seq_file*, void*), void* data) KV_SYMBOL(single_open);
int single_release(struct inode* inode, struct file* file) KV_SYMBOL(single_release);

#endif
