#include "towpath/message/type.h"

#include <catch2/catch.hpp>

using namespace towpath;

TEST_CASE("Type: every type is found by its name") {
  for (const Type type : {Type::kBool, Type::kInt, Type::kFloat, Type::kString, Type::kBinary,
                          Type::kDate, Type::kTimestamp, Type::kObject}) {
    CHECK(type_named(type_name(type)) == type);
  }
  CHECK(type_name(Type::kTimestamp) == "timestamp");
  CHECK_FALSE(type_named("integer"));
  CHECK_FALSE(type_named("Int"));
  CHECK_FALSE(type_named(""));
}

TEST_CASE("Type: variable types have no value size") {
  CHECK(value_size(Type::kInt) == 8);
  CHECK(value_size(Type::kFloat) == 8);
  CHECK(value_size(Type::kTimestamp) == 8);
  CHECK(value_size(Type::kDate) == 4);
  CHECK(value_size(Type::kBool) == 0);
  for (const Type type : {Type::kString, Type::kBinary, Type::kObject}) {
    CHECK(is_variable(type));
    CHECK(value_size(type) == 0);
  }
  CHECK_FALSE(is_variable(Type::kBool));
}

TEST_CASE("Schema: a field is added at the end or changes its type in place") {
  Schema schema;
  CHECK(show_schema(schema).empty());
  set_field(schema, "a", Type::kInt);
  set_field(schema, "b", Type::kString);
  set_field(schema, "a", Type::kFloat);
  CHECK(show_schema(schema) == "a:float, b:string");
  CHECK(find_field(schema, "b") == 1);
  CHECK(find_field(schema, "c") == -1);
  const FieldIndex index(schema);
  for (const Field& field : schema) CHECK(index.find(field.name) == find_field(schema, field.name));
  CHECK(index.find("c") == -1);
}

TEST_CASE("Schema: a name that comes twice is found among few and among many") {
  for (const int fields : {2, 16, 17, 1000}) {
    Schema schema;
    for (int i = 0; i < fields; ++i) schema.push_back({std::to_string(i), Type::kInt});
    CHECK(find_twice(schema) == nullptr);
    schema.back().name = schema.front().name;
    CHECK(find_twice(schema) == &schema.back());
  }
}
