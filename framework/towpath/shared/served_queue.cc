#include <condition_variable>
#include <deque>

#include "towpath/base/error.h"
#include "towpath/shared/served_containers.h"
#include "towpath/shared/served_type.h"

namespace towpath::managed {
namespace {

class Queue final : public Referent, public std::enable_shared_from_this<Queue> {
 public:
  explicit Queue(Invocation& call) : Referent(queue_type()), most_(call.take<uint64_t>()) {}

  // False: no room in time.
  void put(Invocation& call) {
    const auto timeout = call.take_timeout();
    Stored item = call.take_stored();
    std::unique_lock lock(mutex_);
    const bool put = wait_for_caller(changed_, lock, timeout, call.caller,
                                     [this] { return most_ == 0 || items_.size() < most_; });
    if (put) {
      items_.push_back(std::move(item));
      ++unfinished_;
      changed_.notify_all();
    }
    call.out.boolean(put);
  }

  // An item counts as taken when the client has said that it has it.
  void get(Invocation& call) {
    const auto timeout = call.take_timeout();
    std::unique_lock lock(mutex_);
    if (!wait_for_caller(changed_, lock, timeout, call.caller, [this] { return !items_.empty(); }))
      return call.out.array(0);
    auto item = std::make_shared<Stored>(std::move(items_.front()));
    items_.pop_front();
    changed_.notify_all();
    lock.unlock();
    call.out.array(1);
    call.give(*item);
    call.not_taken = [queue = shared_from_this(), item] {
      const std::lock_guard again(queue->mutex_);
      queue->items_.push_front(std::move(*item));
      queue->changed_.notify_all();
    };
  }

  void size(Invocation& call) {
    const std::lock_guard lock(mutex_);
    call.out.unsigned_integer(items_.size());
  }
  void full(Invocation& call) {
    const std::lock_guard lock(mutex_);
    call.out.boolean(most_ != 0 && items_.size() >= most_);
  }

  void task_done(Invocation& call) {
    const std::lock_guard lock(mutex_);
    if (unfinished_ == 0) throw Invalid("task_done: more often than items were put");
    if (--unfinished_ == 0) changed_.notify_all();
    call.out.nil();
  }
  void join(Invocation& call) {
    const auto timeout = call.take_timeout();
    std::unique_lock lock(mutex_);
    call.out.boolean(
        wait_for_caller(changed_, lock, timeout, call.caller, [this] { return unfinished_ == 0; }));
  }

 private:
  const uint64_t most_;  // 0: no limit
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Stored> items_;
  uint64_t unfinished_ = 0;  // put and not said to be done
};

}  // namespace

const ObjectType& queue_type() {
  static const ObjectType type = [] {
    ObjectType queue = served_type<Queue>("queue", {{"put", &Queue::put},
                                                    {"get", &Queue::get},
                                                    {"size", &Queue::size},
                                                    {"full", &Queue::full},
                                                    {"task_done", &Queue::task_done},
                                                    {"join", &Queue::join}});
    queue.concurrent = true;
    return queue;
  }();
  return type;
}

}  // namespace towpath::managed
