#pragma once
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>

#include "towpath/pool/future.h"
#include "towpath/pool/stream.h"
#include "towpath/pool/task.h"

namespace towpath {

// The results of imap: a range to be walked once. Walking it pulls the input.
//
// Errors     what a task threw comes out of its own element: of *it, or of next(); the elements
//            behind it can still be had. What the input threw comes out of begin(), ++ or next(),
//            after the results before it.
// Threads    one.
// Source     Python's IMapIterator.
template <class R>
class Results {
 public:
  struct iterator;
  Results(std::shared_ptr<pools::Engine> engine, pools::Code code, pools::Stream::Pull pull,
          const pools::Stream::Limits& limits)
      : it_(std::make_unique<State>(std::move(engine), code, std::move(pull), limits)) {}

  iterator begin() {
    if (!it_->begun) it_->advance(kForever);
    return iterator{it_.get()};
  }
  std::default_sentinel_t end() const { return {}; }

  // The next result; none: that was the last. Timeout.
  std::optional<R> next(Millis timeout = kForever) {
    it_->advance(timeout);
    if (it_->ended) return std::nullopt;
    return std::move(it_->value());
  }
  // Which input the last result belongs to, counted from 0.
  uint64_t index() const { return it_->index; }

 private:
  struct State {
    State(std::shared_ptr<pools::Engine> engine, pools::Code code, pools::Stream::Pull pull,
          const pools::Stream::Limits& limits)
        : stream(std::move(engine), code, std::move(pull), limits) {}

    void advance(Millis timeout) {
      if (ended) return;
      if (begun && left > 0) {
        // What the last element was is passed over, read or not.
        if (!read) pass();
        held.reset();
        --left;
        ++index;
        stream.used(1);
      }
      read = false;
      begun = true;
      if (left > 0) return;
      auto next = stream.next(timeout);
      if (!next) {
        ended = true;
        return;
      }
      outcomes = *std::move(next);
      left = outcomes.count;
      index = outcomes.first;
      in = Decoder(outcomes.bytes);
    }

    R& value() {
      if (held) return *held;
      if (outcomes.error) std::rethrow_exception(outcomes.error);
      Decoder before = in;
      try {
        read = true;
        if (outcomes.thrown) pools::throw_remote(in, index);
        held = pools::decode_result<R>(in);
      } catch (...) {
        in = before;
        pass();
        throw;
      }
      return *held;
    }
    void pass() {
      read = true;
      if (!outcomes.error) in.skip();
    }

    pools::Stream stream;
    pools::Stream::Outcomes outcomes;
    Decoder in{{}};
    uint64_t left = 0;  // in outcomes, the current one among them
    uint64_t index = 0;
    bool begun = false;
    bool ended = false;
    bool read = false;  // `in` is behind the current one
    std::optional<R> held;
  };
  std::unique_ptr<State> it_;

 public:
  struct iterator {
    using value_type = R;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    R& operator*() const { return state->value(); }
    R* operator->() const { return &state->value(); }
    iterator& operator++() {
      state->advance(kForever);
      return *this;
    }
    void operator++(int) { state->advance(kForever); }
    bool operator==(std::default_sentinel_t) const { return state->ended; }
    State* state = nullptr;
  };
};

}  // namespace towpath
