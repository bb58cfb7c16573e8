// SPDX-License-Identifier: BSD-2-Clause
// raw_fabric --provider P --test T [options]          a server
// raw_fabric --provider P --test T [options] ADDRESS  its client, which prints one line of JSON
//
// What libfabric does by itself on this machine, measured as perftest measures verbs.
#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "raw_endpoint.h"
#include "raw_exchange.h"

namespace vb::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

struct Options {
  std::string provider = "shm";
  std::string test = "send_lat";
  std::string server;  // empty: we are the server
  std::string bind = "127.0.0.1";
  uint16_t port = 18600;
  size_t size = 64;
  size_t iterations = 1000;
  size_t warmup = 100;
  size_t window = 64;
  unsigned poll_interval = 0;
  unsigned timeout = 60;
  int cpu = -1;
  bool no_inject = false;
  bool check = false;
};

/// One side of a benchmark.
class Session {
 public:
  Session(const Options& options, Exchange& exchange)
      : options_(options),
        exchange_(exchange),
        endpoint_(options.provider, exchange.local_address(), options.size),
        deadline_(Clock::now() + std::chrono::seconds(options.timeout)) {
    endpoint_.set_peer(exchange_.swap(endpoint_.name()), swap_memory());
    endpoint_.post_receives(2 * options.window);
    meet();
  }

  bool client() const { return !options_.server.empty(); }
  const Options& options() const { return options_; }
  RawEndpoint& endpoint() { return endpoint_; }
  bool injects() const { return !options_.no_inject && options_.size <= endpoint_.inject_size(); }

  template <class Condition>
  void progress_until(Condition done) {
    for (unsigned spins = 1; !done(); ++spins) {
      endpoint_.progress();
      if (spins % 0x10000 == 0) check_deadline();
    }
  }

  /// `post` is a call of the endpoint that says whether it was taken.
  template <class Post>
  void insist(Post post) {
    progress_until(post);
  }

  void send_one() {
    insist([&] { return injects() ? endpoint_.inject(options_.size) : endpoint_.send(options_.size); });
  }

  /// Waits for this many messages more. Some may have come already, while we waited for something else.
  void await_messages(uint64_t count) {
    awaited_ += count;
    progress_until([&] { return endpoint_.received() >= awaited_; });
  }

  /// Both sides are here. Also what makes the fabric's connection: one side speaks first, so that they do not collide.
  void meet() {
    if (client()) insist([&] { return endpoint_.send(1); });
    await_messages(1);
    if (!client()) insist([&] { return endpoint_.send(1); });
    exchange_barrier();
  }

  void check_deadline() const {
    if (Clock::now() > deadline_) throw std::runtime_error("no end in sight: timed out");
  }

 private:
  RemoteMemory swap_memory() {
    const RemoteMemory ours = endpoint_.memory();
    exchange_.write(&ours, sizeof ours);
    RemoteMemory theirs;
    exchange_.read(&theirs, sizeof theirs);
    return theirs;
  }

  void exchange_barrier() {
    char mark = 0;
    exchange_.write(&mark, 1);
    progress_until([&] { return exchange_.readable(); });
    exchange_.read(&mark, 1);
  }

  const Options& options_;
  Exchange& exchange_;
  RawEndpoint endpoint_;
  Clock::time_point deadline_;
  uint64_t awaited_ = 0;  // messages, since the beginning
};

