#include "towpath/channel/item_run.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

// There are that many bytes.
uint32_t size_at(std::string_view bytes, size_t at = 0) {
  uint32_t size = 0;
  bytes.copy(reinterpret_cast<char*>(&size), sizeof size, at);
  return size;
}

}  // namespace

ItemRun::ItemRun(std::shared_ptr<const std::string> memory, std::string_view bytes, uint64_t count,
                 uint64_t first)
    : memory_(std::move(memory)), bytes_(bytes), count_(count), first_(first) {
  uint64_t items = 0;
  size_t at = 0;
  while (bytes.size() - at >= kHead && bytes.size() - at - kHead >= size_at(bytes, at)) {
    at += kHead + size_at(bytes, at);
    ++items;
  }
  if (count == 0 || items != count || at != bytes.size())
    throw Invalid(format("{} bytes are not {} items of a queue", bytes.size(), count));
}

void ItemRun::append(std::string& run, std::string_view item) {
  const auto size = static_cast<uint32_t>(item.size());
  char head[kHead];
  std::memcpy(head, &size, kHead);
  run.append(head, kHead).append(item);
}

std::string_view ItemRun::front() const { return bytes_.substr(kHead, size_at(bytes_)); }

void ItemRun::drop_front() {
  bytes_.remove_prefix(kHead + size_at(bytes_));
  --count_;
  ++first_;
}

ItemRun ItemRun::take_front(uint64_t count, uint64_t most) {
  ItemRun taken;
  size_t at = 0;
  while (taken.count_ < std::min(count, count_)) {
    const size_t next = at + kHead + size_at(bytes_, at);
    if (taken.count_ > 0 && next > most) break;
    at = next;
    ++taken.count_;
  }
  taken.memory_ = memory_;
  taken.bytes_ = bytes_.substr(0, at);
  taken.first_ = first_;
  bytes_.remove_prefix(at);
  count_ -= taken.count_;
  first_ += taken.count_;
  return taken;
}

void ItemRun::let_go_of_message() {
  if (memory_ == nullptr || memory_->size() / 2 <= bytes_.size()) return;
  memory_ = std::make_shared<const std::string>(bytes_);
  bytes_ = *memory_;
}

void ItemRuns::push_back(ItemRun run) {
  count_ += run.count();
  bytes_ += run.bytes().size();
  runs_.push_back(std::move(run));
}

void ItemRuns::insert(ItemRun run) {
  count_ += run.count();
  bytes_ += run.bytes().size();
  const auto behind = std::find_if(runs_.begin(), runs_.end(), [&run](const ItemRun& other) {
    return other.first() > run.first();
  });
  runs_.insert(behind, std::move(run));
}

void ItemRuns::drop_front() {
  ItemRun& run = runs_.front();
  const size_t before = run.bytes().size();
  run.drop_front();
  bytes_ -= before - run.bytes().size();
  --count_;
  if (run.count() == 0) runs_.pop_front();
}

ItemRun ItemRuns::take_front(uint64_t count, uint64_t most) {
  ItemRun& first = runs_.front();
  ItemRun taken;
  if (first.count() <= count && first.bytes().size() <= most) {
    taken = std::move(first);
    runs_.pop_front();
  } else {
    taken = first.take_front(count, most);
    if (first.count() == 0) runs_.pop_front();
  }
  count_ -= taken.count();
  bytes_ -= taken.bytes().size();
  return taken;
}

ItemRuns ItemRuns::take_behind(uint64_t keep) {
  ItemRuns kept;
  while (kept.count() < keep && !empty()) kept.push_back(take_front(keep - kept.count()));
  return std::exchange(*this, std::move(kept));
}

std::deque<ItemRun> ItemRuns::take_all() {
  count_ = bytes_ = 0;
  return std::exchange(runs_, {});
}

}  // namespace towpath
