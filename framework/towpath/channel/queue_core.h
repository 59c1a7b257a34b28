#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "towpath/base/clock.h"
#include "towpath/base/handle.h"
#include "towpath/message/codec.h"

namespace towpath {

// The inside of Queue, SimpleQueue and JoinableQueue: bytes in and out of memory that all processes
// of the program share by name. There is no process, thread or socket behind it.
//
//   an item    up to 64 KiB   in the stream of records (record_stream.h)
//              larger         in a slot (item_slots.h); the stream holds the slot's number
//              of a joinable queue: always in a slot, which keeps it until it is done
//
// Deaths     whatever is killed, at whatever instant, the others go on: an item is in the queue or
//            it was taken. Of a joinable queue what a dead process had taken is delivered again.
//            Who waits looks for deaths about ten times a second.
// Threads    any. One object a process, however often it is opened there.
class QueueCore : public std::enable_shared_from_this<QueueCore> {
 public:
  struct Options {
    uint64_t maxsize = 0;
    bool joinable = false;
  };
  static std::shared_ptr<QueueCore> create(const Options& options);
  // Closed: the queue has ended.
  static std::shared_ptr<QueueCore> open(const Handle& handle);
  ~QueueCore();

  void put(std::string_view bytes, Millis timeout);

  // One that was taken. Its bytes lie where they are until its end.
  class Item {
   public:
    Item();
    Item(Item&&) noexcept = default;
    ~Item();
    std::string_view bytes() const;

    // Invalid: the bytes are not one T.
    template <Sendable T>
    T as() const {
      Decoder in(bytes());
      T value = decode<T>(in);
      if (!in.at_end()) throw_trailing(in.rest().size());
      return value;
    }

   private:
    friend class QueueCore;
    [[noreturn]] static void throw_trailing(size_t bytes);
    std::shared_ptr<QueueCore> core_;  // none: the bytes are in small_
    uint32_t slot_ = 0;
    std::string small_;
  };
  Item get(Millis timeout);
  // True: a get() would not wait.
  bool poll(Millis timeout);

  uint64_t size();
  bool empty();
  bool full();
  bool joinable() const;
  void shut_down();

  // Of a joinable queue.
  void task_done();
  bool join(Millis timeout);

  // Readable when there is something to get, or it was shut down.
  int fileno();

  const Handle& handle() const;

 private:
  struct Shared;
  struct State;
  explicit QueueCore(std::unique_ptr<State> state);
  std::optional<uint32_t> slot_for(std::string_view bytes);
  bool try_put(std::string_view bytes, std::optional<uint32_t>& slot, const char*& reason);
  bool try_get(Item& item);
  bool nothing_to_get();
  bool look_again();
  bool give_back_of_dead();
  void register_holder();
  void hold(uint32_t slot);

  std::unique_ptr<State> state_;
  friend struct CoreRegistry;
};

// An encoder that its thread keeps from one item to the next.
class ItemEncoder {
 public:
  ItemEncoder();
  ItemEncoder(const ItemEncoder&) = delete;
  ~ItemEncoder();
  Encoder& operator*() { return *encoder_; }
  std::string_view bytes() const { return encoder_->bytes(); }

 private:
  std::unique_ptr<Encoder> encoder_;
};

}  // namespace towpath