double microseconds(Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

Json summary_of(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const auto at = [&](double part) {
    return samples[static_cast<size_t>(part * static_cast<double>(samples.size() - 1))];
  };
  return {{"min_us", samples.front()}, {"median_us", at(0.5)}, {"p99_us", at(0.99)}};
}

/// Half of each round trip; `ping` and `pong` are the two halves as the client sees them, given the round's number.
template <class Ping, class Pong>
Json time_round_trips(const Options& options, Ping ping, Pong pong) {
  const bool client = !options.server.empty();
  std::vector<double> samples;
  samples.reserve(options.iterations);
  for (size_t round = 0; round < options.warmup + options.iterations; ++round) {
    const Clock::time_point start = Clock::now();
    client ? ping(round) : pong(round);
    client ? pong(round) : ping(round);
    if (round >= options.warmup) samples.push_back(microseconds(Clock::now() - start) / 2);
  }
  return summary_of(std::move(samples));
}

Json send_latency(Session& session) {
  return time_round_trips(
      session.options(), [&](size_t) { session.send_one(); }, [&](size_t) { session.await_messages(1); });
}

// The last byte changes with every round and arrives last. Where the provider writes memory without the target's help,
// the target looks at completions only now and then.
Json write_latency(Session& session) {
  RawEndpoint& endpoint = session.endpoint();
  const size_t size = session.options().size;
  const unsigned every = session.options().poll_interval;
  const volatile unsigned char* last = endpoint.target() + size - 1;
  const auto value = [](size_t round) { return static_cast<unsigned char>(round % 255 + 1); };
  return time_round_trips(
      session.options(),
      [&](size_t round) {
        endpoint.outgoing()[size - 1] = value(round);
        session.insist([&] { return endpoint.rma_write(size); });
      },
      [&](size_t round) {
        for (unsigned looks = 1; *last != value(round); ++looks) {
          if (looks % every == 0) endpoint.progress();
          if (looks % 0x100000 == 0) session.check_deadline();
        }
        endpoint.progress();
      });
}

/// Posts `count` operations, at most `window` of them outstanding.
template <class Post>
void run_window(Session& session, size_t count, bool completes, Post post) {
  RawEndpoint& endpoint = session.endpoint();
  const uint64_t before = endpoint.completed();
  const uint64_t window = std::min(session.options().window, endpoint.transmit_depth());
  uint64_t posted = 0;
  const auto done = [&] { return completes ? endpoint.completed() - before : posted; };
  session.progress_until([&] {
    while (posted < count && posted - done() < window && post()) ++posted;
    return done() >= count;
  });
}

/// The client posts; the time ends when the server says that everything has arrived, whatever a completion means.
template <class Post>
void stream(Session& session, size_t count, size_t messages, bool completes, Post post) {
  RawEndpoint& endpoint = session.endpoint();
  if (session.client()) {
    run_window(session, count, completes, post);
    if (messages == 0) session.insist([&] { return endpoint.send(1); });
    session.await_messages(1);
  } else {
    session.await_messages(std::max<size_t>(messages, 1));
    session.insist([&] { return endpoint.send(1); });
  }
}

template <class Post>
Json time_stream(Session& session, bool two_sided, bool completes, Post post) {
  const Options& options = session.options();
  stream(session, options.warmup, two_sided ? options.warmup : 0, completes, post);
  session.meet();
  const Clock::time_point start = Clock::now();
  stream(session, options.iterations, two_sided ? options.iterations : 0, completes, post);
  const double seconds = microseconds(Clock::now() - start) / 1e6;
  const double rate = static_cast<double>(options.iterations) / seconds;
  return {{"seconds", seconds},
          {"messages_per_second", rate},
          {"gbytes_per_second", rate * static_cast<double>(options.size) / 1e9}};
}

Json send_bandwidth(Session& session) {
  return time_stream(session, true, true, [&] { return session.endpoint().send(session.options().size); });
}

Json write_bandwidth(Session& session) {
  return time_stream(session, false, true, [&] { return session.endpoint().rma_write(session.options().size); });
}

Json read_bandwidth(Session& session) {
  return time_stream(session, false, true, [&] { return session.endpoint().rma_read(session.options().size); });
}

Json message_rate(Session& session) {
  if (!session.injects()) return send_bandwidth(session);
  return time_stream(session, true, false, [&] { return session.endpoint().inject(session.options().size); });
}

/// Blocking sockets: what a program that sleeps between messages is compared with.
Json socket_latency(const Options& options, Exchange& exchange) {
  std::vector<char> message(options.size);
  return time_round_trips(
      options, [&](size_t) { exchange.write(message.data(), message.size()); },
      [&](size_t) { exchange.read(message.data(), message.size()); });
}

using Test = Json (*)(Session&);
const std::map<std::string, Test> kTests = {
    {"send_lat", send_latency},    {"write_lat", write_latency}, {"send_bw", send_bandwidth},
    {"write_bw", write_bandwidth}, {"read_bw", read_bandwidth},  {"msg_rate", message_rate},
    {"socket_lat", nullptr},
};

void pin_to(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) throw std::runtime_error("no such CPU: " + std::to_string(cpu));
}

Json run_on_fabric(const Options& options, Exchange& exchange) {
  Session session(options, exchange);
  Json result = kTests.at(options.test)(session);
  result["provider"] = session.endpoint().provider();
  session.meet();
  return result;
}

void run(const Options& options) {
  if (options.check) {
    RawEndpoint(options.provider, options.bind, options.size);
    return;
  }
  pin_to(options.cpu);
  Exchange exchange = options.server.empty() ? Exchange::serve(options.bind, options.port)
                                             : Exchange::connect(options.server, options.port);
  Json result = kTests.at(options.test) ? run_on_fabric(options, exchange) : socket_latency(options, exchange);
  if (options.server.empty()) return;
  result["test"] = options.test;
  result["size"] = options.size;
  result["iterations"] = options.iterations;
  std::printf("%s\n", result.dump().c_str());
}

void add_options(CLI::App& app, Options& options) {
  std::vector<std::string> tests;
  for (const auto& [name, test] : kTests) tests.push_back(name);
  app.add_option("server", options.server, "Address of the server; without it, be the server");
  app.add_option("--provider", options.provider, "A libfabric provider with RDM endpoints")->capture_default_str();
  app.add_option("--test", options.test, "What to measure")->check(CLI::IsMember(tests))->capture_default_str();
  app.add_option("--size", options.size, "Bytes of a message")
      ->check(CLI::Range(size_t{1}, size_t{1} << 30))
      ->capture_default_str();
  app.add_option("--iterations", options.iterations, "Measured operations")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--warmup", options.warmup, "Operations before these")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--window", options.window, "Outstanding operations")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--poll-interval", options.poll_interval,
                 "write_lat: looks at memory for each look at completions (0: 256 on shm, 1 on others)");
  app.add_option("--bind", options.bind, "The server's own IPv4 address")->capture_default_str();
  app.add_option("--port", options.port, "TCP port by which the two find each other")->capture_default_str();
  app.add_option("--cpu", options.cpu, "Run on this CPU only");
  app.add_option("--timeout", options.timeout, "Give up after this many seconds")->capture_default_str();
  app.add_flag("--check", options.check, "Only find out whether the provider works here");
  app.add_flag("--no-inject", options.no_inject, "Never use fi_inject");
}

}  // namespace
}  // namespace vb::bench

int main(int argc, char** argv) {
  vb::bench::Options options;
  CLI::App app("Measures libfabric itself. Run a server, then the same with the server's address.");
  vb::bench::add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  if (options.poll_interval == 0) options.poll_interval = options.provider == "shm" ? 256 : 1;
  try {
    vb::bench::run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "raw_fabric: %s\n", error.what());
    return 1;
  }
  return 0;
}
