#include <optional>
#include <string_view>
#include <utility>

#include "towpath/expr/constants.h"
#include "towpath/expr/functions.h"
#include "towpath/expr/kernels.h"
#include "towpath/expr/key_hash.h"
#include "towpath/message/codec.h"

// hash, get, now, random.

namespace towpath::expr {
namespace {

void hash(Node& self, const Chunk& chunk) {
  auto* out = self.fixed<uint64_t>(chunk.rows);
  for (size_t i = 0; i < self.args.size(); ++i) {
    hash_column(self.arg(i).out, self.arg(i).constant, i == 0,
                {out, static_cast<size_t>(chunk.rows)});
  }
}

// The value of a key of a map, or at a position of an array (from 0; negative: from the end), still
// encoded.
std::optional<std::string_view> member(std::string_view object, const Node& key, int64_t row) {
  Decoder in(object);
  if (key.type == Type::kString) {
    if (in.peek() != Decoder::Kind::kMap) return std::nullopt;
    const std::string_view wanted = key.text_at(row);
    for (size_t left = in.map(); left > 0; --left) {
      const bool found = in.peek() == Decoder::Kind::kString && in.string() == wanted;
      if (found) return in.raw();
      // A key that is a text has been read; any other still stands there.
      if (in.rest().empty()) return std::nullopt;
      in.skip();
    }
    return std::nullopt;
  }
  if (in.peek() != Decoder::Kind::kArray) return std::nullopt;
  const auto size = static_cast<int64_t>(in.array());
  int64_t at = key.out.int_at(key.constant ? 0 : row);
  if (at < 0) at += size;
  if (at < 0 || at >= size) return std::nullopt;
  for (; at > 0; --at) in.skip();
  return in.raw();
}

void get(Node& self, const Chunk& chunk) {
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    std::optional<std::string_view> value = self.arg(0).text_at(i);
    for (size_t k = 1; value && k < self.args.size(); ++k) value = member(*value, self.arg(k), i);
    if (value && Decoder(*value).peek() != Decoder::Kind::kNil) {
      out.put(*value);
    } else {
      self.set_null(i);
      out.end_row();
    }
  });
}

uint64_t mixed(uint64_t x) {  // splitmix64
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// In [0, 1), from the seed and the row's number on its edge: the same in every run, however often
// the batch is leased.
void random(Node& self, const Chunk& chunk) {
  const auto seed = static_cast<uint64_t>(self.number);
  const auto first =
      static_cast<uint64_t>((chunk.batch == nullptr ? 0 : chunk.batch->first_row()) + chunk.first);
  fill<double>(self, chunk.rows, [&](int64_t i) {
    const uint64_t bits = mixed(seed ^ mixed(first + static_cast<uint64_t>(i)));
    return static_cast<double>(bits >> 11) * 0x1p-53;
  });
}

NodePtr bind_hash(Call& call) {
  for (size_t i = 0; i < call.size(); ++i) {
    if (call.args[i]->untyped) call.want(i, Type::kString);
  }
  return call.make(Type::kInt, hash);
}

NodePtr bind_get(Call& call) {
  if (call.type(0) != Type::kObject) call.want(0, Type::kObject);
  for (size_t i = 1; i < call.size(); ++i) {
    if (call.type(i) != Type::kInt) call.want(i, Type::kString);
  }
  return call.make(Type::kObject, get);
}

NodePtr bind_now(Call& call) {
  NodePtr node = constant_int(call.typer.bindings().now_micros, Type::kTimestamp);
  node->span = call.span;
  return node;
}

NodePtr bind_random(Call& call) {
  NodePtr node = call.make(Type::kFloat, random);
  node->varies = true;
  node->number = static_cast<int64_t>(
      mixed(call.typer.bindings().seed + static_cast<uint64_t>(call.typer.next_random())));
  return node;
}

constexpr Function kFunctions[] = {
    {"hash", "hash(a, b, …)", 1, kAnyNumber, bind_hash},
    {"get", "get(object, 'key', …)", 2, kAnyNumber, bind_get},
    {"now", "now()", 0, 0, bind_now},
    {"random", "random()", 0, 0, bind_random},
};

}  // namespace

std::span<const Function> row_functions() { return kFunctions; }

}  // namespace towpath::expr
