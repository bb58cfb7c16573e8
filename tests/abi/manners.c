// SPDX-License-Identifier: BSD-2-Clause
// A program with habits of its own: it ends from a thread or a handler, cleans up after exit() has begun, counts its
// environment and descriptors. Its queue pair is connected to itself. Exits with 0, or the status a mode asks for.
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
      _exit(99);                                                                \
    }                                                                           \
  } while (0)

extern char** environ;

static struct ibv_context* context;
static struct ibv_pd* pd;
static struct ibv_mr* mr;
static struct ibv_comp_channel* channel;
static struct ibv_cq* cq;
static struct ibv_qp* qp;
static char memory[4096];

static void connect_to_itself(void) {
  union ibv_gid gid;
  CHECK(ibv_query_gid(context, 1, 1, &gid) == 0);
  struct ibv_qp_attr init = {.qp_state = IBV_QPS_INIT, .port_num = 1, .qp_access_flags = IBV_ACCESS_REMOTE_WRITE};
  CHECK(ibv_modify_qp(qp, &init, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS) == 0);
  struct ibv_qp_attr rtr = {.qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_1024, .dest_qp_num = qp->qp_num};
  rtr.max_dest_rd_atomic = 1;
  rtr.ah_attr = (struct ibv_ah_attr){.is_global = 1, .port_num = 1, .grh = {.dgid = gid, .sgid_index = 1}};
  CHECK(ibv_modify_qp(qp, &rtr,
                      IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                          IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER) == 0);
  struct ibv_qp_attr rts = {.qp_state = IBV_QPS_RTS, .timeout = 14, .retry_cnt = 7, .max_rd_atomic = 1};
  CHECK(ibv_modify_qp(qp, &rts,
                      IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                          IBV_QP_MAX_QP_RD_ATOMIC) == 0);
}

static void open_all(void) {
  struct ibv_device** list = ibv_get_device_list(NULL);
  CHECK(list && list[0] && (context = ibv_open_device(list[0])));
  ibv_free_device_list(list);
  CHECK((pd = ibv_alloc_pd(context)));
  CHECK((mr = ibv_reg_mr(pd, memory, sizeof memory, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)));
  CHECK((channel = ibv_create_comp_channel(context)));
  CHECK((cq = ibv_create_cq(context, 16, NULL, channel, 0)));
  struct ibv_qp_init_attr init = {.send_cq = cq, .recv_cq = cq, .qp_type = IBV_QPT_RC, .sq_sig_all = 1};
  init.cap = (struct ibv_qp_cap){.max_send_wr = 8, .max_recv_wr = 8, .max_send_sge = 1, .max_recv_sge = 1};
  CHECK((qp = ibv_create_qp(pd, &init)));
  connect_to_itself();
}

static void write_once(void) {
  struct ibv_sge sge = {(uintptr_t)memory, 64, mr->lkey};
  struct ibv_send_wr wr = {.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_RDMA_WRITE}, *bad;
  wr.wr.rdma.remote_addr = (uintptr_t)memory + 1024;
  wr.wr.rdma.rkey = mr->rkey;
  struct ibv_wc wc;
  CHECK(ibv_post_send(qp, &wr, &bad) == 0);
  int got;
  while ((got = ibv_poll_cq(cq, 1, &wc)) == 0) {
  }
  CHECK(got == 1 && wc.status == IBV_WC_SUCCESS);
}

static void close_all(void) {
  CHECK(ibv_destroy_qp(qp) == 0 && ibv_destroy_cq(cq) == 0 && ibv_destroy_comp_channel(channel) == 0);
  CHECK(ibv_dereg_mr(mr) == 0 && ibv_dealloc_pd(pd) == 0 && ibv_close_device(context) == 0);
}

// --- ends ------------------------------------------------------------------------------------------------------

static atomic_int under_way;

static void* write_for_ever(void* unused) {
  for (;;) {
    write_once();
    under_way = 1;
  }
  return unused;
}

static void* end_the_program(void* unused) {
  while (!under_way) sched_yield();
  exit(7);
  return unused;
}

/// exit() in a thread, while another one works.
static void exit_in_thread(void) {
  pthread_t ender;
  open_all();
  CHECK(pthread_create(&ender, NULL, end_the_program, NULL) == 0);
  write_for_ever(NULL);
}

static void end_in_handler(int signal) { exit(signal == SIGUSR1 ? 8 : 99); }

static void* send_the_signal(void* worker) {
  while (!under_way) sched_yield();
  pthread_kill(*(pthread_t*)worker, SIGUSR1);
  return NULL;
}

