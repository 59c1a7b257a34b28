#include <list>
#include <ranges>
#include <set>
#include <tuple>

#include "helpers.h"
#include "towpath/process/forkserver.h"

using namespace towpath;

namespace {

struct Point {
  int x = 0, y = 0;
  TOWPATH_FIELDS(x, y)
  bool operator==(const Point&) const = default;
};
Point mirrored(const Point& p) { return {p.y, p.x}; }
std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}
void nothing(int) {}

int fails_at_five(int x) {
  if (x == 5) throw std::out_of_range("five");
  return x;
}

int descend(int depth) {
  Pool pool(1);
  return pool.apply(descend, depth + 1);
}

// Can't be written once it holds 7, nor read once it holds 9.
struct Odd {
  int value = 0;
};
Odd odd(int value) { return {value}; }
int even(const Odd& value) { return value.value; }

}  // namespace

template <>
struct towpath::Codec<Odd> {
  static void write(Encoder& out, const Odd& it) {
    out.array(2);
    out.integer(it.value);
    if (it.value == 7) throw NotSerialisable("seven can't travel");
    out.integer(it.value);
  }
  static Odd read(Decoder& in) {
    in.array(2);
    const auto value = static_cast<int>(in.integer());
    if (value == 9) throw Invalid("nine can't be read");
    in.integer();
    return {value};
  }
};

