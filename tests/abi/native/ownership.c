// SPDX-License-Identifier: BSD-2-Clause
// Calls every symbol of a door with an object that is not ours, and says which calls did not reach the mock library.
//   ownership ibverbs|rdmacm MOCK all|objects    objects: only where an argument tells whose it is
//   ownership ibverbs|rdmacm MOCK steps          instructions from a door's symbol to the library's
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

struct entry {
  const char* symbol;
  const char* version;
  int may_arrive;
};

#define MOCKED(symbol, version, may_arrive) {symbol, version, may_arrive},
static const struct entry ibverbs[] = {
#include "mock_ibverbs.def"
    {0}};
static const struct entry rdmacm[] = {
#include "mock_rdmacm.def"
    {0}};

// What decides in these is the option alone.
static const char* const without_object[] = {"rdma_create_event_channel", "rdma_create_ep",   "rdma_get_devices",
                                             "rdma_free_devices",         "rdma_getaddrinfo", "rdma_freeaddrinfo"};
// Our own entry point gives and takes back a list of its own, that ends in the library's.
static const char* const apart[] = {"ibv_get_device_list", "ibv_free_device_list"};

static const char* const without_argument[] = {"ibv_fork_init", "ibv_is_fork_initialized", "rdma_create_event_channel"};

static int among(const char* name, const char* const* names, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (strcmp(name, names[i]) == 0) return 1;
  }
  return 0;
}
#define AMONG(name, names) among(name, names, sizeof names / sizeof *names)

typedef long (*function)(void*, void*, void*, void*, void*, void*);
enum { ANSWER = 0x5ca1ab1e };

// Whatever it is taken for, a device, a context, an object of one, an event: its owner is itself, and nobody of ours.
static void* foreign[512];
static void* scratch[512];

static long call(function target) {
  memset(foreign, 0, sizeof foreign);
  foreign[0] = foreign;
  foreign[8] = foreign;  // what OFED has behind ibv_qp_init_attr
  return target(foreign, scratch, scratch, scratch, scratch, scratch);
}

static int wanted(const struct entry* entry, const char* which) {
  if (!entry->may_arrive || AMONG(entry->symbol, apart)) return 0;
  if (strcmp(which, "all") == 0) return 1;
  int is_rsocket = entry->symbol[0] == 'r' && strncmp(entry->symbol, "rdma_", 5) != 0;
  return !is_rsocket && !AMONG(entry->symbol, without_object);
}

static int call_all(const struct entry* entries, void* mock, const char* which) {
  int64_t* called = dlsym(mock, "mock_called");
  void** argument = dlsym(mock, "mock_argument");
  int count = 0, missed = 0;
  for (const struct entry* each = entries; each->symbol; ++each) {
    if (!wanted(each, which)) continue;
    function target = (function)dlvsym(RTLD_DEFAULT, each->symbol, each->version);
    *called = -1;
    int there = target && target != (function)dlvsym(mock, each->symbol, each->version);
    int answered = there && (int)call(target) == ANSWER;
    int private = strstr(each->version, "PRIVATE") != NULL;
    // An entry point that serves every private node asks the first that the library has.
    int right = *called >= 0 && strcmp(entries[*called].symbol, each->symbol) == 0 &&
                (private || strcmp(entries[*called].version, each->version) == 0);
    // Some take an int, of which the upper half means nothing.
    right &= (uint32_t)(uintptr_t)*argument == (uint32_t)(uintptr_t)foreign || AMONG(each->symbol, without_argument);
    if (!there || !right) printf("missed %s@%s (%d)\n", each->symbol, each->version, answered);
    missed += !there || !right;
    ++count;
  }
  printf("called %d\n", count);
  return missed != 0;
}

/// Steps a child through one call, from the door's symbol to the library's.
static int count_steps(const char* name, const char* version, void* mock) {
  function target = (function)dlvsym(RTLD_DEFAULT, name, version);
  uintptr_t end = (uintptr_t)dlvsym(mock, name, version);
  pid_t child = fork();
  if (child == 0) {
    call(target);  // binds the jump
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    call(target);
    _exit(0);
  }
  int status, steps = -1;
  struct user_regs_struct registers;
  waitpid(child, &status, 0);
  while (WIFSTOPPED(status)) {
    ptrace(PTRACE_GETREGS, child, NULL, &registers);
    if (registers.rip == (uintptr_t)target) steps = 0;
    if (registers.rip == end) break;
    steps += steps >= 0;
    ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
    waitpid(child, &status, 0);
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  printf("steps %s %d\n", name, steps);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  int verbs = strcmp(argv[1], "ibverbs") == 0;
  void* mock = dlopen(argv[2], RTLD_LAZY | RTLD_LOCAL);
  if (!mock) return puts(dlerror()), 2;
  if (strcmp(argv[3], "steps") != 0) return call_all(verbs ? ibverbs : rdmacm, mock, argv[3]);
  if (!verbs) return count_steps("rdma_disconnect", "RDMACM_1.0", mock);
  return count_steps("ibv_dealloc_pd", "IBVERBS_1.1", mock) || count_steps("ibv_modify_qp", "IBVERBS_1.1", mock);
}
