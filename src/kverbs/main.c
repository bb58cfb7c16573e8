/* SPDX-License-Identifier: BSD-2-Clause */
/* verbatim-kmod run MODULE.so [param=value...] [MODULE.so ...]   runs modules, with commands on the standard input */
#include <dlfcn.h>
#include <fcntl.h>

#include "proc.h"
#include "thread.h"

enum { kMostModules = 512, kUsage = 2 };

struct loaded {
  const char* path;
  void* object;
  int (*init)(void);
  void (*exit)(void);
  bool running;
};

static struct loaded modules[kMostModules];
static int module_count;

static int usage(void) {
  fprintf(stderr,
          "usage: verbatim-kmod run MODULE.so [PARAMETER=VALUE...] [MODULE.so ...]\n"
          "Then, line by line on the standard input:\n"
          "  echo TEXT > /proc/NAME    writes the text to an entry that a module made\n"
          "  cat /proc/NAME            shows what an entry says\n"
          "  TEXT                      writes to the only entry that can be written\n"
          "  # TEXT                    does nothing\n"
          "The modules end with the input. See verbatim-kmod(1).\n");
  return kUsage;
}

/* The symbols belong to each module alone: two may have the same names. */
static int load(const char* path) {
  struct loaded* module = &modules[module_count];
  char local[4096];
  if (module_count == kMostModules) return -E2BIG;
  snprintf(local, sizeof local, "%s%s", strchr(path, '/') ? "" : "./", path);
  kv_params_begin();
  module->path = path;
  module->object = dlopen(local, RTLD_NOW | RTLD_LOCAL);
  if (!module->object) {
    fprintf(stderr, "verbatim-kmod: %s\n", dlerror());
    return -ENOENT;
  }
  module->init = (int (*)(void))dlsym(module->object, "init_module");
  module->exit = (void (*)(void))dlsym(module->object, "cleanup_module");
  module_count++;
  return 0;
}

static int set_parameter(const char* path, char* setting) {
  char* value = strchr(setting, '=');
  *value++ = 0;
  int error = kv_param_set(setting, value);
  if (!error) return 0;
  const char* why = error == -ENOENT ? "it has no such parameter" : strerror(-error);
  fprintf(stderr, "verbatim-kmod: %s: %s=%s: %s\n", path, setting, value, why);
  return error;
}

static int start(struct loaded* module) {
  int error = module->init ? module->init() : 0;
  module->running = error == 0;
  if (error) fprintf(stderr, "verbatim-kmod: %s: could not start: %s\n", module->path, strerror(-error));
  return error;
}

static void stop_all(void) {
  while (module_count > 0) {
    struct loaded* module = &modules[--module_count];
    if (module->running && module->exit) module->exit();
  }
}

static void show(const char* text, size_t length) { fwrite(text, 1, length, stdout); }

static struct proc_dir_entry* entry_of(const char* path) {
  struct proc_dir_entry* entry = strncmp(path, "/proc/", 6) == 0 ? kv_proc_find(path + 6) : NULL;
  if (!entry) fprintf(stderr, "verbatim-kmod: %s: no module made it\n", path);
  return entry;
}

/* Text in quotes loses them, as in a shell. */
static char* unquoted(char* text) {
  size_t n = strlen(text);
  if (n < 2 || (text[0] != '"' && text[0] != '\'') || text[n - 1] != text[0]) return text;
  text[n - 1] = 0;
  return text + 1;
}

static int write_entry(struct proc_dir_entry* entry, const char* text) {
  char line[8192];
  int n = snprintf(line, sizeof line, "%s\n", text);
  ssize_t written = kv_proc_write(entry, line, (size_t)min(n, (int)sizeof line - 1));
  if (written >= 0) return 0;
  fprintf(stderr, "verbatim-kmod: /proc/%s: %s\n", entry->path,
          written == -ERESTARTSYS ? "interrupted" : strerror((int)-written));
  return (int)written;
}

static int execute(char* line) {
  line = strim(line);
  if (!*line || *line == '#') return 0;
  if (strncmp(line, "cat ", 4) == 0) {
    struct proc_dir_entry* entry = entry_of(strim(line + 4));
    return entry ? kv_proc_read(entry, show) : -ENOENT;
  }
  char* target = strncmp(line, "echo ", 5) == 0 ? strrchr(line, '>') : NULL;
  struct proc_dir_entry* entry = target ? entry_of(strim(target + 1)) : kv_proc_only();
  if (target) *target = 0;
  if (entry) return write_entry(entry, target ? unquoted(strim(line + 5)) : line);
  if (!target) fprintf(stderr, "verbatim-kmod: '%s': no single entry in /proc to write it to\n", line);
  return -ENOENT;
}

static struct task_struct* main_task;

/* The first ^C interrupts the command that runs; it is the module's to notice. */
static void* serve_signals(void* unused) {
  sigset_t set;
  int number;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  while (sigwait(&set, &number) == 0) {
    if (number == SIGTERM || signal_pending(main_task)) _exit(128 + number);
    kv_signal(main_task);
  }
  return unused;
}

static void watch_signals(void) {
  sigset_t set;
  pthread_t thread;
  main_task = current;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (kv_start_thread(&thread, serve_signals, NULL) == 0) pthread_detach(thread);
}

static int execute_all(void) {
  char* line = NULL;
  size_t size = 0;
  int failed = 0;
  while (getline(&line, &size, stdin) >= 0) {
    if (execute(line)) failed = 1;
    fflush(stdout);
    flush_signals(main_task);
  }
  free(line);
  return failed;
}

int main(int argc, char** argv) {
  int error = 0, n = 2, failed;
  if (argc < 3 || strcmp(argv[1], "run") != 0 || strchr(argv[2], '=')) return usage();
  watch_signals();
  while (n < argc && !error) {
    const char* path = argv[n++];
    error = load(path);
    for (; !error && n < argc && strchr(argv[n], '='); n++) error = set_parameter(path, argv[n]);
    if (!error) error = start(&modules[module_count - 1]);
  }
  failed = error ? 1 : execute_all();
  stop_all();
  fflush(stdout);
  exit(failed);
}