TEST_CASE("Pool: map gives results in input order") {
  Pool pool(2);
  CHECK(pool.map(square, numbers(10)) == std::vector<int64_t>{0, 1, 4, 9, 16, 25, 36, 49, 64, 81});
  const auto many = pool.map(square, std::views::iota(int64_t{0}, int64_t{200'000}));
  REQUIRE(many.size() == 200'000);
  for (size_t i = 0; i < many.size(); ++i) REQUIRE(many[i] == static_cast<int64_t>(i * i));
  CHECK(pool.map(square, std::vector<int64_t>{}).empty());
}

TEST_CASE("Pool: map and starmap in chunks give the serial results") {
  Pool pool(3);
  for (const size_t chunk : {0, 1, 7, 20, 1000}) {
    CAPTURE(chunk);
    const auto squares = pool.map(square, numbers(100), chunk);
    for (size_t i = 0; i < 100; ++i) REQUIRE(squares[i] == static_cast<int64_t>(i * i));
    const std::vector<std::pair<std::string, int>> input(50, {"ab", 3});
    CHECK(pool.starmap(repeated, input, chunk) == std::vector<std::string>(50, "ababab"));
  }
}

TEST_CASE("Pool: structs and text and functions without a result travel") {
  Pool pool(2);
  CHECK(pool.apply(mirrored, Point{1, 2}) == Point{2, 1});
  CHECK(pool.apply(repeated, "xy", 2) == "xyxy");
  CHECK(pool.apply([](int a, int b) { return a - b; }, 5, 3) == 2);
  pool.apply(nothing, 1);
  pool.map(nothing, std::vector<int>{1, 2, 3});
  const std::string large(10'000'000, 'x');
  CHECK(pool.apply([](const std::string& text) { return text + "!"; }, large) == large + "!");
  CHECK(pool.map([](const std::string& text) { return text.size(); },
                 std::vector<std::string>(20, std::string(100'000, 'y'))) ==
        std::vector<size_t>(20, 100'000));
}

TEST_CASE("Pool: several functions at once keep apart") {
  Pool pool(2);
  std::vector<Future<int64_t>> squares;
  std::vector<Future<std::string>> texts;
  for (int i = 0; i < 300; ++i) {
    squares.push_back(pool.apply_async(square, i));
    texts.push_back(pool.apply_async(repeated, "a", i % 5));
  }
  for (int i = 0; i < 300; ++i) {
    CHECK(squares[static_cast<size_t>(i)].get(kSoon) == i * i);
    CHECK(texts[static_cast<size_t>(i)].get(kSoon) == std::string(static_cast<size_t>(i % 5), 'a'));
  }
}

TEST_CASE("Pool: two workers work at once") {
  Pool pool(2);
  auto first = pool.apply_async(own_pid);
  const auto pids = pool.map(
      [](int) {
        std::this_thread::sleep_for(Millis{30});
        return ::getpid();
      },
      std::vector<int>(6));
  CHECK(std::set<int>(pids.begin(), pids.end()).size() == 2);
  CHECK(first.get() != ::getpid());
}

TEST_CASE("Pool: imap keeps the order and unordered has the same results") {
  Pool pool(2);
  int64_t next = 0;
  for (const int64_t each : pool.imap(square, numbers(5000))) {
    REQUIRE(each == next * next);
    ++next;
  }
  CHECK(next == 5000);
  std::multiset<int64_t> found;
  auto results = pool.imap_unordered(square, numbers(5000));
  while (const auto each = results.next(kSoon)) {
    REQUIRE(*each == static_cast<int64_t>(results.index() * results.index()));
    found.insert(*each);
  }
  CHECK(found.size() == 5000);
  CHECK_FALSE(results.next());
}

TEST_CASE("Pool: imap pulls no more input than it was told") {
  Pool pool(2);
  int64_t pulled = 0;
  const auto endless = std::views::iota(int64_t{0}) | std::views::transform([&](int64_t i) {
                         ++pulled;
                         return i;
                       });
  auto results = pool.imap(square, endless, 4);
  CHECK(pulled == 0);
  for (int64_t taken = 0; taken < 100; ++taken) {
    CHECK(results.next(kSoon) == taken * taken);
    CHECK(pulled <= taken + 4);
  }
}

TEST_CASE("Pool: imap over an endless input can be left") {
  Pool pool(2);
  int64_t sum = 0;
  for (const int64_t each : pool.imap(square, std::views::iota(int64_t{0}))) {
    sum += each;
    if (each == 10'000) break;
  }
  CHECK(sum == 338'350);
  CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("Pool: an exception of the input comes after the results before it") {
  Pool pool(2);
  const auto input = std::views::iota(0) | std::views::transform([](int i) -> int64_t {
                       if (i == 3) throw std::domain_error("third");
                       return i;
                     });
  auto results = pool.imap(square, input);
  for (int64_t i = 0; i < 3; ++i) CHECK(results.next(kSoon) == i * i);
  CHECK_THROWS_AS(results.next(kSoon), std::domain_error);
  CHECK_THROWS_AS(pool.map(square, input), std::domain_error);
  CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("Pool: an exception of the input comes once out of results in any order, too") {
  Pool pool(2);
  const auto input = std::views::iota(0) | std::views::transform([](int i) -> int64_t {
                       if (i == 3) throw std::domain_error("third");
                       return i;
                     });
  auto results = pool.imap_unordered(square, input);
  std::multiset<int64_t> found;
  int thrown = 0;
  for (;;) {
    try {
      const auto each = results.next(kSoon);
      if (!each) break;
      found.insert(*each);
    } catch (const std::domain_error&) {
      ++thrown;
    }
  }
  CHECK(found == std::multiset<int64_t>{0, 1, 4});
  CHECK(thrown == 1);
}

TEST_CASE("Pool: what only a Process can be given is no task's argument") {
  Pool pool(1);
  CHECK_THROWS_AS(pool.apply([](Descriptor) {}, Descriptor{0}), NotSerialisable);
  auto [mine, its] = Pipe();
  CHECK_THROWS_AS(pool.apply([](Connection) {}, std::move(its)), NotSerialisable);
  CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("Pool: a task's exception comes out of its own place") {
  Pool pool(2);
  auto results = pool.imap(fails_at_five, std::views::iota(0, 8));
  std::vector<int> good;
  for (auto it = results.begin(); it != results.end(); ++it) {
    try {
      good.push_back(*it);
    } catch (const std::out_of_range& error) {
      CHECK(std::string(error.what()) == "five");
      REQUIRE(remote_of(error));
      CHECK(remote_of(error)->task == 5);
      CHECK(remote_of(error)->worker.find("#") != std::string::npos);
      CHECK(results.index() == 5);
    }
  }
  CHECK(good == std::vector<int>{0, 1, 2, 3, 4, 6, 7});
  CHECK_THROWS_AS(pool.map(fails_at_five, std::views::iota(0, 1000)), std::out_of_range);
  CHECK_THROWS_AS(pool.map_async(fails_at_five, std::views::iota(0, 10)).get(), std::out_of_range);
}

TEST_CASE("Pool: what can't be encoded or decoded fails its own task only") {
  Pool pool(2);
  const auto pids = pool.processes();
  SECTION("a result") {
    auto results = pool.imap(odd, std::views::iota(5, 12));
    std::vector<int> good;
    std::vector<std::string> bad;
    for (auto it = results.begin(); it != results.end(); ++it) {
      try {
        good.push_back((*it).value);
      } catch (const Invalid& error) {
        bad.emplace_back(error.what());
      }
    }
    CHECK(good == std::vector<int>{5, 6, 8, 10, 11});
    CHECK(bad == std::vector<std::string>{"seven can't travel", "nine can't be read"});
  }
  SECTION("an argument there") {
    auto results = pool.imap(even, std::vector<Odd>{{8}, {9}, {10}});
    CHECK(results.next(kSoon) == 8);
    CHECK_THROWS_AS(results.next(kSoon), Invalid);
    CHECK(results.next(kSoon) == 10);
  }
  SECTION("an argument here") {
    CHECK_THROWS_AS(pool.apply(even, Odd{7}), NotSerialisable);
    auto results = pool.imap(even, std::vector<Odd>{{5}, {6}, {7}, {8}});
    CHECK(results.next(kSoon) == 5);
    CHECK(results.next(kSoon) == 6);
    CHECK_THROWS_AS(results.next(kSoon), NotSerialisable);
  }
  SECTION("twenty in a row") {
    for (int i = 0; i < 20; ++i) CHECK_THROWS_AS(pool.apply(odd, 7), NotSerialisable);
  }
  REQUIRE(pool.processes().size() == 2);
  CHECK(pool.processes()[0].pid == pids[0].pid);
  CHECK(pool.processes()[1].pid == pids[1].pid);
}

TEST_CASE("Pool: map_async reads its input at once") {
  Pool pool(2);
  std::list<int64_t> input{1, 2, 3};
  auto future = pool.map_async(square, input);
  input.clear();
  CHECK(future.get(kSoon) == std::vector<int64_t>{1, 4, 9});
  CHECK(pool.map_async(square, input).get(kSoon).empty());
  CHECK(pool.map_async(square, numbers(100'000)).get(kSoon).back() == 99'999LL * 99'999);
  pool.map_async(nothing, std::vector<int>{1, 2}).get(kSoon);
  CHECK(
      pool.starmap_async(repeated, std::vector{std::tuple{"a", 1}, std::tuple{"b", 2}}, 2).get() ==
      std::vector<std::string>{"a", "bb"});
}

TEST_CASE("Pool: a quick result does not wait for a slow neighbour") {
  Pool pool(1);
  const auto task = [](int64_t x) {
    if (x == 3) stay();
    return x;
  };
  pool.map(task, std::vector<int64_t>(10'000));  // so quick that many travel together
  auto results = pool.imap(task, std::views::iota(int64_t{0}, int64_t{8}));
  for (int64_t i = 0; i < 3; ++i) CHECK(results.next(kSoon) == i);
}

TEST_CASE("Pool: what a busy worker has not begun goes to an idle one") {
  Pool pool(2);
  const auto task = [](int64_t x) {
    if (x == 10) stay();
    return x;
  };
  pool.map(task, std::vector<int64_t>(20'000));  // measured as quick
  std::vector<Future<int64_t>> futures;
  for (int64_t i = 0; i < 200; ++i) futures.push_back(pool.apply_async(task, i));
  for (int64_t i = 0; i < 200; ++i) {
    if (i != 10) CHECK(futures[static_cast<size_t>(i)].get(kSoon) == i);
  }
  CHECK(futures[10].running());
  CHECK(futures[10].kill());
}

TEST_CASE("Pool: after close it takes nothing more and does what it has") {
  Pool pool(2);
  CHECK_THROWS_AS(pool.join(), Invalid);
  std::vector<Future<int64_t>> futures;
  for (int i = 0; i < 50; ++i) futures.push_back(pool.apply_async(square, i));
  pool.close();
  CHECK_THROWS_AS(pool.apply_async(square, 1), Closed);
  REQUIRE(pool.join(kSoon));
  for (int i = 0; i < 50; ++i) CHECK(futures[static_cast<size_t>(i)].get(Millis{0}) == i * i);
  CHECK(pool.processes().empty());
  pool.close();
  CHECK(pool.join(kSoon));
}

TEST_CASE("Pool: nested pools share the cores of the outer one") {
  Pool pool(2);
  const int whole = cores_of_pools();
  const auto inner = [](int64_t x) {
    Pool nested;
    return std::vector<int64_t>{nested.workers(), nested.apply(square, x), cores_of_pools()};
  };
  const int share = std::max(1, whole / 2);
  CHECK(pool.apply(inner, 4) == std::vector<int64_t>{share, 16, share});
}

TEST_CASE("Pool: a worker's libraries are told of its share of the cores") {
  const auto told = [](const std::string& name) {
    const char* text = std::getenv(name.c_str());
    return std::string(text == nullptr ? "unset" : text);
  };
  ::unsetenv("OMP_NUM_THREADS");
  ::unsetenv("OPENBLAS_NUM_THREADS");
  const std::string share = std::to_string(std::max(1, cores_of_pools() / 2));
  for (const Method method : {Method::kForkserver, Method::kSpawn}) {
    CAPTURE(method_name(method));
    Forkserver::of_this_process().warm_up();  // it has the environment of its beginning
    ::setenv("MKL_NUM_THREADS", "17", 1);
    Pool pool(PoolOptions{.workers = 2, .method = method, .env = {{"OPENBLAS_NUM_THREADS", "18"}}});
    CHECK(pool.apply(told, "OMP_NUM_THREADS") == share);
    CHECK(pool.apply(told, "TOWPATH_CORES") == share);
    CHECK(pool.apply(told, "MKL_NUM_THREADS") == "17");
    CHECK(pool.apply(told, "OPENBLAS_NUM_THREADS") == "18");
    ::unsetenv("MKL_NUM_THREADS");
  }
  Pool one(1);
  CHECK(one.apply(told, "OMP_NUM_THREADS") == std::to_string(cores_of_pools()));
  // What a worker was given is no wish of the user's: of it its own pools have their shares.
  const auto told_below = [](int workers) {
    Pool inner(workers);
    return inner.apply([] { return std::string(std::getenv("OMP_NUM_THREADS")); });
  };
  CHECK(one.apply(told_below, cores_of_pools()) == "1");
  // But what the user has set is, also where it happens to be that share.
  const std::string all = std::to_string(cores_of_pools());
  const auto told_mkl = [](int workers) {
    Pool inner(workers);
    return inner.apply([] { return std::string(std::getenv("MKL_NUM_THREADS")); });
  };
  Pool of_options(PoolOptions{.workers = 1, .env = {{"MKL_NUM_THREADS", all}}});
  CHECK(of_options.apply(told_mkl, cores_of_pools()) == all);
  ::setenv("MKL_NUM_THREADS", all.c_str(), 1);
  Pool of_environment(1);
  CHECK(of_environment.apply(told_mkl, cores_of_pools()) == all);
  ::unsetenv("MKL_NUM_THREADS");
}

TEST_CASE("Pool: a task that makes pools of itself without end is stopped") {
  Pool pool(1);
  CHECK_THAT(message_of<Invalid>([&] { pool.apply(descend, 0); }),
             Catch::Contains("within 10 others"));
}

TEST_CASE("Pool: an exception from a worker says where it was thrown") {
  Pool pool(1);
  try {
    pool.apply(fails_at_five, 5);
    FAIL("it did not throw");
  } catch (const std::out_of_range& error) {
    const RemoteTrace* trace = remote_of(error);
    REQUIRE(trace);
    CHECK(trace->type == "std::out_of_range");
    CHECK_THAT(trace->trace, Catch::Contains("fails_at_five") && Catch::Contains("pool_test.cc:"));
    CHECK_THAT(trace->worker, Catch::Contains(pool.processes().at(0).name));
  }
  const auto nested = [](int x) {
    Pool inner(1);
    return inner.apply(fails_at_five, x);
  };
  try {
    pool.apply(nested, 5);
  } catch (const std::out_of_range& error) {
    REQUIRE(remote_of(error));
    CHECK_THAT(remote_of(error)->trace, Catch::Contains("fails_at_five"));
    CHECK(std::ranges::count(remote_of(error)->worker, '#') == 2);  // the innermost
  }
}

TEST_CASE("Pool: its workers have names and the environment they were given") {
  Pool pool(PoolOptions{.workers = 1, .name = "dyes", .env = {{"COLOUR", "blue"}}});
  CHECK(pool.apply([] { return std::string(std::getenv("COLOUR")); }) == "blue");
  CHECK(pool.processes().at(0).name == "dyes#1");
  CHECK(pool.processes().at(0).pid == pool.apply(own_pid));
}
