// Waits that signal handlers break into, again and again: each goes on, and keeps to its time.
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <future>
#include <thread>

#include "channel/transports.h"
#include "sleeping_thread.h"
#include "sync/helpers.h"
#include "towpath/multiprocessing.h"

using namespace towpath;

namespace {

constexpr Millis kWait{150};
constexpr int kSignals = 100;

std::atomic<int> handled{0};

// While it lives, a signal to the thread that made it runs a handler and ends system calls.
class Target {
 public:
  Target() {
    struct sigaction action {};
    action.sa_handler = [](int) { ++handled; };
    ::sigaction(SIGUSR1, &action, &before_);
  }
  ~Target() { ::sigaction(SIGUSR1, &before_, nullptr); }
  // One signal, while that thread sleeps; false when it does not in time.
  bool hit() const {
    if (!await([this] { return is_asleep(tid_); })) return false;
    const int seen = handled;
    ::pthread_kill(thread_, SIGUSR1);
    // ThreadSanitizer keeps it back.
    for (int i = 0; i < 5 && handled == seen; ++i) wait_readable(-1, Millis{1});
    return true;
  }

 private:
  const pthread_t thread_ = ::pthread_self();
  const pid_t tid_ = ::gettid();
  struct sigaction before_ {};
};

// `waiting` comes to its end only behind `release`, which follows many signals.
void goes_on(const char* what, const std::function<void()>& waiting,
             const std::function<void()>& release) {
  INFO(what);
  const Target target;
  std::atomic<int> hits{0};
  std::thread storm([&] {
    while (hits < kSignals && target.hit()) ++hits;
    release();
  });
  try {
    waiting();
  } catch (const std::exception& error) {
    FAIL_CHECK("it threw: " << error.what());
  }
  const int before_its_end = hits;
  storm.join();
  CHECK(before_its_end == kSignals);
}

// `waiting` ends when the given time has passed, whatever comes meanwhile.
void keeps_time(const char* what, const std::function<void(Millis)>& waiting) {
  INFO(what);
  const Target target;
  std::atomic<bool> over{false};
  std::thread storm([&] {
    while (!over && target.hit()) {
    }
  });
  const auto begin = Clock::now();
  waiting(kWait);
  const auto took = std::chrono::duration_cast<Millis>(Clock::now() - begin);
  over = true;
  storm.join();
  CHECK(took >= kWait);
  CHECK(took < kSoon / 2);
}

template <class E>
std::function<void(Millis)> throws(const std::function<void(Millis)>& call) {
  return [call](Millis timeout) { CHECK_THROWS_AS(call(timeout), E); };
}

void wait_for(Event event) { event.wait(); }
int wait_and_answer(Event event) {
  event.wait();
  return 7;
}

}  // namespace

TEST_CASE("Signals: Process join goes on behind handlers") {
  Event end;
  Process child(Options{.daemon = true}, &wait_for, end);
  child.start();
  keeps_time("join", [&](Millis timeout) { CHECK_FALSE(child.join(timeout)); });
  keeps_time("wait for a sentinel",
             [&](Millis timeout) { CHECK(wait({Waitable(child.sentinel())}, timeout).empty()); });
  goes_on(
      "join", [&] { CHECK(child.join(kSoon)); }, [&] { end.set(); });
  CHECK(child.exitcode() == 0);
}

TEST_CASE("Signals: Connections go on behind handlers") {
  const Transport transport = GENERATE(from_range(transports()));
  CAPTURE(static_cast<int>(transport));
  auto [mine, its] = Pipe(true, transport);
  its.poll();  // over ZeroMQ it opens now
  keeps_time("recv", throws<Empty>([&m = mine](Millis timeout) { m.recv<int>(timeout); }));
  keeps_time("poll", [&m = mine](Millis timeout) { CHECK_FALSE(m.poll(timeout)); });
  keeps_time("wait", [&m = mine](Millis timeout) { CHECK(wait({Waitable(m)}, timeout).empty()); });
  goes_on(
      "recv", [&m = mine] { CHECK(m.recv<int>(kSoon) == 1); }, [&i = its] { i.send(1); });
  goes_on(
      "wait", [&m = mine] { CHECK(wait({Waitable(m)}, kSoon).size() == 1); },
      [&i = its] { i.send(2); });
  CHECK(mine.recv<int>(kSoon) == 2);
  const std::string large(size_t{1} << 20, 'x');
  int sent = 0;
  const auto fill = [&] {
    try {
      for (;; ++sent) mine.send_bytes(large, Millis{50});
    } catch (const Full&) {
    }
  };
  fill();
  keeps_time("send", throws<Full>([&](Millis timeout) { mine.send_bytes(large, timeout); }));
  goes_on(
      "send", [&] { mine.send_bytes(large, kSoon); },
      [&] {
        for (int i = 0; i <= sent; ++i) its.recv_bytes(kSoon);
      });
}

