// SPDX-License-Identifier: BSD-2-Clause
// confine HOW PROGRAM...: runs a program where something is missing.
//   bare    /proc and /dev/shm are empty and cannot be written, as in a bare chroot
//   no-shm  /dev/shm is empty and cannot be written
//   no-vm   seccomp forbids process_vm_readv and process_vm_writev
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int empty(const char* directory) { return mount("none", directory, "tmpfs", MS_RDONLY, NULL); }

static int without_shared_memory(void) {
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return -1;
  return mount("none", "/dev/shm", "tmpfs", MS_RDONLY, "size=4k");
}

static int make_bare(void) { return without_shared_memory() != 0 ? -1 : empty("/proc"); }

static int forbid_process_vm(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_writev, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int confine(const char* how) {
  if (strcmp(how, "bare") == 0) return make_bare();
  return strcmp(how, "no-shm") == 0 ? without_shared_memory() : forbid_process_vm();
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  if (confine(argv[1]) != 0) {
    perror(argv[1]);
    return 77;
  }
  execv(argv[2], argv + 2);
  perror(argv[2]);
  return 2;
}
