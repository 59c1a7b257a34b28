#pragma once
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "towpath/pool/engine.h"

namespace towpath::pools {

enum class Order { kInput, kCompletion };

// A chunk of any size, as parcels count.
uint32_t tasks_of_chunk(size_t chunk);

// Tasks of one function over a stream of inputs: input is pulled as results are taken, never more
// than a window ahead. Untyped; Results puts types on it.
//
// Threads    one: that which takes the results also pulls the input.
class Stream {
 public:
  // Encodes the arguments of the next call; false: there is none.
  using Pull = std::function<bool(Encoder&)>;
  struct Limits {
    size_t chunk = 0;  // tasks that stay together; 0: none
    size_t ahead = 0;  // inputs pulled and not yet taken as results; 0: by measured time
    Order order = Order::kInput;
    TaskOptions task{};
    Millis timeout = kForever;  // for all of it, from its making on
  };

  Stream(std::shared_ptr<Engine> engine, Code code, Pull pull, const Limits& limits);
  Stream(const Stream&) = delete;
  ~Stream();  // what is queued is dropped

  // The next outcomes, one after another in `bytes`.
  struct Outcomes {
    uint64_t first = 0;
    uint32_t count = 0;
    std::string bytes;
    bool thrown = false;
    std::exception_ptr error;  // instead: of each of them
  };
  // None: that was all. Timeout. What the input has thrown, after the results before it.
  std::optional<Outcomes> next(Millis timeout = kForever);
  // That many results of what next() gave are used up: so much more input may be pulled.
  void used(uint64_t count);

 private:
  class Inbox;
  void fill();
  void pull(uint64_t room);
  void send();
  uint64_t room() const;
  size_t window() const;

  const std::shared_ptr<Engine> engine_;
  const Pull pull_;
  const Limits limits_;
  const Deadline deadline_;
  const uint32_t code_;
  const std::shared_ptr<Inbox> inbox_;
  const uint32_t chunk_;
  Encoder arguments_;
  uint32_t pending_ = 0;  // in arguments_
  uint32_t parcel_;       // tasks to a parcel
  uint64_t pulled_ = 0;
  uint64_t given_ = 0;  // by next()
  uint64_t used_ = 0;
  bool input_ended_ = false;
  std::exception_ptr input_error_;
};

}  // namespace towpath::pools
