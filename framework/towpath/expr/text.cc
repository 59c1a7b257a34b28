#include <algorithm>
#include <cstring>
#include <string_view>

#include "towpath/expr/functions.h"
#include "towpath/expr/kernels.h"

// upper lower trim length substr replace split_part concat contains starts_with ends_with lpad.
//
// Texts hold any bytes. Characters are UTF-8 code points: every byte that does not continue one
// begins one. upper and lower change ASCII letters only and leave other bytes as they are.
// Positions are counted from 1; negative ones from the end.

namespace towpath::expr {
namespace {

constexpr Fault kNegativeLength{"the length is negative", false};
constexpr Fault kNoPart{"parts are counted from 1, or from -1 backwards,", false};
constexpr Fault kTooWide{"a width above 1048576", false};
constexpr int64_t kMaxWidth = 1 << 20;

bool begins_character(char c) { return (c & 0xC0) != 0x80; }

int64_t characters(std::string_view text) {
  // Eight bytes at a time: a byte continues a character when its top bits are 10.
  int64_t continuing = 0;
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t eight;
    std::memcpy(&eight, text.data() + i, 8);
    const uint64_t flags = (eight & ~(eight << 1) & 0x8080808080808080u) >> 7;
    continuing += static_cast<int64_t>((flags * 0x0101010101010101u) >> 56);
  }
  for (; i < text.size(); ++i) continuing += begins_character(text[i]) ? 0 : 1;
  return static_cast<int64_t>(text.size()) - continuing;
}

// Byte at which character `index` (from 0) begins; the size when there are fewer.
size_t byte_of(std::string_view text, int64_t index) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if (begins_character(text[at]) && index-- == 0) break;
  }
  return at;
}

bool has(std::string_view text, std::string_view part) {
  return part.empty() || memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
}

template <char first>
void change_case(Node& self, const Chunk& chunk) {
  // All rows at once: their bytes lie one behind the other.
  const ManyTexts texts = many<std::string_view>(self.arg(0));
  const int32_t begin = texts.offsets[0];
  const auto size = static_cast<size_t>(texts.offsets[chunk.rows] - begin);
  const char* from = texts.bytes + begin;
  self.text.clear();
  char* to = self.text.extend(size);
  for (size_t i = 0; i < size; ++i) {
    const auto c = static_cast<uint8_t>(from[i]);
    const auto letter = static_cast<uint8_t>(c - static_cast<uint8_t>(first));
    to[i] = static_cast<char>(c ^ (letter < 26 ? 0x20 : 0));
  }
  int32_t* offsets = self.fixed<int32_t>(chunk.rows + 1);
  for (int64_t i = 0; i <= chunk.rows; ++i) offsets[i] = texts.offsets[i] - begin;
  self.out.values = nullptr;
  self.out.offsets = offsets;
  self.out.bytes = self.text.data();
}

void trim(Node& self, const Chunk& chunk) {
  constexpr auto is_white = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  const auto texts = many<std::string_view>(self.arg(0));
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    std::string_view text = texts[i];
    while (!text.empty() && is_white(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_white(text.back())) text.remove_suffix(1);
    out.put(text);
  });
}

void length(Node& self, const Chunk& chunk) {
  const auto texts = many<std::string_view>(self.arg(0));
  fill<int64_t>(self, chunk.rows, [&](int64_t i) { return characters(texts[i]); });
}

void byte_length(Node& self, const Chunk& chunk) {
  const auto texts = many<std::string_view>(self.arg(0));
  fill<int64_t>(self, chunk.rows, [&](int64_t i) { return static_cast<int64_t>(texts[i].size()); });
}

// As in SQL: the characters at positions [start, start + length), of which some may lie outside.
void substring(Node& self, const Chunk& chunk) {
  constexpr int64_t kFar = int64_t{1} << 40;
  const Node& starts = self.arg(1);
  const Node* lengths = self.args.size() > 2 ? &self.arg(2) : nullptr;
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    std::string_view text = self.arg(0).text_at(i);
    int64_t begin = std::clamp(starts.out.int_at(starts.constant ? 0 : i), -kFar, kFar);
    int64_t count = kFar;
    if (lengths != nullptr) {
      count = std::min(lengths->out.int_at(lengths->constant ? 0 : i), kFar);
      if (count < 0) {
        self.fail(i, kNegativeLength);
        return out.end_row();
      }
    }
    if (begin < 0) begin += characters(text) + 1;
    int64_t end = begin + count;  // positions
    begin = std::max<int64_t>(begin, 1);
    if (end <= begin) return out.end_row();
    text.remove_prefix(byte_of(text, begin - 1));
    out.put(text.substr(0, byte_of(text, end - begin)));
  });
}

void replace(Node& self, const Chunk& chunk) {
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    std::string_view rest = self.arg(0).text_at(i);
    const std::string_view from = self.arg(1).text_at(i);
    const std::string_view to = self.arg(2).text_at(i);
    while (!from.empty()) {
      const size_t at = rest.find(from);
      if (at == std::string_view::npos) break;
      out.append(rest.substr(0, at));
      out.append(to);
      rest.remove_prefix(at + from.size());
    }
    out.put(rest);
  });
}

