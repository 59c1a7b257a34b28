#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace towpath {

// The types of a column. The names in YAML are these in lower case without the k.
//   kBool       bitmap, one bit a row
//   kInt        int64
//   kFloat      float64
//   kString     any bytes, by convention UTF-8
//   kBinary     any bytes
//   kDate       int32 days since 1970-01-01
//   kTimestamp  int64 microseconds since 1970-01-01T00:00:00Z
//   kObject     one MessagePack value a row
enum class Type : uint8_t { kBool, kInt, kFloat, kString, kBinary, kDate, kTimestamp, kObject };

std::string_view type_name(Type type);
std::optional<Type> type_named(std::string_view name);

// Bytes a value takes in its column: 8, 4 (date), or 0 for bool and for types of variable length.
size_t value_size(Type type);
// True for the types with offsets and bytes: string, binary, object.
bool is_variable(Type type);

struct Field {
  std::string name;
  Type type;
  bool operator==(const Field&) const = default;
};

// The columns of a batch in order. Names are unique.
using Schema = std::vector<Field>;

// Position of the column, or -1.
int find_field(const Schema& schema, std::string_view name);
// The first field whose name another before it has, or null.
const Field* find_twice(const Schema& schema);
// As find_field for who looks up many: made once, each find costs the same however many columns
// there are. Refers to the schema's names.
class FieldIndex {
 public:
  explicit FieldIndex(const Schema& schema);
  int find(std::string_view name) const;

 private:
  std::unordered_map<std::string_view, int> positions_;
};
// Adds the column at the end, or changes the type of the one that has its name.
void set_field(Schema& schema, std::string_view name, Type type);
// "day:date, country:string"; for messages.
std::string show_schema(const Schema& schema);

}  // namespace towpath
