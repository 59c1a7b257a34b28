#pragma once
#include <concepts>
#include <initializer_list>
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

// Something that can be waited for beside others: a Connection, a Process's sentinel(), an open
// descriptor; anything with fileno() and poll(). It refers to the thing, which must outlive it.
class Waitable {
 public:
  Waitable(int fd) : fd_(fd) {}  // ready when readable or hung up; below 0: never
  template <class T>
  requires requires(T& thing) {
    { thing.fileno() } -> std::same_as<int>;
    { thing.poll(Millis{0}) } -> std::same_as<bool>;
  }
  Waitable(T& thing)
      : fd_(-1),
        thing_(&thing),
        fileno_([](void* it) { return static_cast<T*>(it)->fileno(); }),
        poll_([](void* it) { return static_cast<T*>(it)->poll(Millis{0}); }) {
    if constexpr (requires { thing.looks_for_deaths(); })
      looks_for_deaths_ = thing.looks_for_deaths();
  }

  int fileno() const { return thing_ == nullptr ? fd_ : fileno_(thing_); }
  // Asked when fileno() is readable, and now and then of those that look for deaths.
  bool ready() const { return thing_ == nullptr || poll_(thing_); }
  // It is to be asked now and then though fileno() is not readable.
  bool looks_for_deaths() const { return looks_for_deaths_; }

 private:
  int fd_;
  void* thing_ = nullptr;
  int (*fileno_)(void*) = nullptr;
  bool (*poll_)(void*) = nullptr;
  bool looks_for_deaths_ = false;
};

// Waits until one of the things is ready, and returns the indexes of all that are, in order; empty
// after the timeout. A Connection is ready when a message is there, or the end of the stream.
// Source: Python's multiprocessing.connection.wait.
std::vector<size_t> wait(std::span<const Waitable> things, Millis timeout = kForever);
std::vector<size_t> wait(std::initializer_list<Waitable> things, Millis timeout = kForever);

}  // namespace towpath
