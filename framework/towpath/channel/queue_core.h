#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "towpath/base/clock.h"
#include "towpath/base/handle.h"
#include "towpath/channel/transport.h"
#include "towpath/message/codec.h"

namespace towpath {

// The inside of Queue, SimpleQueue and JoinableQueue: bytes in and out, as one transport moves
// them: shared_queue.h in shared memory, hub_queue.h over ZeroMQ.
//
// Threads    any. One object a process, however often the queue is opened there.
// Errors     as Queue has them.
class QueueCore : public std::enable_shared_from_this<QueueCore> {
 public:
  struct Options {
    uint64_t maxsize = 0;
    bool joinable = false;
    Transport transport = Transport::kAuto;
  };
  static std::shared_ptr<QueueCore> create(const Options& options);
  // The handle says which transport. Closed: the queue has ended.
  static std::shared_ptr<QueueCore> open(const Handle& handle);
  QueueCore() = default;
  QueueCore(const QueueCore&) = delete;
  virtual ~QueueCore() = default;

  // One that was taken. Its bytes lie where they are until its end.
  class Item {
   public:
    Item();
    Item(Item&&) noexcept = default;
    ~Item();
    std::string_view bytes() const { return lies_.data() == nullptr ? small_ : lies_; }

    // Invalid: the bytes are not one T.
    template <class T>
    T as() const {
      Decoder in(bytes());
      T value = decode<T>(in);
      if (!in.at_end()) throw_trailing(in.rest().size());
      return value;
    }

    // For transports: where bytes can be copied to; or where they lie, in a place of a queue's that
    // is to be given back, or in memory that somebody holds.
    std::string& small() { return small_; }
    void lie_in(std::shared_ptr<QueueCore> core, uint32_t place, std::string_view bytes);
    void lie_in(std::shared_ptr<const std::string> memory, std::string_view bytes);

   private:
    [[noreturn]] static void throw_trailing(size_t bytes);
    std::shared_ptr<QueueCore> core_;
    uint32_t place_ = 0;
    std::shared_ptr<const std::string> memory_;
    std::string_view lies_;
    std::string small_;
  };

  // Room for an item to come: where its getter will read it, or a buffer. Given back at its end.
  class Loan {
   public:
    Loan(std::shared_ptr<QueueCore> core, size_t size, Millis timeout);
    Loan(Loan&&) noexcept = default;
    ~Loan();
    std::span<std::byte> bytes() const { return bytes_; }
    void put(Millis timeout = kForever);

   private:
    std::shared_ptr<QueueCore> core_;  // null once it was put
    std::unique_ptr<std::byte[]> own_;
    uint32_t place_ = 0;
    std::span<std::byte> bytes_;
  };

  virtual void put(std::string_view bytes, Millis timeout) = 0;
  virtual Item get(Millis timeout) = 0;
  // True: a get() would not wait.
  virtual bool poll(Millis timeout) = 0;
  // Waits until what this process has put is where its death can't reach it. False: not in time.
  virtual bool flush(Millis timeout) = 0;

  virtual uint64_t size() = 0;
  virtual uint64_t maxsize() const = 0;
  bool empty() { return size() == 0; }
  bool full() { return maxsize() != 0 && size() >= maxsize(); }
  virtual bool joinable() const = 0;
  virtual void shut_down() = 0;

  // Of a joinable queue.
  virtual void task_done() = 0;
  virtual bool join(Millis timeout) = 0;

  // Readable when there is something to get, or it was shut down.
  virtual int fileno() = 0;
  // poll() finds what the descriptor may not tell: an item whose putter was killed before it could,
  // or that a dead process had.
  virtual bool looks_for_deaths() const { return false; }

  virtual const Handle& handle() const = 0;

 protected:
  // Gives a place back that an Item lay in.
  virtual void release(uint32_t) noexcept {}

  // A place of so many bytes for an item to come; none: such items are copied in any case.
  struct Lent {
    uint32_t place;
    std::byte* memory;
  };
  virtual std::optional<Lent> lend(uint64_t, Millis) { return std::nullopt; }
  virtual void put_lent(uint32_t place, Millis timeout);
  // It was not put.
  virtual void take_back(uint32_t) noexcept {}
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
