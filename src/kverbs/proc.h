/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KVERBS_PROC_ENTRIES_H
#define KVERBS_PROC_ENTRIES_H
#include <kverbs/proc.h>

/** The entry of this name ("krping", "driver/krping"), or NULL. Entries live until their module removes them. */
struct proc_dir_entry* kv_proc_find(const char* path);
/** The only entry that can be written, or NULL. */
struct proc_dir_entry* kv_proc_only(void);
/** One write of all of the text; what the module's function gives, or a negative errno. */
ssize_t kv_proc_write(struct proc_dir_entry* entry, const char* text, size_t length);
/** Reads all of it and hands it to `take` piece by piece. */
int kv_proc_read(struct proc_dir_entry* entry, void (*take)(const char* text, size_t length));

/** Sets the parameter `name` of the module whose parameters were added since `kv_params_begin`. */
void kv_params_begin(void);
int kv_param_set(const char* name, const char* value);

#endif
