#include "towpath/message/object.h"

#include <algorithm>
#include <limits>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

[[noreturn]] void throw_kind(std::string_view wanted, std::string_view found) {
  throw Invalid(format("expected {}, found {}", wanted, found));
}

}  // namespace

Object::Object(uint64_t value) {
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    value_ = static_cast<int64_t>(value);
  } else {
    value_ = value;
  }
}

std::string_view Object::kind() const {
  static constexpr std::string_view kKinds[] = {"nil",    "bool",   "int",   "int", "float",
                                                "string", "binary", "array", "map"};
  return kKinds[value_.index()];
}

bool Object::as_bool() const {
  if (const auto* value = std::get_if<bool>(&value_)) return *value;
  throw_kind("bool", kind());
}

int64_t Object::as_int() const {
  if (const auto* value = std::get_if<int64_t>(&value_)) return *value;
  if (is_uint()) {
    throw Invalid(format("{} does not fit a signed integer", std::get<uint64_t>(value_)));
  }
  throw_kind("int", kind());
}

uint64_t Object::as_uint() const {
  if (const auto* value = std::get_if<uint64_t>(&value_)) return *value;
  if (const auto* value = std::get_if<int64_t>(&value_)) {
    if (*value >= 0) return static_cast<uint64_t>(*value);
    throw Invalid(format("{} is negative", *value));
  }
  throw_kind("int", kind());
}

double Object::as_float() const {
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = std::get_if<int64_t>(&value_)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<uint64_t>(&value_)) return static_cast<double>(*value);
  throw_kind("float", kind());
}

const std::string& Object::as_string() const {
  if (const auto* value = std::get_if<std::string>(&value_)) return *value;
  throw_kind("string", kind());
}

const std::string& Object::as_binary() const {
  if (const auto* value = std::get_if<Binary>(&value_)) return value->bytes;
  throw_kind("binary", kind());
}

const Object::Array& Object::as_array() const {
  if (const auto* value = std::get_if<Array>(&value_)) return *value;
  throw_kind("array", kind());
}

Object::Array& Object::as_array() {
  if (auto* value = std::get_if<Array>(&value_)) return *value;
  throw_kind("array", kind());
}

const Object::Map& Object::as_map() const {
  if (const auto* value = std::get_if<Map>(&value_)) return *value;
  throw_kind("map", kind());
}

Object::Map& Object::as_map() {
  if (auto* value = std::get_if<Map>(&value_)) return *value;
  throw_kind("map", kind());
}

const Object* Object::find(std::string_view key) const {
  const auto* map = std::get_if<Map>(&value_);
  if (map == nullptr) return nullptr;
  for (const auto& [name, value] : *map) {
    if (const auto* text = std::get_if<std::string>(&name.value_); text && *text == key) {
      return &value;
    }
  }
  return nullptr;
}

void Object::set(std::string_view key, Object value) {
  if (is_nil()) value_ = Map{};
  Map& map = as_map();
  for (auto& [name, old] : map) {
    if (const auto* text = std::get_if<std::string>(&name.value_); text && *text == key) {
      old = std::move(value);
      return;
    }
  }
  map.emplace_back(key, std::move(value));
}

bool Object::operator==(const Object& other) const {
  const auto* mine = std::get_if<Map>(&value_);
  const auto* theirs = std::get_if<Map>(&other.value_);
  if (mine == nullptr || theirs == nullptr) return value_ == other.value_;
  // Maps are equal whatever the order of their keys; most often it is the same.
  return *mine == *theirs ||
         std::is_permutation(mine->begin(), mine->end(), theirs->begin(), theirs->end());
}

}  // namespace towpath
