#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "towpath/base/clock.h"
#include "towpath/base/handle.h"
#include "towpath/channel/queue_core.h"
#include "towpath/message/codec.h"
#include "towpath/message/object.h"

namespace towpath {

namespace queues {

// What a Queue's object names; empty once it was closed.
class Named {
 public:
  explicit Named(std::shared_ptr<QueueCore> core) : core_(std::move(core)) {}
  QueueCore& operator()(const char* what) const {
    if (core_ == nullptr) throw_closed(what);
    return *core_;
  }
  void close() { core_.reset(); }

 private:
  [[noreturn]] static void throw_closed(const char* what);
  std::shared_ptr<QueueCore> core_;
};

std::shared_ptr<QueueCore> open_joinable(const Handle& handle);
void flush(QueueCore& core, Millis timeout);

}  // namespace queues

struct QueueOptions {
  size_t maxsize = 0;
  Transport transport = Transport::kAuto;  // shared memory
};

// A first-in first-out channel, many producers to many consumers, threads and processes. A name:
// copyable, sendable; ends with the last copy in the process that made it, for those who have not
// opened it by then.
//
// Transports two, chosen where it is made; who gets it needs not know. Shared memory, the default:
//            no process behind it, stronger promises, ten times as fast one by one. ZeroMQ: the
//            items are with the hub, a helper process that this program starts at first use. Where
//            they differ a line below begins with "ZeroMQ:".
// Order      one for all: each item goes to one get(), in the order in which put() returned.
//            ZeroMQ: one putter's items are got in order; with several getters what comes back
//            from one that died, or that was sent more than it got, comes behind what others got
//            meanwhile.
// Capacity   maxsize items, exact: put() waits while so many are in it. 0: no such limit. In any
//            case at most 1 GiB of items up to 64 KiB and 1 GiB of larger ones (a JoinableQueue's
//            all together, where a small one takes the next power of two, 64 bytes at least), and
//            what /dev/shm has room for; put() waits then, too. Memory that items of one size had
//            is for items of others once those that came later are gone, in the end once the queue
//            is empty. ZeroMQ: 1 GiB of items in all, and 4 MiB on their way to the hub.
// Timeouts   kForever waits, 0 and less never. ZeroMQ: an answer of the hub is awaited in any case,
//            and that of a process that was sent more than it got; 10 s, should one be stopped, and
//            then calls that have no time-out throw Timeout.
// Errors     Full, Empty: nothing moved. NotSerialisable: put() of what can't travel, or of more
//            than 1 GiB (ZeroMQ: 250 MiB); nothing moved. Invalid: get() of another type than was
//            put; that item is gone. Closed: this object was closed, or the queue has ended; of
//            put(): it was shut down. EndOfStream: of get(): it was shut down and is empty.
//            ZeroMQ: Closed, which names the hub, for all who use the queue once the hub has
//            ended; what was in it is lost then; and for threads that are left while the process
//            exits.
// Threads    any, on the same object. ZeroMQ: a process that has used one has threads, so it can't
//            be forked any more; made before, and used in the children first, it can.
// Processes  any of this program. A child of fork has its copies as well, whether they were used or
//            not. As a global it is Invalid: towpath::init comes first, and in a child it would be
//            another queue.
// Deaths     whatever is killed at whatever instant, the others go on. An item is in the queue once
//            put() has returned, and taken when get() returns: a putter that is killed loses
//            nothing that it has put, a getter what it has taken (a JoinableQueue's is delivered
//            again). ZeroMQ: the hub learns of both a moment later, some 100 us; flush() waits for
//            that, and so does a process that ends well. Who is *killed* before may lose what it
//            had put in that moment; and what it had got then is delivered again.
// Cost       a put and get take 100 ns and no system call, unless somebody sleeps. An item lies in
//            shared memory; one above 64 KiB is read where it lies: see receive(). ZeroMQ: 240 ns
//            of all processes together in a stream of small items, which travel many in a message;
//            some 200 us for one there and back. Large items are copied at each step.
// Source     Python's multiprocessing.Queue. There put() returns before the item is encoded, and a
//            thread sends it: errors come to nobody, join() before get() hangs, a killed reader
//            leaves the queue locked. Here errors come from put(), so there is no join_thread() and
//            no cancel_join_thread(). qsize() works everywhere. close() ends the object, not the
//            process's use of the queue. shutdown() is an addition.
template <class T = Object>
class Queue {
  static_assert(CanTravel<T>::kAsked);

 public:
  explicit Queue(size_t maxsize = 0) : Queue(QueueOptions{.maxsize = maxsize}) {}
  explicit Queue(const QueueOptions& options)
      : core_(QueueCore::create({options.maxsize, false, options.transport})) {}
  static Queue open(const Handle& handle) { return Queue(QueueCore::open(handle)); }

