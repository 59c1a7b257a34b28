// QueueBroker without any process: plays of random events between it and peers that do what
// HubQueue does. What they say to each other is on its way for as long as chance wants.
#include "towpath/channel/queue_broker.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "towpath/base/error.h"

using namespace towpath;

namespace {

using Peer = QueueBroker::Peer;
using Status = QueueBroker::Status;

ItemRun run_of(uint64_t first, uint64_t count) {
  auto memory = std::make_shared<std::string>();
  for (uint64_t i = 0; i < count; ++i) ItemRun::append(*memory, std::to_string(first + i));
  return {memory, *memory, count, 0};
}

uint64_t value_of(const ItemRun& run) { return std::stoull(std::string(run.front())); }

// Writes down what is said to each.
struct Heard final : QueueBroker::Port {
  struct Party {
    std::deque<std::pair<uint64_t, uint64_t>> items;  // number, value
    uint64_t room = 0;
    int empty = 0, ended = 0, denied = 0, told = 0, items_asked = 0, room_asked = 0, finished = 0;
    bool shut = false, paused = false;
    Status last;
  };
  std::map<Peer, Party> all;

  void items(Peer to, const ItemRun& run) override {
    for (ItemRun rest = run; rest.count() > 0; rest.drop_front())
      all[to].items.emplace_back(rest.first(), value_of(rest));
  }
  void nothing(Peer to, uint64_t token, const Status&) override {
    ++(token == 0 ? all[to].ended : all[to].empty);
  }
  void room(Peer to, uint64_t count, uint64_t) override {
    all[to].room += count;
    if (count == 0) ++all[to].denied;
  }
  void status(Peer to, uint64_t token, const Status& status) override {
    all[to].last = status;
    if (token == 0) ++all[to].told;
  }
  void finished(Peer to, uint64_t, bool one_was) override { all[to].finished += one_was ? 1 : -1; }
  void give_back_items(Peer to) override { ++all[to].items_asked; }
  void give_back_room(Peer to) override { ++all[to].room_asked; }
  void shut(Peer to) override { all[to].shut = true; }
  void pause(Peer to, bool paused) override { all[to].paused = paused; }
};

constexpr Peer kA = 1, kB = 2, kC = 3;

struct Stage {
  Heard heard;
  QueueBroker broker;
  explicit Stage(const QueueBroker::Options& options = {}, int peers = 3) : broker(options, heard) {
    for (int peer = 1; peer <= peers; ++peer) broker.join(static_cast<Peer>(peer));
  }
  std::vector<uint64_t> values(Peer peer) {
    std::vector<uint64_t> found;
    for (const auto& [number, value] : heard.all[peer].items) found.push_back(value);
    return found;
  }
};

using Values = std::vector<uint64_t>;

}  // namespace

