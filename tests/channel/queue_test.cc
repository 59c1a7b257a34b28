// Queue and SimpleQueue within a process; what dies is in queue_death_test.cc.
#include "towpath/channel/queue.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <deque>
#include <random>
#include <set>
#include <thread>

#include "sync/helpers.h"
#include "towpath/base/program_session.h"
#include "towpath/channel/descriptor.h"
#include "towpath/channel/queue_memory.h"
#include "towpath/channel/wait.h"
#include "transports.h"

using namespace towpath;

namespace {

constexpr Millis kNow{0};
constexpr Millis kShort{20};

struct Point {
  int x = 0, y = 0;
  TOWPATH_FIELDS(x, y)
};

// Files of queues in the session's folder.
size_t queue_files() {
  const auto files = std::filesystem::directory_iterator(program_session().folder());
  return static_cast<size_t>(std::count_if(begin(files), end(files), [](const auto& entry) {
    return entry.path().filename().string().find("queue-") != std::string::npos;
  }));
}

uint64_t bytes_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

}  // namespace

TEST_CASE("Queue: items come out in the order in which they were put") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<int> queue({.transport = transport});
  CHECK(queue.empty());
  for (int i = 2; i <= 5; ++i) queue.put(i);
  CHECK(queue.qsize() == 4);
  CHECK_FALSE(queue.empty());
  CHECK_FALSE(queue.full());
  for (int i = 2; i <= 5; ++i) CHECK(queue.get() == i);
  CHECK(queue.empty());
  CHECK_THROWS_AS(queue.get_nowait(), Empty);
  CHECK_THROWS_AS(queue.get(kShort), Empty);
  CHECK_THROWS_AS(queue.get(Millis{-1}), Empty);
}

TEST_CASE("Queue: put waits at maxsize, and there is Full in time") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<int> queue({.maxsize = 6, .transport = transport});
  for (int i = 0; i < 6; ++i) queue.put_nowait(i);
  CHECK(queue.full());
  CHECK_THROWS_AS(queue.put_nowait(6), Full);
  const auto begin = Clock::now();
  CHECK_THROWS_AS(queue.put(6, kShort), Full);
  CHECK(Clock::now() - begin >= kShort);
  CHECK(queue.qsize() == 6);
  std::thread putter([&queue] { queue.put(6, kSoon); });
  CHECK(queue.get() == 0);
  putter.join();
  CHECK(queue.full());
  for (int i = 1; i <= 6; ++i) CHECK(queue.get() == i);
}

TEST_CASE("Queue: any type arrives equal") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<> queue({.transport = transport});  // of Objects
  queue.put(Object(std::vector<Object>{Object(42), Object(), Object("данные"), Object(true)}));
  const Object arrived = queue.get();
  CHECK(arrived.as_array().at(0).as_int() == 42);
  CHECK(arrived.as_array().at(1).is_nil());
  CHECK(arrived.as_array().at(2).as_string() == "данные");
  CHECK(arrived.as_array().at(3).as_bool());
  Queue<Point> points({.transport = transport});
  points.put({3, -4});
  CHECK(points.get().y == -4);
}

TEST_CASE("Queue: what can't be serialised throws in put and moves nothing") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<std::optional<Descriptor>> queue({.maxsize = 2, .transport = transport});
  queue.put(std::nullopt);
  CHECK_THROWS_AS(queue.put(Descriptor{0}), NotSerialisable);
  CHECK(queue.qsize() == 1);
  queue.put_nowait(std::nullopt);
  CHECK_THROWS_AS(queue.put_nowait(std::nullopt), Full);
  CHECK_FALSE(queue.get());
  CHECK_FALSE(queue.get());
  CHECK(queue.empty());
}

TEST_CASE("Queue: an item of another type is Invalid and the next one arrives") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<std::string> strings({.transport = transport});
  Queue<int> ints = Queue<int>::open(strings.handle());
  strings.put("seven");
  ints.put(7);
  strings.put_bytes("");
  strings.put_bytes("\x92\x01");                // an array of two, cut short
  strings.put_bytes("\x01\x02");                // bytes behind the value
  strings.put_bytes(std::string(500, '\x91'));  // too deep
  ints.put(8);
  CHECK_THROWS_AS(ints.get(), Invalid);
  CHECK(ints.get() == 7);
  for (int i = 0; i < 4; ++i) CHECK_THROWS_AS(ints.get(), Invalid);
  CHECK(ints.get() == 8);
  strings.put_bytes(std::string(200, '\x91'));
  CHECK_THROWS_AS(Queue<Object>::open(strings.handle()).get(), Invalid);
}

