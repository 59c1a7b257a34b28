#pragma once
#include <cstdint>
#include <iterator>
#include <memory>
#include <unordered_set>
#include <vector>

#include "towpath/pool/future.h"

// Waiting for several futures.

namespace towpath {

enum class ReturnWhen { kFirstCompleted, kFirstException, kAllCompleted };

namespace pools {

// Indexes of futures in the order in which they become done. Leaves nothing behind at them.
class Gathering {
 public:
  Gathering();
  Gathering(const Gathering&) = delete;
  ~Gathering();
  void watch(const std::shared_ptr<FutureState>& state, size_t index);
  // The next index; false: none in time. Invalid: see FutureState::refuse_vain_wait().
  bool next(const Deadline& deadline, size_t& index);

 private:
  struct Inbox;
  struct Watched {
    std::shared_ptr<FutureState> state;
    uint64_t callback;
  };
  const std::shared_ptr<Inbox> inbox_;
  std::vector<Watched> watched_;
  bool may_wait_ = false;
};

}  // namespace pools

template <class R>
struct Waited {
  std::vector<Future<R>> done, not_done;  // in the order given
};

// Waits until one is done, one has failed (or all are done), or all are done; or the time is up.
template <class R>
Waited<R> wait(const std::vector<Future<R>>& futures, ReturnWhen when = ReturnWhen::kAllCompleted,
               Millis timeout = kForever) {
  const Deadline deadline(timeout);
  pools::Gathering gathering;
  for (size_t i = 0; i < futures.size(); ++i) gathering.watch(state_of(futures[i]), i);
  size_t index = 0;
  for (size_t left = futures.size(); left > 0; --left) {
    if (!gathering.next(deadline, index)) break;
    if (when == ReturnWhen::kFirstCompleted) break;
    if (when == ReturnWhen::kFirstException && state_of(futures[index])->failed()) break;
  }
  Waited<R> result;
  for (const Future<R>& each : futures)
    (each.done() ? result.done : result.not_done).push_back(each);
  return result;
}

// Futures as they become done, each once, however often it is given: a range to be walked once.
// Timeout comes out of walking, when they are not all done so long after the call.
template <class R>
class AsCompleted {
 public:
  AsCompleted(std::vector<Future<R>> futures, Millis timeout)
      : futures_(std::move(futures)), deadline_(timeout) {
    std::unordered_set<const void*> known;
    std::erase_if(futures_, [&known](const Future<R>& future) {
      return !known.insert(state_of(future).get()).second;
    });
    left_ = futures_.size();
    for (size_t i = 0; i < futures_.size(); ++i) gathering_.watch(state_of(futures_[i]), i);
  }

  struct iterator {
    using value_type = Future<R>;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    Future<R>& operator*() const { return range->futures_[range->index_]; }
    Future<R>* operator->() const { return &**this; }
    iterator& operator++() {
      --range->left_;
      range->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return range->left_ == 0; }
    AsCompleted* range = nullptr;
  };
  iterator begin() {
    advance();
    return {this};
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  void advance() {
    if (left_ > 0 && !gathering_.next(deadline_, index_)) {
      throw Timeout("as_completed: futures that are not done in time");
    }
  }

  std::vector<Future<R>> futures_;
  Deadline deadline_;
  pools::Gathering gathering_;
  size_t left_ = 0;
  size_t index_ = 0;
};

template <class R>
AsCompleted<R> as_completed(std::vector<Future<R>> futures, Millis timeout = kForever) {
  return {std::move(futures), timeout};
}

}  // namespace towpath
