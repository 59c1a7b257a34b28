#pragma once
#include <memory>
#include <optional>

#include "towpath/channel/queue_core.h"

namespace towpath {

// A queue in memory that all processes of the program share by name. There is no process, thread or
// socket behind it.
//
//   an item    up to 64 KiB   in the stream of records (record_stream.h)
//              larger         in a slot (item_slots.h); the stream holds the slot's number
//              of a joinable queue: always in a slot, which keeps it until it is done
//
// Deaths     whatever is killed, at whatever instant, the others go on: an item is in the queue or
//            it was taken. Of a joinable queue what a dead process had taken is delivered again.
//            Who waits looks for deaths about ten times a second.
class SharedQueue final : public QueueCore {
 public:
  static std::unique_ptr<QueueCore> create(const Options& options);
  // Closed: the queue has ended.
  static std::unique_ptr<QueueCore> open(const Handle& handle);
  ~SharedQueue() override;

  void put(std::string_view bytes, Millis timeout) override;
  Item get(Millis timeout) override;
  bool poll(Millis timeout) override;
  bool flush(Millis) override { return true; }
  uint64_t size() override;
  uint64_t maxsize() const override;
  bool joinable() const override;
  void shut_down() override;
  void task_done() override;
  bool join(Millis timeout) override;
  int fileno() override;
  bool looks_for_deaths() const override { return true; }
  const Handle& handle() const override;

 private:
  struct Shared;
  struct State;
  explicit SharedQueue(std::unique_ptr<State> state);
  bool in_slot(uint64_t size) const;
  std::optional<uint32_t> slot_for(uint64_t size);
  bool try_put(std::string_view bytes, std::optional<uint32_t>& slot, const char*& reason);
  [[noreturn]] void throw_shut_down() const;
  void warn(const std::string& lack);
  template <class Try>
  void until_room(Millis timeout, Try attempt);
  bool try_get(Item& item);
  bool nothing_to_get();
  bool give_back_of_dead();
  void register_holder();
  bool finish_any();
  void release(uint32_t slot) noexcept override;
  std::optional<Lent> lend(uint64_t size, Millis timeout) override;
  void put_lent(uint32_t slot, Millis timeout) override;
  void take_back(uint32_t slot) noexcept override;

  std::unique_ptr<State> state_;
};

}  // namespace towpath