// Part `number` of a text split at `separator`; '' when there is none.
std::string_view part_of(std::string_view text, std::string_view separator, int64_t number) {
  if (separator.empty()) return number == 1 || number == -1 ? text : std::string_view();
  for (; number > 0; --number) {
    const size_t at = text.find(separator);
    if (number == 1) return text.substr(0, at);
    if (at == std::string_view::npos) return {};
    text.remove_prefix(at + separator.size());
  }
  for (;; ++number) {
    const size_t at = text.rfind(separator);
    if (number == -1)
      return at == std::string_view::npos ? text : text.substr(at + separator.size());
    if (at == std::string_view::npos) return {};
    text = text.substr(0, at);
  }
}

void split_part(Node& self, const Chunk& chunk) {
  const Node& numbers = self.arg(2);
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    const int64_t number = numbers.out.int_at(numbers.constant ? 0 : i);
    if (number == 0) {
      self.fail(i, kNoPart);
      return out.end_row();
    }
    out.put(part_of(self.arg(0).text_at(i), self.arg(1).text_at(i), number));
  });
}

void concatenate(Node& self, const Chunk& chunk) {
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    for (const auto& arg : self.args) out.append(arg->text_at(i));
    out.end_row();
  });
}

template <bool (*test)(std::string_view, std::string_view)>
void test_texts(Node& self, const Chunk& chunk) {
  with_values<std::string_view>(self.arg(0), [&](auto texts) {
    with_values<std::string_view>(self.arg(1), [&](auto parts) {
      fill_bits(self, chunk.rows, [&](int64_t i) { return test(texts[i], parts[i]); });
    });
  });
}
bool begins(std::string_view text, std::string_view part) { return text.starts_with(part); }
bool ends(std::string_view text, std::string_view part) { return text.ends_with(part); }

// Pads on the left to `width` characters, or cuts to it.
void pad_left(Node& self, const Chunk& chunk) {
  const Node& widths = self.arg(1);
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    const std::string_view text = self.arg(0).text_at(i);
    const std::string_view filler = self.args.size() > 2 ? self.arg(2).text_at(i) : " ";
    const int64_t width = std::max<int64_t>(widths.out.int_at(widths.constant ? 0 : i), 0);
    if (width > kMaxWidth) {
      self.fail(i, kTooWide);
      return out.end_row();
    }
    int64_t missing = width - characters(text);
    if (missing <= 0) return out.put(text.substr(0, byte_of(text, width)));
    const int64_t per_filler = characters(filler);
    for (; per_filler > 0 && missing >= per_filler; missing -= per_filler) out.append(filler);
    if (per_filler > 0) out.append(filler.substr(0, byte_of(filler, missing)));
    out.put(text);
  });
}

template <Node::Kernel kernel>
NodePtr bind_one(Call& call) {
  call.want(0, Type::kString);
  return call.make(Type::kString, kernel);
}

NodePtr bind_length(Call& call) {
  if (call.type(0) == Type::kBinary) return call.make(Type::kInt, byte_length);
  call.want(0, Type::kString);
  return call.make(Type::kInt, length);
}

NodePtr bind_substring(Call& call) {
  call.want(0, Type::kString);
  call.want_from(1, Type::kInt);
  return call.make(Type::kString, substring);
}

template <Node::Kernel kernel>
NodePtr bind_texts(Call& call) {
  call.want_from(0, Type::kString);
  return call.make(Type::kString, kernel);
}

NodePtr bind_split_part(Call& call) {
  call.want(0, Type::kString);
  call.want(1, Type::kString);
  call.want(2, Type::kInt);
  return call.make(Type::kString, split_part);
}

template <bool (*test)(std::string_view, std::string_view)>
NodePtr bind_test(Call& call) {
  call.want_from(0, Type::kString);
  return call.make(Type::kBool, test_texts<test>);
}

NodePtr bind_pad(Call& call) {
  call.want(0, Type::kString);
  call.want(1, Type::kInt);
  if (call.size() > 2) call.want(2, Type::kString);
  return call.make(Type::kString, pad_left);
}

constexpr Function kFunctions[] = {
    {"upper", "upper(text)", 1, 1, bind_one<change_case<'a'>>},
    {"lower", "lower(text)", 1, 1, bind_one<change_case<'A'>>},
    {"trim", "trim(text)", 1, 1, bind_one<trim>},
    {"length", "length(text)", 1, 1, bind_length},
    {"substr", "substr(text, start[, length])", 2, 3, bind_substring},
    {"replace", "replace(text, from, to)", 3, 3, bind_texts<replace>},
    {"split_part", "split_part(text, separator, number)", 3, 3, bind_split_part},
    {"concat", "concat(a, b, …)", 1, kAnyNumber, bind_texts<concatenate>},
    {"contains", "contains(text, part)", 2, 2, bind_test<has>},
    {"starts_with", "starts_with(text, part)", 2, 2, bind_test<begins>},
    {"ends_with", "ends_with(text, part)", 2, 2, bind_test<ends>},
    {"lpad", "lpad(text, width[, filler])", 2, 3, bind_pad},
};

}  // namespace

std::span<const Function> text_functions() { return kFunctions; }

}  // namespace towpath::expr