TEST_CASE("Queue: items of all sizes arrive whole") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<std::string> queue({.transport = transport});
  std::vector<size_t> sizes{0, 1, 7, 8, 9, 4096, 1'000'000, 6'220'800};
  for (size_t near = 65'500; near <= 65'545; ++near) sizes.push_back(near);
  for (const size_t size : sizes) {
    std::string item(size, '\0');
    for (size_t i = 0; i < size; ++i) item[i] = static_cast<char>(i * 7 + size);
    queue.put_bytes(item);
    queue.put(item);
    CHECK((queue.receive().bytes() == item));
    CHECK((queue.get() == item));
  }
  CHECK(queue.empty());
}

TEST_CASE("Queue: does what a deque does") {
  const Transport transport = GENERATE(from_range(transports()));
  std::mt19937 random(20'250'101);
  Queue<std::string> queue({.maxsize = 300, .transport = transport});
  std::deque<std::string> model;
  const auto below = [&random](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  // Each look at the size of one that is not here takes its time.
  const int steps = transport == Transport::kZeroMq ? 3'000 : 20'000;
  for (int step = 0; step < steps; ++step) {
    const bool grows = step / (steps / 20) % 2 == 0;
    if (below(10) < (grows ? 6U : 4U)) {
      const size_t most = below(50) == 0 ? 200'000 : below(4) == 0 ? 10'000 : 100;
      std::string item(below(most), static_cast<char>('a' + below(26)));
      if (model.size() == 300) {
        REQUIRE_THROWS_AS(queue.put_nowait(item), Full);
      } else {
        queue.put_nowait(item);
        model.push_back(std::move(item));
      }
    } else if (model.empty()) {
      REQUIRE_THROWS_AS(queue.get_nowait(), Empty);
    } else {
      REQUIRE((queue.get_nowait() == model.front()));
      model.pop_front();
    }
    REQUIRE(queue.qsize() == model.size());
    REQUIRE(queue.empty() == model.empty());
    REQUIRE(queue.full() == (model.size() == 300));
  }
}

TEST_CASE("Queue: memory is used again") {
  Queue<std::string> queue;
  const std::string file = queue.handle().path() + ".items";
  const std::string small(100, 's');
  const std::string large(1'000'000, 'l');
  for (int i = 0; i < 50'000; ++i) {
    queue.put_bytes(small);
    queue.receive();
  }
  for (int i = 0; i < 300; ++i) {
    queue.put_bytes(large);
    queue.receive();
  }
  CHECK(bytes_of(file) < 2'000'000);
  // What many large items took goes back to the system.
  for (int i = 0; i < 150; ++i) queue.put_bytes(large);
  CHECK(bytes_of(file) > 150'000'000);
  for (int i = 0; i < 150; ++i) queue.receive();
  CHECK(bytes_of(file) < 70'000'000);
}

TEST_CASE("Queue: put waits when its items take all the memory that a queue may have") {
  Queue<std::string> queue;
  const std::string item(size_t{130} << 20, 'x');
  for (int i = 0; i < 7; ++i) queue.put_bytes(item);
  CHECK_THROWS_AS(queue.put_bytes(item, kNow), Full);
  CHECK_THROWS_AS(queue.put_bytes(item, kShort), Full);
  queue.put_bytes("small");
  {
    const auto first = queue.receive();
    CHECK_THROWS_AS(queue.put_bytes(item, kNow), Full);  // it still lies there
  }
  queue.put_bytes(item, kNow);
}

TEST_CASE("Queue: what is written into a loan is got where it was written") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<std::string> queue({.maxsize = 2, .transport = transport});
  const auto write = [](Queue<std::string>::Loan& loan, char byte) {
    std::memset(loan.bytes().data(), byte, loan.bytes().size());
  };
  for (const size_t size : {size_t{0}, size_t{100}, size_t{70'000}, size_t{6'220'800}}) {
    CAPTURE(size);
    auto first = queue.loan(size);
    auto second = queue.loan(size);
    REQUIRE(first.bytes().size() == size);
    write(first, '1');
    write(second, '2');
    CHECK(queue.empty());  // until it is put
    second.put();
    first.put();
    CHECK_THROWS_AS(first.put(), Invalid);
    auto third = queue.loan(size);
    write(third, '3');
    CHECK_THROWS_AS(third.put(kShort), Full);  // maxsize
    CHECK((queue.receive().bytes() == std::string(size, '2')));
    third.put(kNow);
    CHECK((queue.receive().bytes() == std::string(size, '1')));
    CHECK((queue.receive().bytes() == std::string(size, '3')));
    CHECK(queue.empty());
  }
}

TEST_CASE("Queue: a loan that ends unput gives its memory back") {
  Queue<std::string> queue;
  const size_t size = size_t{500} << 20;  // two fill the queue
  for (int i = 0; i < 2; ++i) {
    const auto one = queue.loan(size, kNow);
    auto other = queue.loan(size, kNow);
    const auto moved = std::move(other);
    CHECK_THROWS_AS(queue.loan(size, kShort), Full);
    CHECK_THROWS_AS(queue.put_bytes(std::string(size_t{130} << 20, 'x'), kNow), Full);
  }
  CHECK(queue.empty());
  CHECK_THROWS_AS(queue.loan((size_t{1} << 30) + 1), NotSerialisable);
  queue.shutdown();
  CHECK_THROWS_AS(queue.loan(size), Closed);
}

TEST_CASE("Queue: an object that is closed is Closed and other copies are not") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<int> queue({.transport = transport});
  Queue<int> copy = queue;
  queue.put(1);
  queue.close();
  queue.close();
  CHECK_THROWS_AS(queue.put(2), Closed);
  CHECK_THROWS_AS(queue.get(), Closed);
  CHECK_THROWS_AS(queue.qsize(), Closed);
  CHECK_THROWS_AS(queue.handle(), Closed);
  CHECK(copy.get() == 1);
}

TEST_CASE("Queue: nothing can be done with an object that is closed") {
  const Transport transport = GENERATE(from_range(transports()));
  JoinableQueue<int> queue({.maxsize = 3, .transport = transport});
  const JoinableQueue<int> copy = queue;
  queue.put(1);
  queue.get();
  queue.close();
  CHECK_THROWS_WITH(queue.task_done(), Catch::Contains("task_done") && Catch::Contains("closed"));
  CHECK_THROWS_AS(queue.task_done(), Closed);
  CHECK_THROWS_AS(queue.join(), Closed);
  CHECK_THROWS_AS(queue.join(kNow), Closed);
  CHECK_THROWS_AS(queue.poll(), Closed);
  CHECK_THROWS_AS(queue.poll(kForever), Closed);
  CHECK_THROWS_AS(queue.empty(), Closed);
  CHECK_THROWS_AS(queue.full(), Closed);
  CHECK_THROWS_AS(queue.shutdown(), Closed);
  CHECK_THROWS_AS(queue.flush(), Closed);
  CHECK_THROWS_AS(queue.fileno(), Closed);
  CHECK_THROWS_AS(queue.put_nowait(2), Closed);
  CHECK_THROWS_AS(queue.put_bytes("2"), Closed);
  CHECK_THROWS_AS(queue.get_nowait(), Closed);
  CHECK_THROWS_AS(queue.receive(), Closed);
  CHECK_THROWS_AS(to_bytes(queue), Closed);  // nor can it be sent
  // It is not shut down, and what was got is not done.
  JoinableQueue<int> other = copy;
  other.put(2);
  CHECK_FALSE(other.join(kNow));
  other.task_done();
  CHECK(other.get(kSoon) == 2);
  other.task_done();
  CHECK(other.join(kSoon));
  SimpleQueue<int> simple(transport);
  simple.close();
  CHECK_THROWS_AS(simple.put(1), Closed);
  CHECK_THROWS_AS(simple.get(), Closed);
}

TEST_CASE("Queue: shut down it gives what is in it and takes no more") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<int> queue({.maxsize = 1, .transport = transport});
  queue.put(1);
  bool put_closed = false, get_ended = false;
  std::thread putter([&] {
    try {
      queue.put(2);
    } catch (const Closed&) {
      put_closed = true;
    }
  });
  Queue<int> empty({.transport = transport});
  std::thread getter([&] {
    try {
      empty.get();
    } catch (const EndOfStream&) {
      get_ended = true;
    }
  });
  queue.shutdown();
  empty.shutdown();
  putter.join();
  getter.join();
  CHECK(put_closed);
  CHECK(get_ended);
  CHECK_THROWS_AS(queue.put(3), Closed);
  CHECK(queue.get() == 1);
  CHECK_THROWS_AS(queue.get(), EndOfStream);
  CHECK(queue.poll());
}

