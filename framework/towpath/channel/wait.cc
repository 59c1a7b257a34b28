#include "towpath/channel/wait.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "towpath/base/error.h"

namespace towpath {
namespace {

// Queues are asked so often, whatever their descriptors say: who was to make one readable may have
// been killed just before.
constexpr Millis kSlice{100};

// poll(2) that goes on after a signal for as long as time is left.
int poll_until(std::span<pollfd> items, Millis timeout) {
  const Deadline deadline(timeout);
  for (;;) {
    const int ready = ::poll(items.data(), items.size(), deadline.poll_timeout());
    if (ready > 0) return ready;
    if (ready < 0 && errno != EINTR) throw_errno("poll");
    if (deadline.passed()) return 0;
  }
}

}  // namespace

std::vector<size_t> wait(std::span<const int> fds, Millis timeout) {
  std::vector<pollfd> items;
  items.reserve(fds.size());
  for (const int fd : fds) items.push_back({fd, POLLIN, 0});
  std::vector<size_t> ready;
  if (poll_until(items, timeout) == 0) return ready;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].revents & POLLNVAL) throw Invalid("wait: a descriptor is not open");
    if (items[i].revents != 0) ready.push_back(i);
  }
  return ready;
}

std::vector<size_t> wait(std::span<const Waitable> things, Millis timeout) {
  const Deadline deadline(timeout);
  std::vector<int> fds;
  std::vector<size_t> silent;  // that may be, though they are ready
  for (size_t i = 0; i < things.size(); ++i) {
    fds.push_back(things[i].fileno());
    if (things[i].looks_for_deaths()) silent.push_back(i);
  }
  for (;;) {
    const Millis left = deadline.left();
    std::vector<size_t> ready =
        wait(std::span<const int>(fds), silent.empty() ? left : std::min(left, kSlice));
    const bool signalled = !ready.empty();
    if (!signalled) ready = silent;
    std::erase_if(ready, [things](size_t i) { return !things[i].ready(); });
    if (!ready.empty() || deadline.passed()) return ready;
    // A thing may be in use by another thread, which holds its message: then it is not ready for
    // this one, however readable.
    if (signalled) ::poll(nullptr, 0, 1);
  }
}

std::vector<size_t> wait(std::initializer_list<Waitable> things, Millis timeout) {
  return wait(std::span<const Waitable>(things.begin(), things.size()), timeout);
}

bool wait_readable(int fd, Millis timeout) {
  pollfd item{fd, POLLIN, 0};
  if (poll_until({&item, 1}, timeout) == 0) return false;
  if (item.revents & POLLNVAL) throw Invalid("wait: the descriptor is not open");
  return true;
}

bool hung_up(int fd) {
  pollfd item{fd, POLLIN | POLLRDHUP, 0};
  return poll_until({&item, 1}, Millis{0}) > 0 &&
         (item.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0;
}

}  // namespace towpath
