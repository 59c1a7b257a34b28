// The containers of a Manager, and what becomes of their proxies.
#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <future>
#include <thread>

#include "helpers.h"
#include "towpath/channel/queue.h"
#include "towpath/process/remote_error.h"
#include "towpath/shared/manager.h"

using namespace towpath;

namespace {

struct Point {
  int x = 0;
  int y = 0;
  TOWPATH_FIELDS(x, y)
  bool operator==(const Point&) const = default;
};

struct Large {
  std::string text = std::string(size_t{1} << 20, 'x');
  TOWPATH_FIELDS(text)
};

using Pairs = std::vector<std::pair<std::string, int64_t>>;

}  // namespace

TEST_CASE("DictProxy: it does what a dict does") {
  Manager manager;
  auto dict = manager.dict<std::string, int64_t>({{"b", 1}, {"a", 2}});
  CHECK(dict.at("a") == 2);
  dict.set("c", 3);
  dict.set("b", 4);
  CHECK(dict.items() == Pairs{{"b", 4}, {"a", 2}, {"c", 3}});  // as the keys came
  CHECK(dict.keys() == std::vector<std::string>{"b", "a", "c"});
  CHECK(dict.values() == std::vector<int64_t>{4, 2, 3});
  CHECK_THROWS_WITH(dict.at("none"), Catch::Contains("there is no key \"none\""));
  CHECK_THROWS_AS(dict.at("none"), Invalid);
  CHECK_FALSE(dict.find("none"));
  CHECK(dict.find("a") == 2);
  CHECK(dict.get("none", 7) == 7);
  CHECK(dict.setdefault("a", 9) == 2);
  CHECK(dict.setdefault("d", 9) == 9);
  CHECK(dict.contains("d"));
  CHECK(dict.erase("d"));
  CHECK_FALSE(dict.erase("d"));
  CHECK(dict.pop("c") == 3);
  CHECK_FALSE(dict.pop("c"));
  CHECK(dict.popitem() == std::pair<std::string, int64_t>("a", 2));
  CHECK(dict.popitem() == std::pair<std::string, int64_t>("b", 4));
  CHECK_FALSE(dict.popitem());
  dict.update(Pairs{{"b", 4}, {"a", 2}});
  dict.update(std::map<std::string, int>{{"x", 1}, {"y", 2}});
  CHECK(dict.size() == 4);
  CHECK(dict.find_many(std::vector<std::string>{"y", "z", "a"}) ==
        std::vector<std::optional<int64_t>>{2, std::nullopt, 2});
  dict.clear();
  CHECK(dict.empty());
}

TEST_CASE("DictProxy: keys and values of any type that can be sent") {
  Manager manager;
  auto any = manager.dict<Object, Object>();
  any.set(1, "1");
  any.set("2", 2);
  any.set(0.25, nullptr);
  CHECK(any.items() == std::vector<std::pair<Object, Object>>{{1, "1"}, {"2", 2}, {0.25, nullptr}});
  auto points = manager.dict<Point, std::vector<Point>>();
  points.set({1, 2}, {{3, 4}, {5, 6}});
  CHECK(points.at({1, 2})[1] == Point{5, 6});
  CHECK_FALSE(points.find({2, 1}));
  auto optional = manager.dict<int, std::optional<int>>();
  optional.set(1, std::nullopt);
  CHECK(optional.find(1).has_value());
  CHECK_FALSE(optional.find(1)->has_value());
}

