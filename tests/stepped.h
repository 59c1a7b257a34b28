#pragma once
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <functional>
#include <random>
#include <type_traits>
#include <vector>

#include "process/helpers.h"
#include "towpath/process/process.h"

// Processes that are killed behind any one instruction of what they do: single-stepped to there by
// ptrace(2).

// Where it takes too long: a sanitizer has a hundred times the instructions.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSteps = false;
#else
inline constexpr bool kSteps = true;
#endif

// Only a process without other threads can fork, and what is stepped is forked.
inline bool can_step() { return kSteps && methods().size() == 3; }

// In the child: stops, does it, stops. What it does once only, at its first use of something, it
// should have done before.
template <class Act>
void between_stops(Act act) {
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) towpath::throw_errno("ptrace(TRACEME)");
  ::raise(SIGSTOP);
  act();
  ::raise(SIGSTOP);
}

// A child of fork that is stepped through what it does between its stops.
class Stepped {
 public:
  template <class... A>
  explicit Stepped(void (*act)(A...), const std::type_identity_t<A>&... args)
      : child_(towpath::Options{.daemon = true, .method = towpath::Method::kFork}, act, args...) {
    child_.start();
    REQUIRE(stopped_by() == SIGSTOP);
  }
  // One instruction. False: it has come to its second stop.
  bool step() {
    const long before = place();
    if (::ptrace(PTRACE_SINGLESTEP, child_.pid(), nullptr, nullptr) != 0 || stopped_by() != SIGTRAP)
      return false;
    return place() != before || end_repetition(before);
  }
  bool steps(int count) {
    while (count > 0 && step()) --count;
    return count == 0;
  }
  // How many it took.
  int steps_until(const std::function<bool()>& so) {
    int count = 0;
    for (; !so(); ++count) REQUIRE(step());
    return count;
  }
  void kill() {
    child_.kill();
    child_.join();
  }
  // To its end. `within`: it has its second stop before it.
  bool go_on(bool within) {
    if (within) {
      ::ptrace(PTRACE_CONT, child_.pid(), nullptr, nullptr);
      REQUIRE(stopped_by() == SIGSTOP);
    }
    ::ptrace(PTRACE_DETACH, child_.pid(), nullptr, nullptr);
    return child_.join(kSoon) && child_.exitcode() == 0;
  }

 private:
  int stopped_by() {
    int status = 0;
    while (::waitpid(child_.pid(), &status, __WALL) < 0 && errno == EINTR) {
    }
    return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
  }
#if defined(__x86_64__)
  // Of the next instruction.
  long place() const {
    return ::ptrace(PTRACE_PEEKUSER, child_.pid(), offsetof(user_regs_struct, rip), nullptr);
  }
  // A "rep movsb" stops behind each byte: what is left of it is one step, to a breakpoint.
  bool end_repetition(long at) {
    const auto word = [this](long where) {
      return ::ptrace(PTRACE_PEEKTEXT, child_.pid(), where, nullptr);
    };
    constexpr long kByte = 0xff, kRep = 0xf3, kBreakpoint = 0xcc;
    const long instruction = word(at);
    if ((instruction & kByte) != kRep) return true;  // it jumps to itself
    const bool wide = (instruction >> 8 & 0xf0) == 0x40;
    const long behind = at + (wide ? 3 : 2);
    const long text = word(behind);
    ::ptrace(PTRACE_POKETEXT, child_.pid(), behind, (text & ~kByte) | kBreakpoint);
    ::ptrace(PTRACE_CONT, child_.pid(), nullptr, nullptr);
    const bool there = stopped_by() == SIGTRAP;
    ::ptrace(PTRACE_POKETEXT, child_.pid(), behind, text);
    ::ptrace(PTRACE_POKEUSER, child_.pid(), offsetof(user_regs_struct, rip), behind);
    return there;
  }
#else
  long place() const { return ++places_; }
  bool end_repetition(long) { return true; }
  mutable long places_ = 0;
#endif
  towpath::Process child_;
};

// What another child does while the first is stopped; it may have to wait for a lock of that one's.
class Meanwhile {
 public:
  template <class... A>
  explicit Meanwhile(void (*act)(A...), const std::type_identity_t<A>&... args)
      : child_(towpath::Options{.daemon = true, .method = towpath::Method::kFork}, act, args...) {
    child_.start();
    is_over();
  }
  // Given some time.
  bool is_over() { return child_.join(towpath::Millis{20}); }
  bool ends() { return child_.join(kSoon) && child_.exitcode() == 0; }

 private:
  towpath::Process child_;
};

// Of so many instructions every how manyth is to be tried, so that about `most` are, from a random
// one on: so all of them come in turn. The last one is behind the end.
inline std::vector<int> some_steps(int all, int most) {
  const int stride = std::max(1, all / most);
  std::vector<int> some;
  for (int at = static_cast<int>(std::random_device{}() % static_cast<unsigned>(stride)); at < all;
       at += stride) {
    some.push_back(at);
  }
  some.push_back(all + 1);
  return some;
}
