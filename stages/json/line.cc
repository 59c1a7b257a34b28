#include "stages/json/line.h"

#include <algorithm>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace json {
namespace {

// JSON leaves it open which of two equal keys counts, so neither does.
void refuse_twins(simdjson::dom::object object, size_t size) {
  if (size < 2) return;
  std::vector<std::string_view> keys;
  keys.reserve(size);
  for (const auto [key, each] : object) keys.push_back(key);
  std::ranges::sort(keys);
  if (const auto twin = std::ranges::adjacent_find(keys); twin != keys.end()) {
    throw towpath::NotSerialisable(towpath::format("an object has the key \"{}\" twice", *twin));
  }
}

void encode_nested(towpath::Encoder& out, simdjson::dom::element value, size_t depth) {
  using simdjson::dom::element_type;
  if (depth > towpath::kMaxDepth) {
    throw towpath::NotSerialisable(towpath::format("nested deeper than {}", towpath::kMaxDepth));
  }
  switch (value.type()) {
    case element_type::NULL_VALUE:
      return out.nil();
    case element_type::BOOL:
      return out.boolean(value.get_bool().value_unsafe());
    case element_type::INT64:
      return out.integer(value.get_int64().value_unsafe());
    case element_type::UINT64:
      return out.unsigned_integer(value.get_uint64().value_unsafe());
    case element_type::DOUBLE:
      return out.real(value.get_double().value_unsafe());
    case element_type::STRING:
      return out.string(value.get_string().value_unsafe());
    case element_type::ARRAY: {
      // size() saturates at 2^24 - 1: counting is always right.
      size_t size = 0;
      const simdjson::dom::array array = value.get_array().value_unsafe();
      for ([[maybe_unused]] const auto each : array) ++size;
      out.array(size);
      for (const simdjson::dom::element each : array) encode_nested(out, each, depth + 1);
      return;
    }
    case element_type::OBJECT: {
      size_t size = 0;
      const simdjson::dom::object object = value.get_object().value_unsafe();
      for ([[maybe_unused]] const auto each : object) ++size;
      refuse_twins(object, size);
      out.map(size);
      for (const auto [key, each] : object) {
        out.string(key);
        encode_nested(out, each, depth + 1);
      }
      return;
    }
  }
}

}  // namespace

void encode(towpath::Encoder& out, simdjson::dom::element value) { encode_nested(out, value, 1); }

}  // namespace json