TEST_CASE("Signals: Listener and Client go on behind handlers") {
  const ConnectOptions options = GENERATE(
      ConnectOptions{.key = "key"}, ConnectOptions{.key = "key", .transport = Transport::kZeroMq});
  Listener listener({}, options);
  keeps_time("accept", throws<Timeout>([&](Millis timeout) { (void)listener.accept(timeout); }));
  keeps_time("Client", throws<Timeout>([&](Millis timeout) {
               (void)Client(listener.address(), options, timeout);
             }));
  std::future<Connection> other;
  Connection line;
  goes_on(
      "accept", [&] { line = listener.accept(kSoon); },
      [&] {
        other = std::async(std::launch::async,
                           [&] { return Client(listener.address(), options, kSoon); });
      });
  line.send(1);
  CHECK(other.get().recv<int>(kSoon) == 1);
  goes_on(
      "Client", [&] { line = Client(listener.address(), options, kSoon); },
      [&] { other = std::async(std::launch::async, [&] { return listener.accept(kSoon); }); });
  line.send(2);
  CHECK(other.get().recv<int>(kSoon) == 2);
}

TEST_CASE("Signals: Queues go on behind handlers") {
  const Transport transport = GENERATE(from_range(transports()));
  CAPTURE(static_cast<int>(transport));
  JoinableQueue<int> queue({.maxsize = 1, .transport = transport});
  keeps_time("get", throws<Empty>([&](Millis timeout) { queue.get(timeout); }));
  keeps_time("poll", [&](Millis timeout) { CHECK_FALSE(queue.poll(timeout)); });
  goes_on(
      "get", [&] { CHECK(queue.get(kSoon) == 1); }, [&] { queue.put(1); });
  keeps_time("join", [&](Millis timeout) { CHECK_FALSE(queue.join(timeout)); });
  goes_on(
      "join", [&] { CHECK(queue.join(kSoon)); }, [&] { queue.task_done(); });
  queue.put(2);
  keeps_time("put", throws<Full>([&](Millis timeout) { queue.put(3, timeout); }));
  goes_on(
      "put", [&] { queue.put(3, kSoon); }, [&] { queue.get(); });
  CHECK(queue.get(kSoon) == 3);
}

TEST_CASE("Signals: what synchronises goes on behind handlers") {
  Lock lock;
  lock.acquire();
  keeps_time("Lock", [&](Millis timeout) { CHECK(!lock.acquire(timeout)); });
  goes_on(
      "Lock", [&] { CHECK(lock.acquire(kSoon)); }, [&] { lock.release(); });
  Semaphore semaphore(0);
  keeps_time("Semaphore", [&](Millis timeout) { CHECK(!semaphore.acquire(timeout)); });
  goes_on(
      "Semaphore", [&] { CHECK(semaphore.acquire(kSoon)); }, [&] { semaphore.release(); });
  Event event;
  keeps_time("Event", [&](Millis timeout) { CHECK_FALSE(event.wait(timeout)); });
  goes_on(
      "Event", [&] { CHECK(event.wait(kSoon)); }, [&] { event.set(); });
  Condition condition;
  condition.acquire();
  keeps_time("Condition", [&](Millis timeout) { CHECK_FALSE(condition.wait(timeout)); });
  goes_on(
      "Condition", [&] { CHECK(condition.wait(kSoon)); },
      [&] {
        condition.acquire();
        condition.notify();
        condition.release();
      });
  condition.release();
  Barrier barrier(2);
  goes_on(
      "Barrier", [&] { barrier.wait(kSoon); }, [&] { barrier.wait(kSoon); });
  keeps_time("Barrier", throws<Error>([&](Millis timeout) { barrier.wait(timeout); }));
}

TEST_CASE("Signals: Futures and Pools go on behind handlers") {
  Event end;
  Pool pool(1);
  auto future = pool.apply_async(&wait_and_answer, end);
  keeps_time("get", throws<Timeout>([&](Millis timeout) { future.get(timeout); }));
  keeps_time("wait", [&](Millis timeout) { CHECK_FALSE(future.wait(timeout)); });
  goes_on(
      "get", [&] { CHECK(future.get(kSoon) == 7); }, [&] { end.set(); });
  end.clear();
  auto last = pool.apply_async(&wait_and_answer, end);
  pool.close();
  keeps_time("join", [&](Millis timeout) { CHECK_FALSE(pool.join(timeout)); });
  goes_on(
      "join", [&] { CHECK(pool.join(kSoon)); }, [&] { end.set(); });
  CHECK(last.get(kSoon) == 7);
}
