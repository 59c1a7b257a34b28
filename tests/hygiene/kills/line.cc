#include "line.h"

#include <algorithm>
#include <atomic>

#include "towpath/base/error.h"

using namespace towpath;

namespace {

constexpr int kPlaces = 2;
constexpr uint64_t kMaxsize = 100;
// So many that takers are hardly ever held up between two looks at them.
constexpr uint64_t kMaxReports = 5'000;
constexpr int kFlushEach = 8;  // over ZeroMQ: till then a killed putter may lose what it put

using Count = RawValue<int>;

void add_one(Count count) { std::atomic_ref(*count).fetch_add(1); }

bool names(const std::string& text, const HubPlace& hub) {
  return text.find("hub (pid " + std::to_string(hub.pid()) + ")") != text.npos ||
         text.find("hub " + std::to_string(hub.number) + " of") != text.npos;
}

// Does it until the hub is no more.
template <class Do>
void while_hub_lives(const HubPlace& hub, Count told, Do work) {
  try {
    work();
  } catch (const Closed& error) {
    if (hub.number == 0 || !names(error.what(), hub)) throw;
    add_one(told);
  }
}

void put_for_ever(int putter, Queue<Item> items, Count counted, uint64_t hub, Holder process,
                  Count told) {
  while_hub_lives({hub, process}, told, [&] {
    for (int i = 0;; ++i) {
      items.put({putter, i});
      if (hub != 0 && i % kFlushEach != 0) continue;
      items.flush();
      counted.set(i + 1);
    }
  });
}

void take(Queue<Item> items, Queue<Item> reports, uint64_t hub, Holder process, Count told) {
  while_hub_lives({hub, process}, told, [&] {
    for (;;) {
      const Item item = items.get();
      if (item.putter < 0) return;
      reports.put(item);
    }
  });
}

void work(JoinableQueue<Item> items, Queue<Item> reports, uint64_t hub, Holder process,
          Count told) {
  while_hub_lives({hub, process}, told, [&] {
    for (;;) {
      reports.put(items.get());
      items.task_done();
    }
  });
}

Queue<Item> new_queue(Transport transport, bool joinable) {
  const QueueOptions options{.maxsize = kMaxsize, .transport = transport};
  return joinable ? JoinableQueue<Item>(options) : Queue<Item>(options);
}

Queue<Item> new_reports(Transport transport) {
  return Queue<Item>({.maxsize = kMaxReports, .transport = transport});
}

}  // namespace

Line::Line(const char* name, Transport transport, bool joinable)
    : name_(name),
      transport_(transport),
      joinable_(joinable),
      items_(new_queue(transport, joinable)),
      reports_(new_reports(transport)) {
  begin();
}

void Line::begin() {
  if (has_hub()) {
    items_.qsize();  // from here on the queue is with that hub
    reports_.qsize();
    hub_ = running_hub();
  }
  for (int i = 0; i < kPlaces; ++i) {
    putters_.push_back(new_putter());
    takers_.emplace_back([this] {
      const Options options{.daemon = true};
      if (!joinable_)
        return Process(options, &take, items_, reports_, hub_.number, hub_.process, told_);
      return Process(options, &work, JoinableQueue<Item>::open(items_.handle()), reports_,
                     hub_.number, hub_.process, told_);
    });
  }
}

Line::Putter Line::new_putter() {
  const int number = next_putter_++;
  Count counted;
  Place place([this, number, counted] {
    return Process(Options{.daemon = true}, &put_for_ever, number, items_, counted, hub_.number,
                   hub_.process, told_);
  });
  return {number, counted, std::move(place)};
}

void Line::kill_putter(size_t which) {
  Putter& putter = putters_[which % putters_.size()];
  putter.place.kill();
  settle(putter);
  putter = new_putter();
}

void Line::kill_taker(size_t which) {
  Place& taker = takers_[which % takers_.size()];
  taker.kill();
  taker.replace();
  ++taker_deaths_;
}

void Line::settle(const Putter& putter) { put_[putter.number] = putter.counted.get(); }

void Line::take_reports() {
  // Over ZeroMQ only who waits a little is sent more than one at a time.
  const Millis patience{has_hub() ? 1 : 0};
  try {
    for (uint64_t i = 0; i < kMaxReports; ++i) {
      const Item item = reports_.get(patience);
      if (!seen_[item.putter].add(item.number)) ++again_;
    }
  } catch (const Empty&) {
    // That was all.
  }
}

void Line::hub_was_killed() {
  const auto check = [this](auto call) {
    try {
      call();
      require(false, "a queue goes on without its hub");
    } catch (const Closed& error) {
      require(names(error.what(), hub_), "a queue's end does not name its hub");
    }
  };
  check([this] { items_.put({}); });
  check([this] {
    for (;;) reports_.get();  // what had come before is there
  });
  for (Putter& putter : putters_) putter.place.join();
  for (Place& taker : takers_) taker.join();
  require(told_.get() == 2 * kPlaces, "somebody was not told of the hub's end");
  told_.set(0);
  for (const auto& [putter, seen] : seen_) all_items_ += seen.count();
  all_again_ += again_;
  put_.clear();
  seen_.clear();
  again_ = taker_deaths_ = 0;
  putters_.clear();
  takers_.clear();
  items_ = new_queue(transport_, joinable_);
  reports_ = new_reports(transport_);
  begin();
}

void Line::finish() {
  for (Putter& putter : putters_) {
    putter.place.kill();
    settle(putter);
  }
  const Deadline deadline(kSoon);
  const auto wait = [&](auto is_so) {
    while (!is_so()) {
      take_reports();
      require(!deadline.passed(), "items are left");
    }
  };
  if (joinable_) {
    auto items = JoinableQueue<Item>::open(items_.handle());
    wait([&] { return items.join(Millis{1}); });
    for (Place& taker : takers_) taker.kill();
  } else {
    wait([&] { return items_.empty(); });
    for (int i = 0; i < kPlaces; ++i) items_.put({.putter = -1});
    wait([&] { return std::ranges::all_of(takers_, &Place::has_ended); });
    for (Place& taker : takers_) taker.join();
  }
  wait([&] { return reports_.empty(); });

  int64_t lost = 0;
  for (const auto& [putter, counted] : put_) {
    const Seen& seen = seen_[putter];
    // The last may have been put and not counted.
    const int most = counted + (has_hub() ? kFlushEach : 1);
    require(seen.end() <= most, "an item came from nowhere");
    lost += std::max(counted, seen.end()) - seen.count();
    all_items_ += seen.count();
  }
  require(seen_.size() <= put_.size(), "items of an unknown putter");
  require(lost <= (joinable_ ? 0 : taker_deaths_), "an item was lost");
  require(again_ <= (joinable_ ? taker_deaths_ : 0), "what was done was given again");
  std::printf("%s: items %lld, again after a death %lld, lost in a death %lld\n", name_,
              static_cast<long long>(all_items_), static_cast<long long>(all_again_ + again_),
              static_cast<long long>(lost));
}