TEST_CASE("Queue: threads share an object and lose nothing") {
  const Transport transport = GENERATE(from_range(transports()));
  constexpr int kThreads = 4;
  constexpr int kEach = 5'000;
  Queue<int> queue({.maxsize = 50, .transport = transport});
  std::vector<std::thread> threads;
  std::vector<std::vector<int>> got(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&queue, t] {
      for (int i = 0; i < kEach; ++i) queue.put(t * kEach + i);
    });
    threads.emplace_back([&queue, &mine = got[static_cast<size_t>(t)]] {
      for (int i = 0; i < kEach; ++i) mine.push_back(queue.get());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<int> all;
  for (const std::vector<int>& some : got) {
    std::array<int, kThreads> last;
    last.fill(-1);
    for (const int item : some) {
      int& before = last[static_cast<size_t>(item / kEach)];
      CHECK(item > before);  // the order of one putter, as each getter sees it
      before = item;
    }
    all.insert(some.begin(), some.end());
  }
  CHECK(all.size() == kThreads * kEach);
  CHECK(queue.empty());
}

TEST_CASE("Queue: its descriptor is readable while there is something to get") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<int> queue({.transport = transport});
  queue.put(1);
  const int fd = queue.fileno();
  CHECK(queue.fileno() == fd);
  CHECK(wait_readable(fd, kNow));
  queue.put(2);
  queue.get();
  CHECK(wait_readable(fd, transport == Transport::kZeroMq ? kSoon : kNow));
  queue.get();
  CHECK_FALSE(wait_readable(fd, kNow));
  CHECK_FALSE(queue.poll());
  CHECK_FALSE(queue.poll(kShort));
  std::thread putter([&queue] { queue.put(3); });
  CHECK(wait_readable(fd, kSoon));
  CHECK(queue.poll(kSoon));
  putter.join();
  queue.get();
  CHECK_FALSE(wait_readable(fd, kNow));
  queue.shutdown();
  CHECK(wait_readable(fd, kNow));
}

