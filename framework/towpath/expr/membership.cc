#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "towpath/expr/kernels.h"
#include "towpath/expr/operators.h"

// `x in (1, 2, 3)`: constants in a set.

namespace towpath::expr {
namespace {

constexpr size_t kFew = 8;  // that many are looked through faster than looked up

template <class T>
struct NumberSet {
  std::vector<T> sorted;
  bool has(T value) const {
    if (sorted.size() > kFew) return std::ranges::binary_search(sorted, value);
    bool found = false;
    for (const T each : sorted) found |= each == value;
    return found;
  }
};

// The first bytes of a text as a number; with the size it is the whole text, up to 8 bytes.
uint64_t head_of(std::string_view text) {
  auto load = [&text](auto word, size_t at) {
    std::memcpy(&word, text.data() + at, sizeof word);
    return uint64_t{word};
  };
  const size_t size = text.size();
  if (size >= 8) return load(uint64_t{}, 0);
  if (size >= 4) return load(uint32_t{}, 0) | load(uint32_t{}, size - 4) << 32;
  if (size >= 2) return load(uint16_t{}, 0) | load(uint16_t{}, size - 2) << 16;
  return size == 1 ? load(uint8_t{}, 0) : 0;
}

struct TextSet {
  struct Entry {
    uint64_t head;
    std::string_view text;
  };
  std::vector<std::string> owned;
  std::vector<Entry> few;
  std::unordered_set<std::string_view> many;
  bool has(std::string_view value) const {
    if (few.empty()) return many.contains(value);
    const uint64_t head = head_of(value);
    bool found = false;  // without a branch for each: which one matches is seldom foreseen
    for (const Entry& each : few) {
      bool equal = (each.head == head) & (each.text.size() == value.size());
      if (value.size() > 8 && equal) equal = each.text == value;
      found |= equal;
    }
    return found;
  }
};

// Of a column type read as T.
template <class T, class Set>
void look_up(Node& self, const Chunk& chunk) {
  const auto& set = *static_cast<const Set*>(self.state.get());
  const auto x = many<T>(self.arg(0));
  fill_bits(self, chunk.rows, [&](int64_t i) { return set.has(x[i]); });
  if (self.number == 0) return;
  // A null in the list: whatever is not found may equal it.
  const auto* found = static_cast<const uint64_t*>(self.out.values);
  uint64_t* valid = self.own_validity();
  for (int64_t i = 0; i < chunk.rows; i += 64) valid[i / 64] &= found[i / 64];
}

}  // namespace

NodePtr member_of_set(NodePtr x, const std::vector<NodePtr>& items, Span span) {
  const Type type = x->type;
  bool has_null = false;
  auto ints = std::make_shared<NumberSet<int64_t>>();
  auto floats = std::make_shared<NumberSet<double>>();
  auto texts = std::make_shared<TextSet>();
  for (const NodePtr& item : items) {
    if (item->is_null_constant()) {
      has_null = true;
      continue;
    }
    switch (item->type) {
      case Type::kBool:
        ints->sorted.push_back(item->out.bool_at(0) ? 1 : 0);
        break;
      case Type::kInt:
      case Type::kTimestamp: {
        const int64_t value = item->out.int_at(0);
        const auto converted = static_cast<double>(value);
        ints->sorted.push_back(value);
        // An int that no float equals is equal to no float.
        if (converted < 0x1p63 && static_cast<int64_t>(converted) == value) {
          floats->sorted.push_back(converted);
        }
        break;
      }
      case Type::kDate:
        ints->sorted.push_back(item->out.date_at(0));
        break;
      case Type::kFloat: {
        const double value = item->out.float_at(0);
        if (std::isnan(value)) break;  // equals nothing
        floats->sorted.push_back(value);
        if (value == std::trunc(value) && value >= -0x1p63 && value < 0x1p63) {
          ints->sorted.push_back(static_cast<int64_t>(value));
        }
        break;
      }
      case Type::kString:
      case Type::kBinary:
        texts->owned.emplace_back(item->out.text_at(0));
        break;
      case Type::kObject:
        break;
    }
  }
  std::ranges::sort(ints->sorted);
  std::ranges::sort(floats->sorted);
  if (texts->owned.size() <= kFew) {
    for (const std::string& text : texts->owned) texts->few.push_back({head_of(text), text});
  } else {
    texts->many.insert(texts->owned.begin(), texts->owned.end());
  }

  std::vector<NodePtr> args;
  args.push_back(std::move(x));
  NodePtr node = Typer::make(Type::kBool, span, nullptr, std::move(args));
  node->number = has_null ? 1 : 0;
  switch (type) {
    case Type::kBool:
      node->kernel = look_up<bool, NumberSet<int64_t>>;
      node->state = ints;
      break;
    case Type::kInt:
    case Type::kTimestamp:
      node->kernel = look_up<int64_t, NumberSet<int64_t>>;
      node->state = ints;
      break;
    case Type::kDate:
      node->kernel = look_up<int32_t, NumberSet<int64_t>>;
      node->state = ints;
      break;
    case Type::kFloat:
      node->kernel = look_up<double, NumberSet<double>>;
      node->state = floats;
      break;
    case Type::kString:
    case Type::kBinary:
      node->kernel = look_up<std::string_view, TextSet>;
      node->state = texts;
      break;
    case Type::kObject:
      fail_at(node->arg(0).span, "an object is in no list", "cast it: string(…), int(…)");
  }
  return node;
}

}  // namespace towpath::expr