  void put(const T& item, Millis timeout = kForever) {
    QueueCore& core = core_("put");
    ItemEncoder out;
    encode(*out, item);
    core.put(out.bytes(), timeout);
  }
  void put_nowait(const T& item) { put(item, Millis{0}); }
  T get(Millis timeout = kForever) { return core_("get").get(timeout).template as<T>(); }
  T get_nowait() { return get(Millis{0}); }

  // An item where it lies: bytes(), or as<T>(). Its memory is given back with it.
  using Received = QueueCore::Item;
  Received receive(Millis timeout = kForever) { return core_("receive").get(timeout); }
  // Bytes as they are, not as MessagePack: for receive().bytes().
  void put_bytes(std::string_view bytes, Millis timeout = kForever) {
    core_("put_bytes").put(bytes, timeout);
  }
  void put_bytes(std::span<const std::byte> bytes, Millis timeout = kForever) {
    put_bytes(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), timeout);
  }
  // Room for so many bytes, to be written where a getter reads them with receive(); waits for it as
  // put() does. Put once, it is the item; one that ends before was nothing. Up to 64 KiB, and over
  // ZeroMQ, a buffer that put() copies.
  using Loan = QueueCore::Loan;  // bytes(), as they were left there; put(), again after Full
  Loan loan(size_t size, Millis timeout = kForever) {
    return {core_("loan").shared_from_this(), size, timeout};
  }

  // Exact at some moment of the call; others may put and get meanwhile.
  size_t qsize() const { return core_("qsize").size(); }
  bool empty() const { return core_("empty").empty(); }
  bool full() const { return core_("full").full(); }
  // True when a get() would not wait, also because it would throw EndOfStream.
  bool poll(Millis timeout = Millis{0}) const { return core_("poll").poll(timeout); }
  // Readable while poll() is true, for a poll loop and wait(). Belongs to the queue.
  int fileno() const { return core_("fileno").fileno(); }
  // True: a loop of your own calls poll() some ten times a second besides, because what the killed
  // leave may not show in fileno(). wait() does so.
  bool looks_for_deaths() const { return core_("wait").looks_for_deaths(); }

  // This object lets go; other copies are as they were. Twice is once.
  void close() { core_.close(); }
  // Waits until what this process has put, got and done is known where its death can't reach it: in
  // shared memory it always is. Timeout: it is not yet.
  void flush(Millis timeout = kForever) const { queues::flush(core_("flush"), timeout); }
  // For all processes: nothing more is put, and get() throws EndOfStream behind what is in it.
  // ZeroMQ: what another puts at that moment can come behind the EndOfStream of some.
  void shutdown() { core_("shutdown").shut_down(); }

  const Handle& handle() const { return core_("handle").handle(); }

 protected:
  explicit Queue(std::shared_ptr<QueueCore> core) : core_(std::move(core)) {}
  queues::Named core_;
};

// A Queue whose items are tasks: each is delivered until it was said to be done.
//
// Deaths     what a process had got and not done when it ended, in any way, is delivered again, to
//            others, before all that came later.
// Limits     512 processes get from it at a time; 8 million items are in it. ZeroMQ: none of these.
// Source     Python's multiprocessing.JoinableQueue, which loses a dead worker's task, so that
//            join() hangs.
template <class T = Object>
class JoinableQueue : public Queue<T> {
 public:
  explicit JoinableQueue(size_t maxsize = 0) : JoinableQueue(QueueOptions{.maxsize = maxsize}) {}
  explicit JoinableQueue(const QueueOptions& options)
      : Queue<T>(QueueCore::create({options.maxsize, true, options.transport})) {}
  static JoinableQueue open(const Handle& handle) {
    return JoinableQueue(queues::open_joinable(handle));
  }

  // The first item that this thread got and has not done is; had it none, the first that this
  // process got; or any process, as Python allows. Invalid: there is none.
  void task_done() { this->core_("task_done").task_done(); }
  // Waits until every item that was put is done: true.
  bool join(Millis timeout = kForever) { return this->core_("join").join(timeout); }

 private:
  explicit JoinableQueue(std::shared_ptr<QueueCore> core) : Queue<T>(std::move(core)) {}
};

// A Queue with less to know. As Queue, with no limit of items.
// Source: Python's multiprocessing.SimpleQueue, whose put() can block in a pipe, and whose reader
// can't be killed without hurting others.
template <class T = Object>
class SimpleQueue {
  static_assert(CanTravel<T>::kAsked);

 public:
  SimpleQueue() = default;
  explicit SimpleQueue(Transport transport) : queue_(QueueOptions{.transport = transport}) {}
  static SimpleQueue open(const Handle& handle) { return SimpleQueue(Queue<T>::open(handle)); }

  void put(const T& item) { queue_.put(item); }
  T get() { return queue_.get(); }
  bool empty() const { return queue_.empty(); }
  void close() { queue_.close(); }
  const Handle& handle() const { return queue_.handle(); }

 private:
  explicit SimpleQueue(Queue<T> queue) : queue_(std::move(queue)) {}
  Queue<T> queue_;
};

}  // namespace towpath
