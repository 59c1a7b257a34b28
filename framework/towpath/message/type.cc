#include "towpath/message/type.h"

#include <iterator>
#include <unordered_set>

#include "towpath/base/error.h"

namespace towpath {
namespace {

constexpr std::string_view kNames[] = {"bool",   "int",  "float",     "string",
                                       "binary", "date", "timestamp", "object"};

}  // namespace

std::string_view type_name(Type type) {
  const auto number = static_cast<size_t>(type);
  expect(number < std::size(kNames), "no such type");
  return kNames[number];
}

std::optional<Type> type_named(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<Type>(i);
  }
  return std::nullopt;
}

size_t value_size(Type type) {
  switch (type) {
    case Type::kInt:
    case Type::kFloat:
    case Type::kTimestamp:
      return 8;
    case Type::kDate:
      return 4;
    case Type::kBool:
    case Type::kString:
    case Type::kBinary:
    case Type::kObject:
      return 0;
  }
  return 0;
}

bool is_variable(Type type) {
  return type == Type::kString || type == Type::kBinary || type == Type::kObject;
}

int find_field(const Schema& schema, std::string_view name) {
  for (size_t i = 0; i < schema.size(); ++i) {
    if (schema[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

const Field* find_twice(const Schema& schema) {
  // Each batch that is opened asks: few names are compared sooner than they are put into a set.
  constexpr size_t kFew = 16;
  if (schema.size() <= kFew) {
    for (size_t i = 1; i < schema.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (schema[i].name == schema[j].name) return &schema[i];
      }
    }
    return nullptr;
  }
  std::unordered_set<std::string_view> names;
  for (const Field& field : schema) {
    if (!names.insert(field.name).second) return &field;
  }
  return nullptr;
}

FieldIndex::FieldIndex(const Schema& schema) {
  positions_.reserve(schema.size());
  for (size_t i = 0; i < schema.size(); ++i) {
    positions_.try_emplace(schema[i].name, static_cast<int>(i));
  }
}

int FieldIndex::find(std::string_view name) const {
  const auto found = positions_.find(name);
  return found == positions_.end() ? -1 : found->second;
}

void set_field(Schema& schema, std::string_view name, Type type) {
  const int at = find_field(schema, name);
  if (at < 0) {
    schema.push_back({std::string(name), type});
  } else {
    schema[static_cast<size_t>(at)].type = type;
  }
}

std::string show_schema(const Schema& schema) {
  std::string text;
  for (const Field& field : schema) {
    if (!text.empty()) text += ", ";
    text += field.name;
    text += ':';
    text += type_name(field.type);
  }
  return text;
}

}  // namespace towpath