/// exit() in a handler that interrupts a call, as programs do that are told to end.
static void exit_in_handler(void) {
  pthread_t self = pthread_self(), sender;
  open_all();
  struct sigaction action = {.sa_handler = end_in_handler};
  sigaction(SIGUSR1, &action, NULL);
  CHECK(pthread_create(&sender, NULL, send_the_signal, &self) == 0);
  write_for_ever(NULL);
}

static void clean_up_late(void) {
  close_all();
  puts("cleaned up");
}

/// What was registered before the library's own handler runs after it.
static void destroy_at_exit(void) {
  atexit(clean_up_late);
  open_all();
  write_once();
  exit(0);
}

static int destroy_last;

/// Static destructors run when all handlers of atexit have.
__attribute__((destructor)) static void clean_up_last(void) {
  if (destroy_last) clean_up_late();
}

static void destroy_in_destructor(void) {
  destroy_last = 1;
  open_all();
  write_once();
  exit(0);
}

// --- what does not change --------------------------------------------------------------------------------------

/// Descriptors that a program started by exec would have.
static int inherited(void) {
  DIR* directory = opendir("/proc/self/fd");
  int count = 0;
  for (struct dirent* entry; (entry = readdir(directory));) {
    int flags = entry->d_name[0] == '.' ? FD_CLOEXEC : fcntl(atoi(entry->d_name), F_GETFD);
    if (!(flags & FD_CLOEXEC)) ++count;
  }
  closedir(directory);
  return count;
}

static size_t environment(char* text, size_t size) {
  size_t used = 0;
  for (char** each = environ; *each; ++each) used += (size_t)snprintf(text + used, size - used, "%s\n", *each);
  return used;
}

static void leave_no_trace(void) {
  static char before[1 << 16], after[1 << 16];
  struct sigaction actions[32], action;
  sigset_t mask, mask_after;
  for (int i = 1; i < 32; ++i) sigaction(i, NULL, &actions[i]);
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  environment(before, sizeof before);
  int fds = inherited();
  open_all();
  write_once();
  environment(after, sizeof after);
  CHECK(strcmp(before, after) == 0);
  pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
  for (int i = 1; i < 32; ++i) {
    CHECK(sigismember(&mask, i) == sigismember(&mask_after, i));
    CHECK(sigaction(i, NULL, &action) != 0 || action.sa_handler == actions[i].sa_handler);
  }
  printf("inherited %d more\n", inherited() - fds);
  close_all();
}

// --- signals ---------------------------------------------------------------------------------------------------

static atomic_int handled_by;

static void note(int signal) {
  (void)signal;
  handled_by = gettid();
}

static void* signal_the_process(void* worker) {
  char path[64], line[64], wanted[16];
  snprintf(path, sizeof path, "/proc/self/task/%d/syscall", *(int*)worker);
  snprintf(wanted, sizeof wanted, "%d ", SYS_read);
  do {
    FILE* file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file)) line[0] = '\0';
    if (file) fclose(file);
  } while (strncmp(line, wanted, strlen(wanted)) != 0);
  // This thread must not take it.
  kill(getpid(), SIGUSR1);
  return NULL;
}

/// A signal to the process is the program's to handle, and ends a call that waits.
static void be_interrupted(void) {
  open_all();
  write_once();
  struct sigaction action = {.sa_handler = note};
  sigaction(SIGUSR1, &action, NULL);
  sigset_t usr1, old;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  int worker = gettid();
  pthread_t sender;
  pthread_sigmask(SIG_BLOCK, &usr1, &old);
  CHECK(pthread_create(&sender, NULL, signal_the_process, &worker) == 0);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  struct ibv_cq* which;
  void* own;
  CHECK(ibv_get_cq_event(channel, &which, &own) == -1 && errno == EINTR);
  CHECK(handled_by == worker);
  pthread_join(sender, NULL);
  close_all();
}

/// A program started by a child of one that uses the library.
static void fork_and_exec(const char* self) {
  open_all();
  write_once();
  pid_t child = fork();
  if (child == 0) {
    execl(self, self, "plain", NULL);
    _exit(98);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  write_once();
  close_all();
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "plain";
  if (strcmp(mode, "exit-in-thread") == 0) exit_in_thread();
  if (strcmp(mode, "exit-in-handler") == 0) exit_in_handler();
  if (strcmp(mode, "destroy-at-exit") == 0) destroy_at_exit();
  if (strcmp(mode, "destroy-in-destructor") == 0) destroy_in_destructor();
  if (strcmp(mode, "no-trace") == 0) return leave_no_trace(), 0;
  if (strcmp(mode, "interrupted") == 0) return be_interrupted(), 0;
  if (strcmp(mode, "fork-exec") == 0) return fork_and_exec(argv[0]), 0;
  open_all();
  write_once();
  close_all();
  return 0;
}
