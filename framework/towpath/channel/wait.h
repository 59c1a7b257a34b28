#pragma once
#include <span>
#include <vector>

#include "towpath/base/clock.h"

namespace towpath {

// Waits until one of the descriptors is readable or hung up, and returns the indexes of those that
// are; empty after the timeout. Signals don't shorten the wait. Negative descriptors are skipped.
std::vector<size_t> wait(std::span<const int> fds, Millis timeout = kForever);

// The same for one descriptor: true when it is readable or hung up.
bool wait_readable(int fd, Millis timeout = kForever);

// True when a pipe's or socket's other end is closed, even with bytes left to read. Never waits.
bool hung_up(int fd);

}  // namespace towpath
