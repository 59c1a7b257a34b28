#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace towpath {

// Any MessagePack value: nil, bool, integer, float, string, binary, array or map. A value type.
// A map keeps the order in which its keys were set; keys are objects, most often strings.
class Object {
 public:
  using Array = std::vector<Object>;
  using Map = std::vector<std::pair<Object, Object>>;
  struct Binary {
    std::string bytes;
    bool operator==(const Binary&) const = default;
  };

  Object() = default;  // nil
  Object(std::nullptr_t) {}
  Object(bool value) : value_(value) {}
  Object(int value) : value_(int64_t{value}) {}
  Object(int64_t value) : value_(value) {}
  Object(uint64_t value);  // above int64's range it is kept as uint64
  Object(double value) : value_(value) {}
  Object(const char* value) : value_(std::string(value)) {}
  Object(std::string_view value) : value_(std::string(value)) {}
  Object(std::string value) : value_(std::move(value)) {}
  Object(Binary value) : value_(std::move(value)) {}
  Object(Array value) : value_(std::move(value)) {}
  Object(Map value) : value_(std::move(value)) {}

  bool is_nil() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<int64_t>(value_); }
  bool is_uint() const { return std::holds_alternative<uint64_t>(value_); }  // above int64's range
  bool is_float() const { return std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_binary() const { return std::holds_alternative<Binary>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_map() const { return std::holds_alternative<Map>(value_); }
  // "nil", "bool", "int", "float", "string", "binary", "array" or "map".
  std::string_view kind() const;

  // Each throws Invalid that names the kind wanted and the kind found.
  bool as_bool() const;
  int64_t as_int() const;
  uint64_t as_uint() const;
  double as_float() const;  // an integer is converted
  const std::string& as_string() const;
  const std::string& as_binary() const;
  const Array& as_array() const;
  Array& as_array();
  const Map& as_map() const;
  Map& as_map();

  // For a map: the value of the key, or null. For anything else: null.
  const Object* find(std::string_view key) const;
  // Sets the key of a map; nil becomes a map first.
  void set(std::string_view key, Object value);

  bool operator==(const Object& other) const;

 private:
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Binary, Array, Map>
      value_;
};

}  // namespace towpath