TEST_CASE("Queue: memory that was overwritten is Invalid and no crash") {
  const auto overwrite = [](const Queue<std::string>& queue, uint64_t at, std::string_view bytes) {
    const UniqueFd file(::open((queue.handle().path() + ".items").c_str(), O_WRONLY | O_CLOEXEC));
    REQUIRE(::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
            static_cast<ssize_t>(bytes.size()));
  };
  for (const std::string& head : {std::string(8, '\xff'), std::string("\0\1\0\0\0\0\0\0", 8),
                                  std::string("\0\0\0\0\7\0\0\0", 8)}) {
    Queue<std::string> queue;
    queue.put("first");
    overwrite(queue, QueueMemory::kStreamAt, head);
    CHECK_THROWS_AS(queue.get(kNow), Invalid);
  }
  JoinableQueue<std::string> queue;
  queue.put("first");
  overwrite(queue, QueueMemory::kTableAt, std::string(40, '\x7f'));
  CHECK_THROWS_AS(queue.get(kNow), Invalid);
}

TEST_CASE("Queue: can be waited for beside others") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<int> queue({.transport = transport}), other({.transport = transport});
  const PipeEnds pipe;
  CHECK(wait({queue, other, pipe.read.get()}, kShort).empty());
  other.put(1);
  CHECK(wait({queue, other, pipe.read.get()}, kSoon) == std::vector<size_t>{1});
  queue.put(2);
  write_text(pipe.write.get(), ".");
  CHECK(wait({queue, other, pipe.read.get()}, kSoon) == std::vector<size_t>{0, 1, 2});
  CHECK(other.get() == 1);
  CHECK(wait({other}, kNow).empty());
  CHECK(wait({queue}, kNow) == std::vector<size_t>{0});
}

TEST_CASE("Queue: it ends with the last copy in the process that made it") {
  const Transport transport = GENERATE(from_range(transports()));
  const size_t before = queue_files();
  std::optional<Queue<int>> queue(QueueOptions{.transport = transport});
  queue->fileno();
  CHECK(queue_files() == before + (transport == Transport::kZeroMq ? 1 : 3));
  const Handle handle = queue->handle();
  std::optional<Queue<int>> copy = Queue<int>::open(handle);
  queue.reset();
  copy->put(1);
  CHECK(copy->get() == 1);
  copy.reset();
  CHECK(queue_files() == before);
  CHECK_THROWS_AS(Queue<int>::open(handle), Closed);
  CHECK_THROWS_AS(Queue<int>::open({handle.session, "lock-1-1"}), Invalid);
}

TEST_CASE("SimpleQueue: empty is true then false then true") {
  const Transport transport = GENERATE(from_range(transports()));
  SimpleQueue<std::string> queue(transport);
  CHECK(queue.empty());
  queue.put("x");
  CHECK_FALSE(queue.empty());
  CHECK(queue.get() == "x");
  CHECK(queue.empty());
  queue.close();
  queue.close();
  CHECK_THROWS_AS(queue.empty(), Closed);
}
