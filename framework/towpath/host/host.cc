#include "towpath/host/host.h"

#include <sys/epoll.h>

#include <array>
#include <csignal>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

Host::Host(uint64_t memory, int run_lock)
    : memory_(memory), run_lock_(run_lock), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  arena_.emplace(memory_);
  if (!epoll_) throw_errno("epoll_create1");
}

Host::~Host() { kill_all(); }

void Host::renew_arena() {
  expect(workers_.empty(), "an arena that workers use is not renewed");
  arena_.emplace(memory_);
}

int Host::start(int key, const WorkerStart& start, const Launch& launch) {
  expect(!workers_.contains(key), "a worker is started once");
  Options options;
  options.name = start.title;
  options.daemon = true;
  options.method = launch.method;
  options.env = launch.env;
  options.stderr_fd = launch.log_fd;
  Process process(options, worker_main, start, Descriptor{arena_->fd()}, lifeline_.watched(),
                  Descriptor{run_lock_});
  process.start();
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<uint64_t>(key);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, process.sentinel(), &event) != 0) {
    throw_errno("epoll_ctl(add a worker's pidfd)");
  }
  const int pid = process.pid();
  workers_.emplace(key, std::move(process));
  return pid;
}

std::vector<Host::Ended> Host::reap() {
  std::vector<Ended> ended;
  std::array<epoll_event, 64> events{};
  while (true) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    if (count <= 0) return ended;
    for (int i = 0; i < count; ++i) {
      const int key = static_cast<int>(events[static_cast<size_t>(i)].data.u64);
      const auto found = workers_.find(key);
      Process& process = found->second;
      process.join();  // it has ended: this only reaps
      ended.push_back({key, process.pid(), process.exitcode().value_or(0)});
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, process.sentinel(), nullptr);
      workers_.erase(found);
    }
  }
}

void Host::terminate_all() {
  for (auto& [key, process] : workers_) process.terminate();
}

void Host::kill(int key) {
  if (const auto found = workers_.find(key); found != workers_.end()) found->second.kill();
}

void Host::kill_all() {
  for (auto& [key, process] : workers_) process.kill();
}

int Host::pid(int key) const {
  const auto found = workers_.find(key);
  return found == workers_.end() ? 0 : found->second.pid();
}

std::string show_exit(int exitcode) {
  if (exitcode >= 0) return format("exit code {}", exitcode);
  const char* name = ::sigabbrev_np(-exitcode);
  return format("signal {} (SIG{})", -exitcode, name != nullptr ? name : "?");
}

}  // namespace towpath