TEST_CASE("ListProxy: it does what a list does") {
  Manager manager;
  auto list = manager.list<std::string>({"a", "b"});
  list.append("c");
  list.extend(std::vector<std::string>{"d", "e"});
  CHECK(list.values() == std::vector<std::string>{"a", "b", "c", "d", "e"});
  CHECK(list.at(-1) == "e");
  list.set(0, "A");
  list.insert(1, "x");
  list.insert(100, "end");
  CHECK(list.pop() == "end");
  CHECK(list.pop(1) == "x");
  CHECK(list.slice(-2, 100) == std::vector<std::string>{"d", "e"});
  CHECK(list.slice(3, 1).empty());
  CHECK(list.index("c") == 2);
  CHECK_FALSE(list.index("none"));
  CHECK(list.remove("A"));
  CHECK_FALSE(list.remove("A"));
  CHECK(list.count("b") == 1);
  list.reverse();
  CHECK(list.values() == std::vector<std::string>{"e", "d", "c", "b"});
  list.sort();
  CHECK(list.values() == std::vector<std::string>{"b", "c", "d", "e"});
  list.erase(1);
  list.erase(-1);
  CHECK(list.values() == std::vector<std::string>{"b", "d"});
  CHECK_THROWS_AS(list.erase(2), Invalid);
  list.extend(std::vector<std::string>{"x", "y"});
  CHECK_THROWS_WITH(list.at(4), Catch::Contains("index 4 of a list of 4 items"));
  CHECK_THROWS_AS(list.set(-5, "x"), Invalid);
  list.clear();
  CHECK_THROWS_WITH(list.pop(), Catch::Contains("pop from an empty list"));
  CHECK(list.size() == 0);
}

TEST_CASE("Manager: a child fills dict and list as the example does") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    // A manager's lease has no thread here, so that fork stays possible.
    Manager manager({.method = method});
    auto dict = manager.dict<Object, Object>();
    auto list = manager.list<int>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    Children children;
    children.start(
        method,
        [](DictProxy<Object, Object> d, ListProxy<int> l) {
          d.set(1, "1");
          d.set("2", 2);
          d.set(0.25, nullptr);
          l.reverse();
        },
        dict, list);
    REQUIRE(children.joined());
    CHECK(dict.size() == 3);
    CHECK(dict.at(0.25) == Object());
    CHECK(list.values() == std::vector<int>{9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
  }
}

TEST_CASE("SetProxy and ValueProxy and NamespaceProxy and ArrayProxy: they do what they should") {
  Manager manager;
  auto set = manager.set<int>({3, 1, 3});
  CHECK(set.values() == std::vector<int>{3, 1});
  CHECK(set.add(2));
  CHECK_FALSE(set.add(2));
  CHECK(set.update(std::vector<int>{2, 4, 5}) == 2);
  CHECK(set.contains(4));
  CHECK(set.erase(4));
  CHECK_FALSE(set.erase(4));
  CHECK(set.erase_all(std::vector<int>{5, 6}) == 1);
  CHECK(set.intersection(std::vector<int>{1, 9, 3, 1}) == std::vector<int>{3, 1});
  CHECK(set.difference(std::vector<int>{1, 9}) == std::vector<int>{3, 2});
  CHECK(set.difference(std::vector<int>{}) == std::vector<int>{3, 1, 2});
  CHECK(set.pop() == 3);
  CHECK(set.size() == 2);
  set.clear();
  CHECK_FALSE(set.pop());

  auto value = manager.value<double>(1.5);
  CHECK(value.get() == 1.5);
  value.set(2);
  CHECK(value.get() == 2);
  CHECK(value.update([](double& v) { return v *= 2; }) == 4);
  CHECK(value.update([](double& v) noexcept { return v + 1; }) == 5);

  auto space = manager.name_space();
  space.set("x", 10);
  space.set("name", "text");
  CHECK(space.get<int>("x") == 10);
  CHECK(space.get("name") == Object("text"));
  CHECK_THROWS_AS(space.get<int>("name"), Invalid);
  CHECK_THROWS_WITH(space.get("y"), Catch::Contains("there is no key \"y\""));
  CHECK(space.names() == std::vector<std::string>{"x", "name"});
  CHECK(space.erase("x"));
  CHECK_FALSE(space.has("x"));
  space.update("times", [](int64_t& n) { ++n; });
  CHECK(space.get<int>("times") == 1);

  auto zeros = manager.array<int64_t>(5);
  CHECK(zeros.values() == std::vector<int64_t>(5));
  zeros.set(-1, 7);
  CHECK(zeros.get(4) == 7);
  CHECK(zeros.size() == 5);
  CHECK(zeros.update(
            4, [](int64_t& n, int64_t by) { return n += by; }, 3) == 10);
  CHECK(manager.array<int>(std::vector<int>{1, 2}).values() == std::vector<int>{1, 2});
  CHECK_THROWS_AS(manager.array<int>(-1), Invalid);
}

