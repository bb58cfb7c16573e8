// SPDX-License-Identifier: BSD-2-Clause
// all_to_all: N processes connect each to each other (N * (N - 1) queue pair ends) and exchange data by SEND, RDMA
// WRITE and RDMA READ, several sizes, several rounds; every byte is checked. Plain libibverbs.
//
//   all_to_all [--processes N] [--rounds N] [--sizes A,B,...] [--gid INDEX] [--events]
#include "all_to_all.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace {

constexpr int kWorkerFd = 3;
constexpr char kReady = 'r';

std::vector<uint32_t> parse_sizes(const std::string& text) {
  std::vector<uint32_t> sizes;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) sizes.push_back(static_cast<uint32_t>(std::stoul(item)));
  return sizes;
}

struct Command {
  Parameters parameters;
  int rank = -1;  ///< of a worker
};

Command parse(int argc, char** argv) {
  Command command;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--events") {
      command.parameters.events = true;
      continue;
    }
    require(i + 1 < argc, "no value for " + option);
    const std::string value = argv[++i];
    if (option == "--processes")
      command.parameters.processes = std::stoi(value);
    else if (option == "--rounds")
      command.parameters.rounds = std::stoi(value);
    else if (option == "--gid")
      command.parameters.gid_index = std::stoi(value);
    else if (option == "--sizes")
      command.parameters.sizes = parse_sizes(value);
    else if (option == "--worker")
      command.rank = std::stoi(value);
    else
      throw std::runtime_error("unknown option " + option);
  }
  return command;
}

struct Worker {
  pid_t pid;
  int fd;
};

/// A worker is a new program, not only a fork: it loads and initialises everything by itself.
Worker start_worker(int rank, int argc, char** argv) {
  int ends[2];
  require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  std::string text = std::to_string(rank);
  std::vector<char*> arguments(argv, argv + argc);
  arguments.push_back(const_cast<char*>("--worker"));
  arguments.push_back(text.data());
  arguments.push_back(nullptr);
  const pid_t pid = fork();
  require(pid >= 0, "fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // a coordinator that is killed takes its workers along
    // With ends[1] == kWorkerFd dup2 would leave close-on-exec set.
    if (ends[1] == kWorkerFd) ends[1] = dup(ends[1]);
    dup2(ends[1], kWorkerFd);
    execv("/proc/self/exe", arguments.data());
    _exit(127);
  }
  close(ends[1]);
  return {pid, ends[0]};
}

/// Every worker sends an Endpoint for each rank, and gets what the others have for it.
void exchange_endpoints(const std::vector<Worker>& workers) {
  const size_t count = workers.size();
  std::vector<std::vector<Endpoint>> table(count, std::vector<Endpoint>(count));
  for (size_t i = 0; i < count; ++i) receive_all(workers[i].fd, table[i].data(), count * sizeof(Endpoint));
  for (size_t i = 0; i < count; ++i) {
    std::vector<Endpoint> column;
    for (size_t j = 0; j < count; ++j) column.push_back(table[j][i]);
    send_all(workers[i].fd, column.data(), count * sizeof(Endpoint));
  }
}

void barrier(const std::vector<Worker>& workers) {
  for (const Worker& worker : workers) {
    char byte = 0;
    receive_all(worker.fd, &byte, 1);
  }
  for (const Worker& worker : workers) send_all(worker.fd, &kReady, 1);
}

void lead(const std::vector<Worker>& workers, const Parameters& parameters) {
  exchange_endpoints(workers);
  const size_t steps = static_cast<size_t>(parameters.rounds) * parameters.sizes.size();
  const size_t barriers = 2 * steps + 1;  // before and after each step's traffic, and before anything is destroyed
  for (size_t i = 0; i < barriers; ++i) barrier(workers);
}

/// The number of workers that did not end well.
int reap(const std::vector<Worker>& workers, bool abandon) {
  int bad = 0;
  for (size_t rank = 0; rank < workers.size(); ++rank) {
    if (abandon) kill(workers[rank].pid, SIGKILL);
    int status = 0;
    waitpid(workers[rank].pid, &status, 0);
    const bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!well && !(WIFSIGNALED(status) && abandon)) {
      std::fprintf(stderr, "worker %zu (pid %d) ended with status %#x\n", rank, workers[rank].pid, status);
    }
    bad += !well;
  }
  return bad;
}

int coordinate(const Parameters& parameters, int argc, char** argv) {
  std::vector<Worker> workers;
  for (int rank = 0; rank < parameters.processes; ++rank) {
    workers.push_back(start_worker(rank, argc, argv));
    std::printf("worker pid %d\n", workers.back().pid);
  }
  std::fflush(stdout);
  bool lost = false;
  try {
    lead(workers, parameters);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "coordinator: %s\n", error.what());
    lost = true;
  }
  if (reap(workers, lost) != 0 || lost) return 1;
  const int connections = parameters.processes * (parameters.processes - 1);
  std::printf("%d processes, %d connections, %d rounds of %zu sizes: all data right\n", parameters.processes,
              connections, parameters.rounds, parameters.sizes.size());
  return 0;
}

}  // namespace

void send_all(int fd, const void* data, size_t length) {
  for (size_t done = 0; done < length;) {
    const ssize_t part = send(fd, static_cast<const char*>(data) + done, length - done, MSG_NOSIGNAL);
    require(part > 0 || errno == EINTR, "send to the other side");
    if (part > 0) done += static_cast<size_t>(part);
  }
}

void receive_all(int fd, void* data, size_t length) {
  for (size_t done = 0; done < length;) {
    const ssize_t part = recv(fd, static_cast<char*>(data) + done, length - done, 0);
    require(part > 0 || (part < 0 && errno == EINTR), "the other side is gone");
    if (part > 0) done += static_cast<size_t>(part);
  }
}

int main(int argc, char** argv) {
  int rank = -1;
  try {
    const Command command = parse(argc, argv);
    rank = command.rank;
    if (rank < 0) return coordinate(command.parameters, argc, argv);
    run_worker(kWorkerFd, rank, command.parameters);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s %d: %s\n", rank < 0 ? "coordinator" : "worker", rank, error.what());
    return 1;
  }
}
