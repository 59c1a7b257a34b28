#include <climits>
#include <deque>
#include <filesystem>
#include <set>
#include <variant>

#include "helpers.h"

using namespace towpath;

// Names that programs have: with `using namespace towpath` they are the program's.
namespace {

int stop = 0, pool = 0, queue = 0, array = 0, call = 0;

int successor(int x) noexcept { return x + 1; }
int sum(int a, int b) { return a + b; }
size_t size_of(std::string_view text) { return text.size(); }
uint64_t as_unsigned(uint64_t x) { return x; }
char as_character(char c) { return c; }
double half(double x) { return x / 2; }
std::vector<int> reversed(std::vector<int> all) {
  std::ranges::reverse(all);
  return all;
}
std::variant<int, std::string> either(const std::set<char>& letters, const std::deque<int>& numbers,
                                      const std::filesystem::path& path) {
  if (numbers.empty()) return static_cast<int>(letters.size());
  return path.filename().string();
}
void throw_number() { throw 42; }
void throw_number_of(int x) { throw x; }

}  // namespace

TEST_CASE("Pool: functions and lambdas that are noexcept are tasks") {
  Pool workers(1);
  CHECK(workers.apply(successor, 1) == 2);
  CHECK(workers.apply([](int x) noexcept { return x * 2; }, 3) == 6);
  CHECK(workers.map(&successor, std::vector{1, 2}) == std::vector{2, 3});
  Executor executor(PoolOptions{.workers = 1, .initializer = []() noexcept {}});
  CHECK(executor.submit([]() noexcept { return 7; }).get() == 7);
}

TEST_CASE("Pool: its inputs can stand in braces") {
  Pool workers(2);
  CHECK(workers.map(successor, {1, 2, 3}) == std::vector{2, 3, 4});
  CHECK(workers.map(successor, {}).empty());
  CHECK(workers.map(size_of, {"a", "bcd"}) == std::vector<size_t>{1, 3});
  CHECK(workers.map(half, {1, 2.5}) == std::vector{0.5, 1.25});
  CHECK(workers.map(reversed, {{1, 2}, {3}}) == std::vector<std::vector<int>>{{2, 1}, {3}});
  CHECK(workers.map_async(successor, {4, 5}, 2).get() == std::vector{5, 6});
  CHECK(workers.starmap(sum, {{1, 2}, {3, 4}}) == std::vector{3, 7});
  CHECK(workers.starmap_async(sum, {{1, 2}, {3, 4}}).get() == std::vector{3, 7});
  const auto list = {7, 8};
  CHECK(workers.map(successor, list) == std::vector{8, 9});
  std::vector<int> all;
  for (const int each : workers.imap(successor, {1, 2})) all.push_back(each);
  for (const int each : workers.imap_unordered(successor, {3}, 1)) all.push_back(each);
  CHECK(all == std::vector{2, 3, 4});
  Executor executor(1);
  all.clear();
  for (const int each : executor.map(successor, {1, 2})) all.push_back(each);
  for (const int each : executor.map(successor, {3}, {.chunk = 1})) all.push_back(each);
  CHECK(all == std::vector{2, 3, 4});
}

TEST_CASE("Pool: an integer that its parameter can't hold is refused and not cut") {
  Pool workers(1);
  CHECK(workers.apply(as_unsigned, 5) == 5);  // an int is fine
  CHECK(workers.apply(successor, 5L) == 6);
  CHECK(workers.apply(successor, size_t{5}) == 6);
  CHECK(workers.apply(successor, 'a') == 'b');
  CHECK(workers.apply(as_character, 97) == 'a');
  CHECK(workers.apply(half, 3) == 1.5);
  CHECK_THROWS_AS(workers.apply(successor, 3'000'000'000LL), NotSerialisable);
  CHECK_THROWS_AS(workers.apply(as_unsigned, -1), NotSerialisable);
  CHECK_THROWS_AS(workers.apply(as_character, 1000), NotSerialisable);
  CHECK_THROWS_AS(workers.map(successor, std::vector<int64_t>{1, INT64_MAX}), NotSerialisable);
  CHECK(message_of<NotSerialisable>([&] { workers.apply(successor, 3'000'000'000LL); }) ==
        "the argument 3000000000 does not fit the target's parameter, which is int: take a wider "
        "parameter, or convert it yourself");
  CHECK(workers.apply(successor, 1) == 2);
}

TEST_CASE("Pool: arguments and results are of any type that travels") {
  Pool workers(1);
  using Either = std::variant<int, std::string>;
  CHECK(workers.apply(either, std::set{'a', 'b'}, std::deque<int>{}, "/x") == Either(2));
  CHECK(workers.apply(either, std::set{'a'}, std::deque{1}, "/tmp/file") == Either("file"));
}

TEST_CASE("Pool: what is thrown and is no exception of the standard library has its type told") {
  Pool workers(1);
  CHECK(message_of<RemoteError>([&] {
          workers.apply(throw_number);
        }).starts_with("an exception of type int\n  in "));
  CHECK(message_of<RemoteError>([&] {
          workers.map(throw_number_of, {1});
        }).starts_with("an exception of type int\n"));
  Pool broken(PoolOptions{.workers = 1, .initializer = throw_number});
  const std::string message = message_of<Error>([&] { broken.apply(successor, 1); });
  CAPTURE(message);
  CHECK(message.find("an exception of type int") != std::string::npos);
}

TEST_CASE("Pool: a program that uses the namespace has its own names") {
  CHECK(stop + pool + queue + array + call == 0);
}