TEST_CASE("DictProxy: no update is lost") {
  Manager manager;
  auto counts = manager.dict<std::string, int64_t>();
  const auto add = [](DictProxy<std::string, int64_t> dict) {
    for (int i = 0; i < 200; ++i)
      dict.update(
          "n", [](int64_t& n, int64_t by) { n += by; }, int64_t{2});
  };
  Children children;
  for (int i = 0; i < 3; ++i) children.start(Method::kForkserver, add, counts);
  std::thread beside([counts, add] { add(counts); });
  add(counts);
  beside.join();
  REQUIRE(children.joined());
  CHECK(counts.at("n") == 2000);
}

TEST_CASE("Proxy: an update that throws changes nothing and its error arrives whole") {
  Manager manager({.name = "keeper of counts"});
  auto dict = manager.dict<std::string, std::string>({{"a", "old"}});
  try {
    dict.update("a", [](std::string& text) {
      text = "new";
      throw std::out_of_range("no such row");
    });
    FAIL("nothing was thrown");
  } catch (const std::out_of_range& error) {
    const RemoteTrace* remote = remote_of(error);
    REQUIRE(remote != nullptr);
    CHECK(remote->type == "std::out_of_range");
    CHECK(remote->message == "no such row");
    CHECK_THAT(remote->worker, Catch::Contains("keeper of counts (pid "));
    CHECK_THAT(remote->trace, Catch::Contains("proxy_test.cc"));
  }
  CHECK(dict.at("a") == "old");
  auto list = manager.list<int>({3, 1, 2});
  CHECK_THROWS_AS(list.update([](std::vector<int>& all) { all.clear(), throw 5; }), RemoteError);
  list.update([](std::vector<int>& all) { std::ranges::sort(all); });
  CHECK(list.values() == std::vector<int>{1, 2, 3});
  CHECK(list.update(
            1, [](int& n, int by, const std::string& why) { return why + std::to_string(n += by); },
            40, "now ") == "now 42");
  CHECK(dict.update("new", [](std::string& text) { return text.size(); }) == 0);
  CHECK(dict.contains("new"));
}

TEST_CASE("Proxy: an object lives until its last proxy is gone") {
  Manager manager({.transit = Millis{0}});
  CHECK(has_objects(manager, 0));
  {
    auto list = manager.list<int>();
    auto same = list;
    const auto dict = manager.dict<int, int>();
    CHECK(has_objects(manager, 2));
    CHECK(same == list);
    CHECK(list.id() != dict.id());
    list = manager.list<int>();
    CHECK(has_objects(manager, 3));
    same = list;
    CHECK(has_objects(manager, 2));
  }
  CHECK(has_objects(manager, 0));
}

