#include <cstring>

#include "towpath/expr/kernels.h"
#include "towpath/expr/operators.h"

// == != < <= > >=. Texts compare by bytes; NaN equals nothing, as IEEE has it.

namespace towpath::expr {
namespace {

template <Comparison C, class A, class B>
bool holds(const A& a, const B& b) {
  if constexpr (C == Comparison::kEqual) return a == b;
  if constexpr (C == Comparison::kNotEqual) return a != b;
  if constexpr (C == Comparison::kLess) return a < b;
  if constexpr (C == Comparison::kLessEqual) return a <= b;
  if constexpr (C == Comparison::kGreater) return a > b;
  if constexpr (C == Comparison::kGreaterEqual) return a >= b;
}

template <class T, Comparison C>
void same_type(Node& self, const Chunk& chunk) {
  const auto a = many<T>(self.arg(0));
  with_values<T>(self.arg(1), [&](auto b) {
    fill_bits(self, chunk.rows, [&](int64_t i) { return holds<C, T, T>(a[i], b[i]); });
  });
}

// An int and a float by their exact values: 2^53 + 1 is greater than 2.0^53, though it converts to
// it.
template <Comparison C>
bool exactly(int64_t i, double d) {
  if (d != d) return C == Comparison::kNotEqual;
  if (d >= 0x1p63) return holds<C, int, int>(0, 1);
  if (d < -0x1p63) return holds<C, int, int>(1, 0);
  const auto whole = static_cast<int64_t>(d);  // towards zero
  if (i != whole) return holds<C, int64_t, int64_t>(i, whole);
  return holds<C, double, double>(0, d - static_cast<double>(whole));
}

template <Comparison C>
void int_with_float(Node& self, const Chunk& chunk) {
  const auto a = many<int64_t>(self.arg(0));
  with_values<double>(self.arg(1), [&](auto b) {
    fill_bits(self, chunk.rows, [&](int64_t i) { return exactly<C>(a[i], b[i]); });
  });
}

template <Comparison C>
void float_with_int(Node& self, const Chunk& chunk) {
  constexpr Comparison kSwapped = C == Comparison::kLess           ? Comparison::kGreater
                                  : C == Comparison::kLessEqual    ? Comparison::kGreaterEqual
                                  : C == Comparison::kGreater      ? Comparison::kLess
                                  : C == Comparison::kGreaterEqual ? Comparison::kLessEqual
                                                                   : C;
  const auto a = many<double>(self.arg(0));
  with_values<int64_t>(self.arg(1), [&](auto b) {
    fill_bits(self, chunk.rows, [&](int64_t i) { return exactly<kSwapped>(b[i], a[i]); });
  });
}

// Texts of a column against a literal of sizeof(Word) to twice that many bytes: two loads that
// overlap.
template <class Word, bool Equal>
void short_literal(Node& self, const Chunk& chunk, std::string_view literal) {
  const ManyTexts texts = many<std::string_view>(self.arg(0));
  const auto size = static_cast<int32_t>(literal.size());
  const size_t second = literal.size() - sizeof(Word);
  Word head, tail;
  std::memcpy(&head, literal.data(), sizeof(Word));
  std::memcpy(&tail, literal.data() + second, sizeof(Word));
  fill_bits(self, chunk.rows, [&](int64_t i) {
    const int32_t begin = texts.offsets[i];
    if (texts.offsets[i + 1] - begin != size) return !Equal;
    Word a, b;
    std::memcpy(&a, texts.bytes + begin, sizeof(Word));
    std::memcpy(&b, texts.bytes + begin + second, sizeof(Word));
    return ((a == head) & (b == tail)) == Equal;
  });
}

template <Comparison C>
void text_equality(Node& self, const Chunk& chunk) {
  constexpr bool kEqual = C == Comparison::kEqual;
  if (!self.arg(1).constant) return same_type<std::string_view, C>(self, chunk);
  const std::string_view literal = self.arg(1).out.text_at(0);
  if (literal.empty()) {
    const ManyTexts texts = many<std::string_view>(self.arg(0));
    return fill_bits(self, chunk.rows, [&](int64_t i) {
      return (texts.offsets[i] == texts.offsets[i + 1]) == kEqual;
    });
  }
  if (literal.size() > 16) return same_type<std::string_view, C>(self, chunk);
  if (literal.size() >= 8) return short_literal<uint64_t, kEqual>(self, chunk, literal);
  if (literal.size() >= 4) return short_literal<uint32_t, kEqual>(self, chunk, literal);
  if (literal.size() >= 2) return short_literal<uint16_t, kEqual>(self, chunk, literal);
  return short_literal<uint8_t, kEqual>(self, chunk, literal);
}

template <Comparison C>
Node::Kernel choose(Type left, Type right) {
  constexpr bool kEquality = C == Comparison::kEqual || C == Comparison::kNotEqual;
  auto is_text = [](Type type) { return type == Type::kString || type == Type::kBinary; };
  if (is_text(left) && is_text(right)) {
    if constexpr (kEquality) return text_equality<C>;
    return same_type<std::string_view, C>;
  }
  if (left == Type::kInt && right == Type::kFloat) return int_with_float<C>;
  if (left == Type::kFloat && right == Type::kInt) return float_with_int<C>;
  if (left != right) return nullptr;
  switch (left) {
    case Type::kBool:
      if constexpr (kEquality) return same_type<bool, C>;
      return nullptr;
    case Type::kInt:
    case Type::kTimestamp:
      return same_type<int64_t, C>;
    case Type::kFloat:
      return same_type<double, C>;
    case Type::kDate:
      return same_type<int32_t, C>;
    default:
      return nullptr;
  }
}

}  // namespace

Node::Kernel compare_kernel(Comparison comparison, Type left, Type right) {
  switch (comparison) {
    case Comparison::kEqual:
      return choose<Comparison::kEqual>(left, right);
    case Comparison::kNotEqual:
      return choose<Comparison::kNotEqual>(left, right);
    case Comparison::kLess:
      return choose<Comparison::kLess>(left, right);
    case Comparison::kLessEqual:
      return choose<Comparison::kLessEqual>(left, right);
    case Comparison::kGreater:
      return choose<Comparison::kGreater>(left, right);
    case Comparison::kGreaterEqual:
      return choose<Comparison::kGreaterEqual>(left, right);
  }
  return nullptr;
}

Comparison swapped(Comparison comparison) {
  switch (comparison) {
    case Comparison::kLess:
      return Comparison::kGreater;
    case Comparison::kLessEqual:
      return Comparison::kGreaterEqual;
    case Comparison::kGreater:
      return Comparison::kLess;
    case Comparison::kGreaterEqual:
      return Comparison::kLessEqual;
    default:
      return comparison;
  }
}

}  // namespace towpath::expr
