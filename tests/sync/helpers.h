#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "process/helpers.h"
#include "towpath/memory/shared_memory.h"

// What the tests of this folder need.

// Numbers that several processes see.
class Numbers {
 public:
  Numbers() : memory_(towpath::SharedMemory::create(4096)) {}
  static Numbers open(const towpath::Handle& handle) {
    return Numbers(towpath::SharedMemory::open(handle));
  }
  const towpath::Handle& handle() const { return memory_.handle(); }
  std::atomic<int>& operator[](size_t i) const {
    return reinterpret_cast<std::atomic<int>*>(memory_.buf().data())[i];
  }

 private:
  explicit Numbers(towpath::SharedMemory memory) : memory_(std::move(memory)) {}
  towpath::SharedMemory memory_;
};

// Looks every millisecond, until it is so; false when it is late.
inline bool await_for(towpath::Millis timeout, const std::function<bool()>& is_so) {
  const towpath::Deadline deadline(timeout);
  while (!is_so()) {
    if (deadline.passed()) return false;
    towpath::wait_readable(-1, towpath::Millis{1});
  }
  return true;
}
inline bool await(const std::function<bool()>& is_so) { return await_for(kSoon, is_so); }

// Children that are killed if a test fails.
class Children {
 public:
  template <class F, class... A>
  towpath::Process& start(towpath::Method method, F run, A&&... args) {
    all_.push_back(std::make_unique<towpath::Process>(
        towpath::Options{.daemon = true, .method = method}, run, std::forward<A>(args)...));
    all_.back()->start();
    return *all_.back();
  }
  towpath::Process& operator[](size_t i) { return *all_[i]; }
  // All ended by themselves, well.
  bool joined() {
    for (auto& child : all_) {
      if (!child->join(kSoon) || child->exitcode() != 0) return false;
    }
    return true;
  }
  ~Children() {
    for (auto& child : all_) {
      if (child->is_alive()) child->kill();
    }
  }

 private:
  std::vector<std::unique_ptr<towpath::Process>> all_;
};