TEST_CASE("Proxy: a proxy in an object keeps what it names and can be changed through it") {
  Manager manager;
  auto outer = manager.dict<std::string, ListProxy<int>>();
  {
    auto inner = manager.list<int>({1});
    outer.set("a", inner);
    outer.set("b", inner);
  }
  CHECK(has_objects(manager, 2));
  outer.update("a", [](ListProxy<int>& it) { it.append(2); });
  CHECK(outer.at("b").values() == std::vector<int>{1, 2});
  CHECK(outer.items()[0].second == outer.at("b"));
  auto lists = manager.list<std::vector<ListProxy<int>>>();
  lists.append({outer.at("a"), manager.list<int>({7})});
  CHECK(lists.at(0)[1].at(0) == 7);
  CHECK(has_objects(manager, 4));
  // An update in the manager sees the proxies, too, and may put others there.
  CHECK_THROWS_WITH(outer.update("c", [](ListProxy<int>&) {}),
                    Catch::Contains("there is no such key"));
  auto names = manager.dict<std::string, std::optional<ListProxy<int>>>();
  names.set("x", std::nullopt);
  names.update(
      "x", [](std::optional<ListProxy<int>>& it, ListProxy<int> other) { it = other; },
      outer.at("a"));
  CHECK(names.at("x")->size() == 2);
  names.update("x", [](std::optional<ListProxy<int>>& it) { it->append(3); });
  CHECK(outer.at("a").size() == 3);
}

TEST_CASE("Proxy: what is taken out of objects ends with its last proxy") {
  Manager manager({.transit = Millis{0}});
  auto outer = manager.dict<int, ListProxy<int>>();
  outer.set(1, manager.list<int>());
  outer.set(2, manager.list<int>());
  auto queue = manager.queue<ListProxy<int>>();
  queue.put(manager.list<int>());
  auto list = manager.list<ListProxy<int>>({manager.list<int>()});
  CHECK(has_objects(manager, 7));
  outer.erase(1);
  CHECK(has_objects(manager, 6));
  outer.set(2, manager.list<int>());
  CHECK(has_objects(manager, 6));
  outer.clear();
  CHECK(has_objects(manager, 5));
  list.clear();
  CHECK(has_objects(manager, 4));
}

TEST_CASE("Proxy: it travels through queues and pipes and outlives its sender on the way") {
  Manager manager;
  Queue<ListProxy<std::string>> queue;
  Children children;
  children.start(
      Method::kForkserver,
      [](std::string address, Queue<ListProxy<std::string>> out) {
        Manager there = Manager::connect(address);
        out.put(there.list<std::string>({"from a child"}));
      },
      manager.address(), queue);
  REQUIRE(children.joined());
  auto list = queue.get(kSoon);
  CHECK(list.at(0) == "from a child");
  auto [left, right] = Pipe();
  left.send(list);
  CHECK(right.recv<ListProxy<std::string>>() == list);
  CHECK_THROWS_WITH((from_bytes<DictProxy<int, int>>(to_bytes(list))),
                    Catch::Contains("a proxy of a list was sent where one of a dict is received"));
}

TEST_CASE("Proxy: once its time on the way has passed it does not count") {
  Manager manager({.transit = Millis{1}});
  std::string sent;
  {
    const auto list = manager.list<int>({1});
    sent = to_bytes(list);
    CHECK(from_bytes<ListProxy<int>>(sent).size() == 1);
  }
  CHECK(has_objects(manager, 0));
  CHECK_THROWS_AS(from_bytes<ListProxy<int>>(sent), Closed);
  CHECK_THROWS_WITH(from_bytes<ListProxy<int>>(sent), Catch::Contains("is gone"));
}

TEST_CASE("Proxy: results and arguments of another type are Invalid and hurt nothing") {
  Manager manager;
  auto dict = manager.dict<std::string, int>({{"a", 1}});
  const auto wrong = from_bytes<DictProxy<std::string, std::string>>(to_bytes(dict));
  CHECK_THROWS_AS(wrong.at("a"), Invalid);
  CHECK(dict.at("a") == 1);
  auto large = manager.value<std::string>(std::string(size_t{5} << 20, 'x'));
  CHECK(large.get().size() == size_t{5} << 20);
  Manager small({.max_message = 1000});
  auto text = small.value<std::string>();
  CHECK_THROWS_WITH(text.set(std::string(2000, 'x')),
                    Catch::Contains("a request of 20") && Catch::Contains("max_message is 1000"));
  text.set("short");
  CHECK(text.get() == "short");
}

