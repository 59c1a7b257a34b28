#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace towpath::core {

// Empties the vector and gives its memory back.
template <class T>
void free_vector(std::vector<T>& items) {
  std::vector<T>().swap(items);
}

// Makes room for `size` items. Half as much again, not twice: what is held counts against
// `memory:`.
template <class T>
void make_room(std::vector<T>& items, size_t size) {
  if (size > items.capacity())
    items.reserve(std::max(size, items.capacity() + items.capacity() / 2));
}

// Keeps byte strings where they do not move, packed one behind another; each costs 4 bytes more
// than itself.
class ByteStore {
 public:
  const char* keep(std::string_view bytes) {
    const auto length = static_cast<uint32_t>(bytes.size());
    const size_t need = sizeof length + bytes.size();
    if (need > left_) {
      // By half of what there is: a small store must not hold much that it does not use.
      const size_t size = std::max(need, std::clamp(capacity_ / 2, kFirstChunk, kChunk));
      chunks_.push_back(std::make_unique_for_overwrite<char[]>(size));
      free_ = chunks_.back().get();
      left_ = size;
      capacity_ += size;
    }
    char* const at = free_;
    std::memcpy(at, &length, sizeof length);
    if (!bytes.empty()) std::memcpy(at + sizeof length, bytes.data(), bytes.size());
    free_ += need;
    left_ -= need;
    return at;
  }
  static std::string_view at(const char* kept) {
    uint32_t length = 0;
    std::memcpy(&length, kept, sizeof length);
    return {kept + sizeof length, length};
  }
  void clear() {
    chunks_.clear();
    left_ = 0;
    capacity_ = 0;
  }
  size_t capacity() const { return capacity_; }  // bytes of memory held

 private:
  static constexpr size_t kFirstChunk = 4 << 10;
  static constexpr size_t kChunk = 256 << 10;

  std::vector<std::unique_ptr<char[]>> chunks_;
  char* free_ = nullptr;  // within the last chunk
  size_t left_ = 0;
  size_t capacity_ = 0;
};

}  // namespace towpath::core
