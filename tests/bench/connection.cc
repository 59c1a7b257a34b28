// A Connection between two processes, measured as the peers' programs measure theirs.
// usage: connection MODE COUNT [shm|zmq]
//   send         64 bytes as MessagePack, one way; prints messages/s
//   bytes        64 bytes as they are, one way; prints messages/s
//   ping         64 bytes there and back; prints p50 and p99 in µs
//   frames       6,220,800 bytes, copied in by the sender, read in full where they lie; prints
//                frames/s and GB/s
//   frames-loan  written (not at all, here) where they are read
//   frames-copy  as frames, received into a buffer of the receiver
#include "towpath/channel/connection.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "frames.h"
#include "towpath/process/init.h"
#include "towpath/process/process.h"

namespace {

using towpath::Connection;
using Clock = std::chrono::steady_clock;

constexpr int64_t kWarmUp =
    16;  // messages, as the peers touch their memory before the clock starts

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

void consume(Connection in, std::string mode, int64_t count) {
  uint64_t sum = 0;
  std::vector<std::byte> buffer(mode == "frames-copy" ? kFrame : 64);
  in.send_bytes("ready");
  for (int64_t i = -kWarmUp; i < count; ++i) {
    if (i == 0) in.send_bytes("warm");
    if (mode == "send") {
      sum += in.recv<std::string>().size();
    } else if (mode == "frames" || mode == "frames-loan") {
      sum += touch(in.receive().bytes());
    } else {
      const size_t size = in.recv_bytes_into(buffer);
      sum += mode == "bytes" ? size : touch({reinterpret_cast<const char*>(buffer.data()), size});
    }
  }
  in.send(sum);
}

void echo(Connection line, int64_t count) {
  std::byte buffer[64];
  line.send_bytes("ready");
  for (int64_t i = 0; i < count; ++i) {
    const size_t size = line.recv_bytes_into(buffer);
    line.send_bytes(std::span(buffer).first(size));
  }
}

void one_way(const std::string& mode, int64_t count, towpath::Transport transport) {
  auto [mine, its] = towpath::Pipe(true, transport);
  towpath::Process child(consume, std::move(its), mode, count);
  child.start();
  mine.recv_bytes();
  const bool frames = mode.starts_with("frames");
  const std::string message(frames ? kFrame : 64, '\x05');
  auto begin = Clock::now();
  for (int64_t i = -kWarmUp; i < count; ++i) {
    if (i == 0) {
      mine.recv_bytes();
      begin = Clock::now();
    }
    if (mode == "send") {
      mine.send(message);
    } else if (mode == "frames-loan") {
      mine.loan(kFrame).send();
    } else {
      mine.send_bytes(message);
    }
  }
  mine.recv<uint64_t>();
  const double rate = static_cast<double>(count) / seconds(Clock::now() - begin);
  if (frames) {
    std::printf("%.1f %.3f\n", rate, rate * static_cast<double>(kFrame) / 1e9);
  } else {
    std::printf("%.0f\n", rate);
  }
}

void ping(int64_t count, towpath::Transport transport) {
  const int64_t warm_up = count / 10;
  auto [mine, its] = towpath::Pipe(true, transport);
  towpath::Process child(echo, std::move(its), count + warm_up);
  child.start();
  mine.recv_bytes();
  const std::string message(64, '\x03');
  std::byte buffer[64];
  std::vector<double> times;
  for (int64_t i = 0; i < count + warm_up; ++i) {
    const auto begin = Clock::now();
    mine.send_bytes(message);
    mine.recv_bytes_into(buffer);
    if (i >= warm_up) times.push_back(seconds(Clock::now() - begin) * 1e6);
  }
  std::sort(times.begin(), times.end());
  std::printf("%.3f %.3f\n", times[times.size() / 2], times[times.size() * 99 / 100]);
}

}  // namespace

int main(int argc, char** argv) {
  towpath::init(argc, argv);
  if (argc < 3) {
    std::fputs("usage: connection send|bytes|ping|frames|frames-copy|frames-loan COUNT [shm|zmq]\n",
               stderr);
    return 2;
  }
  const std::string mode = argv[1];
  const int64_t count = std::atoll(argv[2]);
  const auto transport = argc > 3 && std::string(argv[3]) == "zmq"
                             ? towpath::Transport::kZeroMq
                             : towpath::Transport::kSharedMemory;
  if (mode == "ping") {
    ping(count, transport);
  } else {
    one_way(mode, count, transport);
  }
}