TEST_CASE("QueueBroker: items go in order to who wants them and no more than wanted") {
  Stage stage;
  stage.broker.put(kA, run_of(0, 10));
  stage.broker.want(kB, 3, 1, 0);
  stage.broker.settle();
  CHECK(stage.values(kB) == Values{0, 1, 2});
  CHECK(stage.broker.status().size == 10);
  stage.broker.got(kB, 2);
  CHECK(stage.broker.status().size == 8);
  stage.broker.want(kC, 100, 0, 0);
  stage.broker.settle();
  CHECK(stage.values(kC) == Values{3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("QueueBroker: who waits comes before who wants some for later") {
  Stage stage;
  stage.broker.want(kB, 100, 0, 0);
  stage.broker.want(kC, 100, 1, 0);
  stage.broker.put(kA, run_of(7, 1));
  stage.broker.settle();
  CHECK(stage.values(kB).empty());
  CHECK(stage.values(kC) == Values{7});
}

TEST_CASE("QueueBroker: what a peer that ended had comes back in order before the rest") {
  Stage stage;
  stage.broker.put(kA, run_of(0, 4));
  stage.broker.want(kB, 4, 1, 0);
  stage.broker.settle();
  stage.broker.got(kB, 1);
  stage.broker.put(kA, run_of(4, 2));
  stage.broker.leave(kB);
  stage.broker.want(kC, 100, 1, 0);
  stage.broker.settle();
  CHECK(stage.values(kC) == Values{1, 2, 3, 4, 5});
}

TEST_CASE("QueueBroker: of a joinable queue what was got and not done comes back too") {
  Stage stage({.joinable = true});
  stage.broker.put(kA, run_of(0, 4));
  stage.broker.want(kB, 4, 1, 0);
  stage.broker.settle();
  stage.broker.got(kB, 3);
  stage.broker.done(kB, 1);
  CHECK(stage.broker.status().unfinished == 3);
  stage.broker.part(kB);  // lets go of the queue, and is there
  CHECK(stage.broker.status().size == 1);
  stage.broker.leave(kB);
  CHECK(stage.broker.status().size == 3);
  stage.broker.want(kC, 100, 1, 0);
  stage.broker.settle();
  CHECK(stage.values(kC) == Values{0, 2, 3});
}

TEST_CASE("QueueBroker: what a peer does not get is asked back for who waits") {
  Stage stage;
  stage.broker.put(kA, run_of(0, 4));
  stage.broker.want(kB, 4, 1, 0);
  stage.broker.settle();
  stage.broker.want(kC, 1, 1, 0);
  stage.broker.settle();
  CHECK(stage.heard.all[kB].items_asked == 1);
  stage.broker.returned(kB, 3);  // one is for its thread that waits
  stage.broker.settle();
  CHECK(stage.values(kC) == Values{1});
  CHECK(stage.heard.all[kB].items_asked == 1);
}

TEST_CASE("QueueBroker: who can't wait is told that there is nothing when nobody has any") {
  Stage stage;
  stage.broker.put(kA, run_of(0, 2));
  stage.broker.want(kB, 2, 0, 0);
  stage.broker.settle();
  stage.broker.want(kC, 1, 0, 5);
  stage.broker.settle();
  CHECK(stage.heard.all[kC].empty == 0);
  stage.broker.got(kB, 2);
  stage.broker.returned(kB, 0);
  stage.broker.settle();
  CHECK(stage.heard.all[kC].empty == 1);
}

TEST_CASE("QueueBroker: room that is not used is asked back before anybody is refused") {
  Stage stage({.maxsize = 4});
  stage.broker.ask_room(kA, 4, 0);
  stage.broker.settle();
  CHECK(stage.heard.all[kA].room == 4);
  stage.broker.put(kA, run_of(0, 1));
  stage.broker.ask_room(kB, 1, 9);
  stage.broker.settle();
  CHECK(stage.heard.all[kA].room_asked == 1);
  CHECK(stage.heard.all[kB].denied == 0);
  stage.broker.room_returned(kA, 3);
  stage.broker.settle();
  CHECK(stage.heard.all[kB].room == 1);
  stage.broker.put(kB, run_of(1, 1));
  stage.broker.ask_room(kC, 10, 8);
  stage.broker.settle();
  CHECK(stage.heard.all[kC].room == 2);
  stage.broker.put(kC, run_of(2, 2));
  stage.broker.ask_room(kC, 1, 10);
  stage.broker.settle();
  CHECK(stage.heard.all[kC].denied == 1);
  stage.broker.ask_room(kA, 1, 0);
  stage.broker.want(kB, 1, 1, 0);
  stage.broker.settle();
  CHECK(stage.heard.all[kA].room == 4);
  stage.broker.got(kB, 1);
  stage.broker.settle();
  CHECK(stage.heard.all[kA].room == 5);
}

TEST_CASE("QueueBroker: putters pause while the items take too much memory") {
  Stage stage({.max_bytes = 1'000});
  stage.broker.put(kA, run_of(0, 300));
  stage.broker.settle();
  CHECK(stage.heard.all[kB].paused);
  stage.broker.want(kB, 300, 1, 0);
  stage.broker.settle();
  stage.broker.got(kB, 250);
  stage.broker.settle();
  CHECK_FALSE(stage.heard.all[kB].paused);
}

TEST_CASE("QueueBroker: who goes on putting in spite of a pause is Invalid") {
  Stage stage;
  const uint64_t each = uint64_t{16} << 20;
  std::string bytes;
  ItemRun::append(bytes, std::string(each - ItemRun::kHead, 'x'));
  const auto memory = std::make_shared<const std::string>(std::move(bytes));
  const auto put = [&](uint64_t total) {
    for (uint64_t done = 0; done < total; done += each) {
      stage.broker.put(kA, ItemRun(memory, *memory, 1, 0));
      stage.broker.settle();
    }
  };
  put(uint64_t{1} << 30);
  CHECK_FALSE(stage.heard.all[kA].paused);
  put(each);
  CHECK(stage.heard.all[kA].paused);
  put(QueueBroker::kMaxBehindPause);  // that may have been on its way
  CHECK_THROWS_AS(put(each), Invalid);
  stage.broker.put(kB, ItemRun(memory, *memory, 1, 0));
}

TEST_CASE("QueueBroker: who asks again and again without an answer is Invalid") {
  Stage stage({.maxsize = 1});
  stage.broker.ask_room(kA, 1, 0);
  stage.broker.settle();
  stage.broker.put(kA, run_of(0, 1));
  for (uint64_t i = 0; i < QueueBroker::kMaxQuestions; ++i) stage.broker.ask_room(kB, 1, 0);
  CHECK_THROWS_AS(stage.broker.ask_room(kB, 1, 0), Invalid);
  stage.broker.ask_room(kC, 1, 0);
  for (uint64_t i = 0; i < QueueBroker::kMaxQuestions; ++i) stage.broker.want(kB, 1, 1, i + 1);
  CHECK_THROWS_AS(stage.broker.want(kB, 1, 1, 1), Invalid);
}

TEST_CASE("QueueBroker: shut down it gives what there is and then says the end") {
  Stage stage;
  stage.broker.put(kA, run_of(0, 1));
  stage.broker.shut_down();
  CHECK(stage.heard.all[kA].shut);
  stage.broker.want(kB, 1, 1, 0);
  stage.broker.want(kC, 1, 1, 0);
  stage.broker.settle();
  CHECK(stage.heard.all[kB].items.size() + stage.heard.all[kC].items.size() == 1);
  CHECK(stage.heard.all[kC].ended == 0);
  stage.broker.got(stage.heard.all[kB].items.empty() ? kC : kB, 1);
  stage.broker.settle();
  CHECK(stage.heard.all[kB].ended + stage.heard.all[kC].ended == 1);
}

TEST_CASE("QueueBroker: tells once when there is something or all is done") {
  Stage stage({.joinable = true});
  stage.broker.ask_status(kA, 1, QueueBroker::kWhenSomething);
  stage.broker.put(kB, run_of(0, 1));
  stage.broker.settle();
  stage.broker.settle();
  CHECK(stage.heard.all[kA].told == 1);
  stage.broker.ask_status(kA, 2, QueueBroker::kWhenFinished);
  stage.broker.want(kC, 1, 1, 0);
  stage.broker.settle();
  stage.broker.got(kC, 1);
  stage.broker.settle();
  CHECK(stage.heard.all[kA].told == 1);
  stage.broker.done_any(kB, 3);
  stage.broker.settle();
  CHECK(stage.heard.all[kB].finished == 1);
  CHECK(stage.heard.all[kA].told == 2);
  stage.broker.done_any(kB, 4);
  CHECK(stage.heard.all[kB].finished == 0);
}

TEST_CASE("QueueBroker: what no peer says is Invalid") {
  Stage stage({.maxsize = 2});
  CHECK_THROWS_AS(stage.broker.put(kA, run_of(0, 1)), Invalid);
  CHECK_THROWS_AS(stage.broker.got(kA, 1), Invalid);
  CHECK_THROWS_AS(stage.broker.returned(kA, 0), Invalid);
  CHECK_THROWS_AS(stage.broker.room_returned(kA, 0), Invalid);
  CHECK_THROWS_AS(stage.broker.want(99, 1, 1, 0), Invalid);
  CHECK_THROWS_AS(stage.broker.join(kA), Invalid);
  const auto memory = std::make_shared<std::string>("\5\0\0\0abc", 7);
  CHECK_THROWS_AS(ItemRun(memory, *memory, 1, 0), Invalid);
  CHECK_THROWS_AS(ItemRun(memory, "", 0, 0), Invalid);
}

namespace {

// A play: peers that put, get, part and die; the broker; and what is on its way between them.
class Play final : QueueBroker::Port {
 public:
  Play(uint32_t seed, const QueueBroker::Options& options)
      : random_(seed), options_(options), broker_(options, *this) {}

  void act() {
    if (actors_.size() < 5 && below(8) == 0) enter();
    if (!actors_.empty()) {
      const Peer peer = any();
      Actor& actor = actors_.at(peer);
      switch (below(9)) {
        case 0:
        case 1:
          put(peer, actor);
          break;
        case 2:
        case 3:
        case 4:
          get(peer, actor);
          break;
        case 5:
          if (below(20) == 0) die(peer);
          break;
        default:
          deliver(peer);
      }
    }
    if (below(3) == 0) broker_.settle();
    check();
  }

  // All goes its way until nothing is left; then everything that was put was got once.
  void end() {
    if (actors_.empty()) enter();
    const Peer last = actors_.begin()->first;
    while (actors_.size() > 1) die(actors_.rbegin()->first);
    const Actor& actor = actors_.at(last);
    for (int i = 0; i < 100'000 && (got_.size() < put_.size() || !actor.up.empty()); ++i) {
      get(last, actors_.at(last));
      deliver(last);
      broker_.settle();
      check();
    }
    CHECK(got_.size() == put_.size());
    if (options_.joinable) {
      settle_down(last);
      CHECK(broker_.status().unfinished == 0);
    }
    settle_down(last);
    CHECK(broker_.status().size == 0);
  }

 private:
  struct Actor {
    std::deque<std::function<void()>> up, down;  // on their way to the broker, and from it
    std::deque<std::pair<uint64_t, uint64_t>> items;
    uint64_t room = 0;
    uint64_t waiting = 0, told = 0;
    std::set<uint64_t> unheard;  // got, and the broker does not know yet
  };

  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  Peer any() {
    auto it = actors_.begin();
    std::advance(it, below(actors_.size()));
    return it->first;
  }

  void enter() {
    actors_[++last_peer_];
    broker_.join(last_peer_);
  }

  void put(Peer peer, Actor& actor) {
    const uint64_t count = 1 + below(5);
    if (options_.maxsize != 0 && actor.room < count) {
      if (actor.room == 0) {
        const uint64_t token = below(2);
        actor.up.push_back([this, peer, count, token] { broker_.ask_room(peer, count, token); });
      }
      return;
    }
    actor.room -= options_.maxsize != 0 ? count : 0;
    const uint64_t first = next_;
    next_ += count;
    actor.up.push_back([this, peer, first, count] {
      for (uint64_t i = 0; i < count; ++i) put_.insert(first + i);
      broker_.put(peer, run_of(first, count));
      if (options_.maxsize != 0) CHECK(broker_.status().size <= options_.maxsize + returned_);
    });
  }

  void get(Peer peer, Actor& actor) {
    if (actor.items.empty()) {
      actor.waiting = 1;
      if (actor.told != 0) return;
      const uint64_t count = 1 + below(6);
      const uint64_t token = below(4) == 0 ? 1 : 0;
      actor.told = token == 0 ? 1 : 0;
      actor.up.push_back(
          [this, peer, count, token] { broker_.want(peer, count, token == 0 ? 1 : 0, token); });
      return;
    }
    const auto [number, value] = actor.items.front();
    actor.items.pop_front();
    actor.waiting = actor.told = 0;
    actor.unheard.insert(value);
    actor.up.push_back([this, peer, number = number, value = value] {
      CHECK(got_.insert(value).second);  // nobody else had it
      actors_.at(peer).unheard.erase(value);
      broker_.got(peer, 1);
      if (options_.joinable) {
        held_[peer].insert(value);
        actors_.at(peer).up.push_back([this, peer, number, value] {
          held_[peer].erase(value);
          broker_.done(peer, number);
        });
      }
    });
  }

  void die(Peer peer) {
    // What it had said is heard, or only the first of it.
    Actor& actor = actors_.at(peer);
    for (size_t words = below(2) == 0 ? 1'000 : below(3); words > 0 && !actor.up.empty(); --words) {
      const auto word = std::move(actor.up.front());
      actor.up.pop_front();
      word();
    }
    broker_.leave(peer);
    // What it had got and not done is there again.
    for (const uint64_t value : held_[peer]) got_.erase(value);
    returned_ += held_[peer].size();
    held_.erase(peer);
    actors_.erase(peer);
  }

  // One thing on its way arrives.
  void deliver(Peer peer) {
    auto& way = below(2) == 0 ? actors_.at(peer).up : actors_.at(peer).down;
    if (way.empty()) return;
    const auto word = std::move(way.front());
    way.pop_front();
    word();
  }

  void settle_down(Peer peer) {
    for (int i = 0; i < 10'000; ++i) {
      deliver(peer);
      broker_.settle();
    }
  }

  void check() {
    CHECK(broker_.status().size == put_.size() - got_.size());
    if (!options_.joinable) return;
    size_t held = 0;
    for (const auto& [peer, values] : held_) held += values.size();
    CHECK(broker_.status().unfinished == put_.size() - got_.size() + held);
  }

  void say(Peer to, std::function<void()> word) { actors_.at(to).down.push_back(std::move(word)); }

  void items(Peer to, const ItemRun& run) override {
    std::vector<std::pair<uint64_t, uint64_t>> found;
    for (ItemRun rest = run; rest.count() > 0; rest.drop_front())
      found.emplace_back(rest.first(), value_of(rest));
    CHECK(std::is_sorted(found.begin(), found.end()));
    say(to, [this, to, found] {
      auto& items = actors_.at(to).items;
      items.insert(items.end(), found.begin(), found.end());
    });
  }
  void nothing(Peer to, uint64_t, const Status& status) override {
    CHECK(status.size <= put_.size());
    say(to, [this, to] { actors_.at(to).told = 0; });
  }
  void room(Peer to, uint64_t count, uint64_t) override {
    say(to, [this, to, count] { actors_.at(to).room += count; });
  }
  void status(Peer, uint64_t, const Status&) override {}
  void finished(Peer, uint64_t, bool) override {}
  void give_back_items(Peer to) override {
    say(to, [this, to] {
      Actor& actor = actors_.at(to);
      const size_t kept = std::min<size_t>(actor.waiting, actor.items.size());
      const size_t count = actor.items.size() - kept;
      actor.items.resize(kept);
      actor.up.push_back([this, to, count] { broker_.returned(to, count); });
    });
  }
  void give_back_room(Peer to) override {
    say(to, [this, to] {
      Actor& actor = actors_.at(to);
      const uint64_t count = std::exchange(actor.room, 0);
      actor.up.push_back([this, to, count] { broker_.room_returned(to, count); });
    });
  }
  void shut(Peer) override {}
  void pause(Peer, bool) override {}

  std::mt19937 random_;
  QueueBroker::Options options_;
  QueueBroker broker_;
  std::map<Peer, Actor> actors_;
  Peer last_peer_ = 0;
  uint64_t next_ = 0;
  std::set<uint64_t> put_, got_;  // as the broker knows it
  std::map<Peer, std::set<uint64_t>> held_;
  uint64_t returned_ = 0;
};

}  // namespace

TEST_CASE("QueueBroker: in any play each item is got once and every count balances") {
  const uint32_t first = std::random_device{}();
  for (uint32_t seed = first; seed != first + 60; ++seed) {
    CAPTURE(seed);
    for (const auto& options : {QueueBroker::Options{}, QueueBroker::Options{.maxsize = 7},
                                QueueBroker::Options{.joinable = true},
                                QueueBroker::Options{.maxsize = 20, .joinable = true}}) {
      CAPTURE(options.maxsize, options.joinable);
      Play play(seed, options);
      for (int step = 0; step < 1'500; ++step) play.act();
      play.end();
    }
  }
}

TEST_CASE("QueueBroker: an item that is held keeps no larger message") {
  Stage stage({.joinable = true}, 1);
  auto memory = std::make_shared<std::string>();
  ItemRun::append(*memory, "1");
  ItemRun::append(*memory, std::string(100'000, '0'));
  const std::weak_ptr<std::string> message = memory;
  stage.broker.put(kA, {memory, *memory, 2, 0});
  memory.reset();
  stage.broker.want(kA, 2, 1, 0);
  stage.broker.settle();
  stage.broker.got(kA, 2);
  CHECK_FALSE(message.expired());
  stage.broker.done(kA, 1);
  CHECK(message.expired());
  stage.broker.leave(kA);
  stage.broker.join(kA);
  stage.heard.all[kA].items.clear();
  stage.broker.want(kA, 1, 1, 0);
  stage.broker.settle();
  CHECK(stage.values(kA) == Values{1});
}
