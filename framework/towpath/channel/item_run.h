#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace towpath {

// Consecutive items of one queue, where they lie in the message that brought them: none is copied,
// however often the run is divided. Each item is its size (four bytes) and its bytes.
class ItemRun {
 public:
  ItemRun() = default;
  // Invalid: `bytes`, which lie in `memory`, are not `count` items.
  ItemRun(std::shared_ptr<const std::string> memory, std::string_view bytes, uint64_t count,
          uint64_t first);

  uint64_t count() const { return count_; }
  uint64_t first() const { return first_; }  // its number in the queue; the others follow
  std::string_view bytes() const { return bytes_; }
  const std::shared_ptr<const std::string>& memory() const { return memory_; }

  std::string_view front() const;  // the first item, without its size
  void drop_front();
  // Takes the first `count` away: fewer than all. Those of them that would pass `most` bytes stay,
  // but for the first.
  ItemRun take_front(uint64_t count, uint64_t most = UINT64_MAX);
  void number_from(uint64_t first) { first_ = first; }
  // For a run that may be kept long: has a copy of its own, if the message is much larger.
  void let_go_of_message();

  // What an item takes in a run.
  static constexpr uint64_t kHead = 4;
  static void append(std::string& run, std::string_view item);

 private:
  std::shared_ptr<const std::string> memory_;
  std::string_view bytes_;
  uint64_t count_ = 0;
  uint64_t first_ = 0;
};

// Runs in the order of their numbers.
class ItemRuns {
 public:
  bool empty() const { return runs_.empty(); }
  uint64_t count() const { return count_; }
  uint64_t bytes() const { return bytes_; }
  const ItemRun& front() const { return runs_.front(); }

  void push_back(ItemRun run);  // behind all
  void insert(ItemRun run);     // where its numbers belong
  void drop_front();            // one item; there is one
  // At most `count` from one run, and at most so many bytes, but one in any case. There is one.
  ItemRun take_front(uint64_t count, uint64_t most = UINT64_MAX);
  // What lies behind the first `keep`.
  ItemRuns take_behind(uint64_t keep);
  std::deque<ItemRun> take_all();

 private:
  std::deque<ItemRun> runs_;
  uint64_t count_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace towpath