TEST_CASE("Proxy: many proxies are arguments and results in time that grows as they do") {
  Manager manager;
  const auto inner = manager.list<int>({1});
  auto outer = manager.list<ListProxy<int>>();
  const auto begin = Clock::now();
  outer.extend(std::vector<ListProxy<int>>(100'000, inner));
  CHECK(Clock::now() - begin < kSoon / 2);
  CHECK(outer.size() == 100'000);
  CHECK(outer.at(-1) == inner);
}

TEST_CASE("ListProxy: what an update of all left is kept by its items alone") {
  Manager manager({.transit = Millis{0}});
  auto outer = manager.list<ListProxy<int>>();
  for (int i = 0; i < 3; ++i) outer.append(manager.list<int>({i}));
  outer.update([](std::vector<ListProxy<int>>& all) { std::ranges::reverse(all); });
  CHECK(has_objects(manager, 4));
  CHECK(outer.at(0).at(0) == 2);
  CHECK(outer.at(2).at(0) == 0);
  outer.set(0, outer.at(1));
  CHECK(has_objects(manager, 3));
}

TEST_CASE("Proxy: one from elsewhere finds its manager by whatever address that has there") {
  Manager manager;
  const auto list = manager.list<int>({1});
  auto name = from_bytes<managed::ObjectName>(to_bytes(list));
  name.address = "ipc:///as/others/call/it";
  name.sealed_key = "which only they can open";
  const auto received = from_bytes<ListProxy<int>>(to_bytes(name));
  CHECK(received == list);
  CHECK(received.at(0) == 1);
  CHECK(received.manager() == manager.address());
}

TEST_CASE("Proxy: a manager that does not answer holds up no other") {
  Manager stopped, other;
  const auto there = stopped.list<int>({1});
  const auto here = other.list<int>({2});
  const std::string one = to_bytes(there);
  const std::string two = to_bytes(here);
  ::kill(stopped.pid(), SIGSTOP);
  auto sent = std::async(std::launch::async, [&] { return to_bytes(there); });
  auto taken =
      std::async(std::launch::async, [&] { return from_bytes<ListProxy<int>>(one).at(0); });
  auto rest = std::async(std::launch::async, [&] {
    int64_t sum = 0;
    for (int i = 0; i < 2'000; ++i) sum += from_bytes<ListProxy<int>>(two).at(0);
    (void)Manager::connect(other.address(), {}, kSoon);
    return sum;
  });
  const bool in_time = rest.wait_for(kSoon) == std::future_status::ready;
  CHECK_THROWS_AS(Manager::connect(stopped.address(), {}, Millis{20}), Timeout);
  ::kill(stopped.pid(), SIGCONT);
  CHECK(in_time);
  CHECK(rest.get() == 4'000);
  CHECK(sent.get() == one);
  CHECK(taken.get() == 1);
}

TEST_CASE("Proxy: its end waits for no manager and loses nothing when that goes on") {
  Manager manager({.transit = Millis{0}});
  auto lock = manager.lock();
  lock.acquire();
  std::vector<ListProxy<int>> lists;
  for (int i = 0; i < 10; ++i) lists.push_back(manager.list<int>());
  ::kill(manager.pid(), SIGSTOP);
  const auto begin = Clock::now();
  lists.clear();
  CHECK(Clock::now() - begin < kSoon / 4);
  ::kill(manager.pid(), SIGCONT);
  CHECK(has_objects(manager, 1));
  CHECK(lock.locked());
  lock.release();
}

TEST_CASE("Manager: nothing larger than a manager may hold is made of one small item") {
  Manager manager;
  CHECK_THROWS_WITH(manager.array<Large>(10'000'000),
                    Catch::Contains("1073741824 bytes are the most"));
  CHECK(manager.array<char>(1'000'000).size() == 1'000'000);
}
