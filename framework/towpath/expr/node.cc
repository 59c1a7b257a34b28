#include "towpath/expr/node.h"

#include <algorithm>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/codec.h"
#include "towpath/message/json.h"

namespace towpath::expr {
namespace {

constexpr size_t kShownBytes = 60;
constexpr size_t kShownText = 80;

size_t words(int64_t rows) { return static_cast<size_t>(rows + 63) / 64; }

// A strict node is null where an argument is: its bitmap is theirs, shared as long as only one has
// any.
void join_validity(Node& node, int64_t rows) {
  const Node* only = nullptr;
  int count = 0;
  for (const auto& arg : node.args) {
    if (arg->constant || arg->out.validity == nullptr) continue;
    only = arg.get();
    ++count;
  }
  node.out.validity = count == 1 ? only->out.validity : nullptr;
  if (count <= 1) return;
  node.validity.resize(words(rows) * 8);
  auto* joined = reinterpret_cast<uint64_t*>(node.validity.data());
  std::fill_n(joined, words(rows), ~uint64_t{0});
  for (const auto& arg : node.args) {
    if (arg->constant || arg->out.validity == nullptr) continue;
    for (int64_t i = 0; i < rows; i += 64) {
      joined[i / 64] &= load_word(arg->out.validity, i, rows);
    }
  }
  node.out.validity = reinterpret_cast<const uint8_t*>(joined);
}

std::string clipped(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  while (most > 0 && (text[most] & 0xC0) == 0x80) --most;  // not within a character
  return format("{}…", text.substr(0, most));
}

}  // namespace

uint64_t* Node::bits(int64_t rows) {
  values.resize(words(rows) * 8);
  out.values = values.data();
  return reinterpret_cast<uint64_t*>(values.data());
}

uint64_t* Node::own_validity() {
  auto* own = reinterpret_cast<uint64_t*>(validity.data());
  if (own != nullptr && out.validity == reinterpret_cast<const uint8_t*>(own)) return own;
  validity.resize(words(out.rows) * 8);
  own = reinterpret_cast<uint64_t*>(validity.data());
  for (int64_t i = 0; i < out.rows; i += 64) {
    own[i / 64] = out.validity == nullptr ? ~uint64_t{0} : load_word(out.validity, i, out.rows);
  }
  out.validity = reinterpret_cast<const uint8_t*>(own);
  return own;
}

void Node::set_null(int64_t row) { own_validity()[row / 64] &= ~(uint64_t{1} << (row % 64)); }

TextWriter::TextWriter(Node& node, int64_t rows) : node_(node), text_(node.text) {
  offset_ = node.fixed<int32_t>(rows + 1);
  node.out.offsets = offset_;
  node.out.values = nullptr;
  *offset_ = 0;
  text_.clear();
}

void TextWriter::finish() { node_.out.bytes = text_.data(); }

void TextWriter::throw_too_large() {
  throw Invalid("the texts of an expression's result pass 2 GiB");
}

void evaluate(Node& node, const Chunk& chunk) {
  if (node.constant) return;
  for (const auto& arg : node.args) evaluate(*arg, chunk);
  node.failures.clear();
  node.out.rows = chunk.rows;
  if (node.strict) {
    for (const auto& arg : node.args) take_failures(node, *arg, [](int32_t) { return true; });
    join_validity(node, chunk.rows);
  } else {
    node.out.validity = nullptr;
  }
  node.kernel(node, chunk);
  if (!node.failures.empty()) sort_failures(node);
}

void sort_failures(Node& node) {
  auto& failures = node.failures;
  std::ranges::stable_sort(failures, {}, &Failure::row);
  const auto rest = std::ranges::unique(failures, {}, &Failure::row);
  failures.erase(rest.begin(), rest.end());
}

std::string describe(const Failure& failure, std::string_view text) {
  const Node& node = *failure.node;
  const std::string_view own = text.substr(node.span.offset, node.span.length);
  if (!failure.fault->shows_value) {
    return format("{} in {}", failure.fault->what, clipped(own, kShownText));
  }
  return format("{}({}): {}", own.substr(0, own.find_first_of(" (")),
                show_value(node.arg(0), failure.row), failure.fault->what);
}

std::string show_value(const Node& node, int64_t row) {
  const Column& column = node.out;
  if (node.constant) row = 0;
  if (column.is_null(row)) return "null";
  std::string shown;
  switch (node.type) {
    case Type::kBool:
      return column.bool_at(row) ? "true" : "false";
    case Type::kInt:
      return format("{}", column.int_at(row));
    case Type::kFloat:
      return show_float(column.float_at(row));
    case Type::kDate:
      append_date(shown, column.date_at(row));
      return shown;
    case Type::kTimestamp:
      append_timestamp(shown, column.int_at(row));
      return shown;
    case Type::kString:
    case Type::kBinary:
      return format("'{}'", clipped(column.text_at(row), kShownBytes));
    case Type::kObject:
      return clipped(to_json(from_bytes<Object>(column.text_at(row))), kShownBytes);
  }
  return shown;
}

}  // namespace towpath::expr
