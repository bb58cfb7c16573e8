/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries in /proc: files that only the runner opens. */
#include "proc.h"

#include <kverbs/memory.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct proc_dir_entry* entries;

static bool join(char* path, size_t size, const struct proc_dir_entry* parent, const char* name) {
  int n = snprintf(path, size, "%s%s%s", parent ? parent->path : "", parent ? "/" : "", name);
  return n >= 0 && (size_t)n < size;
}

struct proc_dir_entry* kv_proc_make(const char* name, struct proc_dir_entry* parent, const struct file_operations* ops,
                                    void* data, int directory) {
  struct proc_dir_entry* entry = calloc(1, sizeof *entry);
  if (!entry || !join(entry->path, sizeof entry->path, parent, name)) {
    free(entry);
    return NULL;
  }
  entry->data = data;
  entry->directory = directory;
  if (ops) entry->ops = *ops;
  pthread_mutex_lock(&lock);
  entry->next = entries;
  entries = entry;
  pthread_mutex_unlock(&lock);
  return entry;
}

/* Without a name the entry itself goes. */
void remove_proc_entry(const char* name, struct proc_dir_entry* parent) {
  char path[128];
  struct proc_dir_entry* found = NULL;
  if (name && !join(path, sizeof path, parent, name)) return;
  pthread_mutex_lock(&lock);
  for (struct proc_dir_entry** at = &entries; *at && !found; at = *at ? &(*at)->next : at) {
    if (name ? strcmp((*at)->path, path) != 0 : *at != parent) continue;
    found = *at;
    *at = found->next;
    break;
  }
  pthread_mutex_unlock(&lock);
  free(found);
}

struct proc_dir_entry* kv_proc_find(const char* path) {
  pthread_mutex_lock(&lock);
  struct proc_dir_entry* entry = entries;
  while (entry && strcmp(entry->path, path) != 0) entry = entry->next;
  pthread_mutex_unlock(&lock);
  return entry;
}

struct proc_dir_entry* kv_proc_only(void) {
  struct proc_dir_entry* only = NULL;
  int n = 0;
  pthread_mutex_lock(&lock);
  for (struct proc_dir_entry* entry = entries; entry; entry = entry->next) {
    if (!entry->ops.write && !entry->write_proc) continue;
    only = entry;
    n++;
  }
  pthread_mutex_unlock(&lock);
  return n == 1 ? only : NULL;
}

static int open_entry(struct proc_dir_entry* entry, struct inode* inode, struct file* file) {
  memset(file, 0, sizeof *file);
  inode->i_private = entry->data;
  file->f_inode = inode;
  return entry->ops.open ? entry->ops.open(inode, file) : 0;
}

ssize_t kv_proc_write(struct proc_dir_entry* entry, const char* text, size_t length) {
  struct inode inode;
  struct file file;
  int error = open_entry(entry, &inode, &file);
  if (error) return error;
  loff_t position = 0;
  ssize_t n = -EIO;
  if (entry->ops.write) {
    n = entry->ops.write(&file, text, length, &position);
  } else if (entry->write_proc) {
    n = entry->write_proc(&file, text, length, entry->data);
  }
  if (entry->ops.release) entry->ops.release(&inode, &file);
  return n;
}

static int read_by_page(struct proc_dir_entry* entry, void (*take)(const char*, size_t)) {
  char page[PAGE_SIZE];
  int eof = 0, n = 0;
  for (off_t offset = 0; !eof; offset += n) {
    char* start = NULL;
    n = entry->read_proc(page, &start, offset, (int)PAGE_SIZE, &eof, entry->data);
    if (n <= 0) break;
    /* Without *start the function has put everything from the beginning. */
    if (!start && n <= offset) break;
    const char* from = start ? start : page + offset;
    n = start ? n : n - (int)offset;
    take(from, (size_t)n);
  }
  return n < 0 ? n : 0;
}

int kv_proc_read(struct proc_dir_entry* entry, void (*take)(const char*, size_t)) {
  char text[4096];
  struct inode inode;
  struct file file;
  if (entry->read_proc) return read_by_page(entry, take);
  if (!entry->ops.read) return -EIO;
  int error = open_entry(entry, &inode, &file);
  if (error) return error;
  loff_t position = 0;
  ssize_t n;
  while ((n = entry->ops.read(&file, text, sizeof text, &position)) > 0) take(text, (size_t)n);
  if (entry->ops.release) entry->ops.release(&inode, &file);
  return (int)n;
}

/* Text that a function prints once, when it is first read. */
int single_open(struct file* file, int (*show)(struct seq_file*, void*), void* data) {
  struct seq_file* m = calloc(1, sizeof *m);
  if (!m) return -ENOMEM;
  m->show = show;
  m->private = data;
  file->private_data = m;
  return 0;
}

int single_release(struct inode* inode, struct file* file) {
  struct seq_file* m = file->private_data;
  (void)inode;
  free(m->buf);
  free(m);
  return 0;
}

static int append(struct seq_file* m, const char* text, size_t n) {
  if (m->count + n > m->size) {
    size_t size = max(m->size * 2, m->count + n + 1024);
    char* larger = realloc(m->buf, size);
    if (!larger) return -1;
    m->buf = larger;
    m->size = size;
  }
  memcpy(m->buf + m->count, text, n);
  m->count += n;
  return 0;
}

int seq_puts(struct seq_file* m, const char* text) { return append(m, text, strlen(text)); }
int seq_putc(struct seq_file* m, char c) { return append(m, &c, 1); }

int seq_printf(struct seq_file* m, const char* format, ...) {
  char text[4096];
  va_list arguments;
  va_start(arguments, format);
  int n = kv_vscnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return append(m, text, (size_t)n);
}

ssize_t seq_read(struct file* file, char* buffer, size_t size, loff_t* position) {
  struct seq_file* m = file->private_data;
  if (m->show) {
    int error = m->show(m, m->private);
    m->show = NULL;
    if (error) return error;
  }
  size_t n = min(size, m->count - min(m->count, (size_t)*position));
  memcpy(buffer, m->buf + *position, n);
  *position += (loff_t)n;
  return (ssize_t)n;
}

loff_t seq_lseek(struct file* file, loff_t offset, int whence) {
  if (whence != SEEK_SET) return -EINVAL;
  return file->f_pos = offset;
}
