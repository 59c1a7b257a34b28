// A Queue between two processes, measured as the peers' programs measure theirs.
// usage: queue [zmq-]MODE COUNT
//   zmq-           over ZeroMQ, by way of the hub, not in shared memory
//   items          64 bytes as MessagePack, one putter, one getter; prints items/s
//   items-N        N putters, N getters
//   queues-N       N queues, each with a getter; one process puts a thousand in each in turn
//                  (one each in turn would measure how long it takes to wake a process)
//   joinable       a JoinableQueue, with a task_done() each
//   bounded        maxsize 100
//   ping           64 bytes there and back through two queues; prints p50 and p99 in µs
//   frames         6,220,800 bytes, copied in by the putter, read in full where they lie; prints
//                  frames/s and GB/s
//   frames-loan    written (not at all, here) where they are read
#include "towpath/channel/queue.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "frames.h"
#include "towpath/process/init.h"
#include "towpath/process/process.h"

namespace {

using towpath::JoinableQueue;
using towpath::Process;
using towpath::Queue;
using Clock = std::chrono::steady_clock;

// Of what is measured; what counts the end of it lies in shared memory in any case.
towpath::Transport transport = towpath::Transport::kAuto;

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

void get_items(Queue<std::string> from, int64_t count, Queue<uint64_t> done) {
  uint64_t sum = 0;
  done.put(0);
  for (int64_t i = 0; i < count; ++i) sum += from.get().size();
  done.put(sum);
}

void get_tasks(JoinableQueue<std::string> from, int64_t count, Queue<uint64_t> done) {
  uint64_t sum = 0;
  done.put(0);
  for (int64_t i = 0; i < count; ++i) {
    sum += from.get().size();
    from.task_done();
  }
  done.put(sum);
}

void get_frames(Queue<std::string> from, int64_t count, Queue<uint64_t> done) {
  uint64_t sum = 0;
  done.put(0);
  for (int64_t i = 0; i < count; ++i) sum += touch(from.receive().bytes());
  done.put(sum);
}

void put_items(Queue<std::string> to, int64_t count) {
  const std::string item(64, 'x');
  for (int64_t i = 0; i < count; ++i) to.put(item);
}

void echo(Queue<std::string> from, Queue<std::string> to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to.put(from.get());
}

void run_items(int64_t count, int pairs, size_t maxsize) {
  Queue<std::string> queue({.maxsize = maxsize, .transport = transport});
  Queue<uint64_t> done;
  std::vector<Process> getters;
  for (int i = 0; i < pairs; ++i)
    getters.emplace_back(&get_items, queue, count / pairs, done).start();
  for (int i = 0; i < pairs; ++i) done.get();
  const auto begin = Clock::now();
  std::vector<Process> putters;
  for (int i = 1; i < pairs; ++i) putters.emplace_back(&put_items, queue, count / pairs).start();
  put_items(queue, count / pairs);
  for (int i = 0; i < pairs; ++i) done.get();
  std::printf("%.0f\n", static_cast<double>(count) / seconds(Clock::now() - begin));
}

void run_queues(int64_t count, int number) {
  Queue<uint64_t> done;
  std::vector<Queue<std::string>> queues;
  std::vector<Process> getters;
  const int64_t block = 1'000;
  const int64_t blocks = std::max<int64_t>(1, count / number / block);
  const int64_t each = blocks * block;
  for (int i = 0; i < number; ++i) {
    queues.emplace_back(towpath::QueueOptions{.transport = transport});
    getters.emplace_back(&get_items, queues.back(), each, done).start();
  }
  for (int i = 0; i < number; ++i) done.get();
  const std::string item(64, 'x');
  const auto begin = Clock::now();
  for (int64_t i = 0; i < blocks; ++i) {
    for (Queue<std::string>& queue : queues) {
      for (int64_t j = 0; j < block; ++j) queue.put(item);
    }
  }
  for (int i = 0; i < number; ++i) done.get();
  std::printf("%.0f\n", static_cast<double>(each * number) / seconds(Clock::now() - begin));
}

void run_joinable(int64_t count) {
  JoinableQueue<std::string> queue({.transport = transport});
  Queue<uint64_t> done;
  Process getter(&get_tasks, queue, count, done);
  getter.start();
  done.get();
  const auto begin = Clock::now();
  put_items(queue, count);
  queue.join();
  std::printf("%.0f\n", static_cast<double>(count) / seconds(Clock::now() - begin));
}

void run_ping(int64_t count) {
  Queue<std::string> there({.transport = transport}), back({.transport = transport});
  Process peer(&echo, there, back, count);
  peer.start();
  const std::string item(64, 'x');
  std::vector<double> times;
  for (int64_t i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    there.put(item);
    back.get();
    times.push_back(seconds(Clock::now() - begin) * 1e6);
  }
  std::sort(times.begin(), times.end());
  std::printf("%.2f %.2f\n", times[times.size() / 2], times[times.size() * 99 / 100]);
}

void run_frames(int64_t count, bool by_loan) {
  Queue<std::string> queue({.maxsize = 4, .transport = transport});
  Queue<uint64_t> done;
  Process getter(&get_frames, queue, count, done);
  getter.start();
  const std::string frame(kFrame, 'x');
  done.get();
  const auto begin = Clock::now();
  for (int64_t i = 0; i < count; ++i) {
    if (by_loan) {
      queue.loan(kFrame).put();
    } else {
      queue.put_bytes(frame);
    }
  }
  done.get();
  const double rate = static_cast<double>(count) / seconds(Clock::now() - begin);
  std::printf("%.0f %.2f\n", rate, rate * kFrame / 1e9);
}

}  // namespace

int main(int argc, char** argv) {
  towpath::init(argc, argv);
  std::string mode = argc > 1 ? argv[1] : "";
  if (mode.starts_with("zmq-")) {
    mode.erase(0, 4);
    transport = towpath::Transport::kZeroMq;
  }
  const int64_t count = argc > 2 ? std::atoll(argv[2]) : 0;
  if (mode == "items") {
    run_items(count, 1, 0);
  } else if (mode.starts_with("items-")) {
    run_items(count, std::max(1, std::atoi(mode.c_str() + 6)), 0);
  } else if (mode.starts_with("queues-")) {
    run_queues(count, std::max(1, std::atoi(mode.c_str() + 7)));
  } else if (mode == "bounded") {
    run_items(count, 1, 100);
  } else if (mode == "joinable") {
    run_joinable(count);
  } else if (mode == "ping") {
    run_ping(count);
  } else if (mode == "frames" || mode == "frames-loan") {
    run_frames(count, mode == "frames-loan");
  } else {
    std::fputs(
        "usage: queue [zmq-]items|items-N|queues-N|bounded|joinable|ping|frames[-loan] COUNT\n",
        stderr);
    return 2;
  }
  return 0;
}
