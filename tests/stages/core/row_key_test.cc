#include "stages/core/row_key.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "stages/core/key_table.h"
#include "towpath/stage/object_rows.h"

namespace towpath::core {
namespace {

// Keys of the rows, which are given in ascending order.
std::vector<std::string> keys_of(const Schema& schema, const std::vector<SortKey>& by,
                                 const ObjectRows& rows) {
  RowKey key(schema, by);
  const Batch batch = batch_of_rows(schema, rows, "in");
  key.bind(batch);
  std::vector<std::string> keys(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) key.append(static_cast<int64_t>(i), keys[i]);
  return keys;
}

void require_ascending(const std::vector<std::string>& keys) {
  for (size_t i = 1; i < keys.size(); ++i) {
    CAPTURE(i);
    REQUIRE(keys[i - 1] < keys[i]);
  }
}

// The rows' values, written as a key and read back.
void require_read_back(const Schema& schema, const std::vector<SortKey>& by,
                       const ObjectRows& rows) {
  const std::vector<std::string> keys = keys_of(schema, by, rows);
  RowKey key(schema, by);
  BatchBuilder built(schema);
  std::vector<ColumnBuilder*> columns;
  for (size_t i = 0; i < schema.size(); ++i) columns.push_back(&built.column(i));
  for (const std::string& each : keys) {
    built.add_row_without_position();
    key.put(each, columns);
  }
  const Batch batch = built.to_batch();
  for (size_t i = 0; i < rows.size(); ++i) {
    REQUIRE(show_row(object_row(batch, static_cast<int64_t>(i))) == show_row(rows[i]));
  }
}

ObjectRows column_of(const std::vector<Object>& values) {
  ObjectRows rows;
  for (const Object& value : values) rows.push_back({{"v", value}});
  return rows;
}

TEST_CASE("RowKey: orders values of each type and reads them back") {
  using std::string;
  const double inf = HUGE_VAL;
  const std::pair<Type, std::vector<Object>> cases[] = {
      {Type::kBool, {nullptr, false, true}},
      {Type::kInt, {nullptr, INT64_MIN, int64_t{-1}, 0, 1, 255, 256, INT64_MAX}},
      {Type::kFloat, {nullptr, -inf, -2.5, -1e-300, 0.0, 1e-300, 1.0, 2.5, inf, std::nan("")}},
      {Type::kDate, {nullptr, "1969-12-31", "1970-01-01", "2024-02-29"}},
      {Type::kTimestamp, {nullptr, "1969-12-31T23:59:59Z", "2024-02-29T12:00:00.5Z"}},
      {Type::kString,
       {nullptr, "", string("\0", 1), string("\0a", 2), "a", string("a\0", 2), "ab", "b", "\xff"}},
  };
  for (const auto& [type, values] : cases) {
    CAPTURE(type_name(type));
    const Schema schema = {{"v", type}};
    require_ascending(keys_of(schema, {{"v", false}}, column_of(values)));
    require_read_back(schema, {{"v", false}}, column_of(values));
    const std::vector<Object> turned(values.rbegin(), values.rend());
    require_ascending(keys_of(schema, {{"v", true}}, column_of(turned)));
    require_read_back(schema, {{"v", true}}, column_of(turned));
  }
}

TEST_CASE("RowKey: the first column decides before the second") {
  using std::string;
  const Schema schema = {{"a", Type::kString}, {"b", Type::kInt}};
  const ObjectRows rows = {{{"a", nullptr}, {"b", 9}}, {{"a", ""}, {"b", 8}},
                           {{"a", "x"}, {"b", 7}},     {{"a", string("x\0", 2)}, {"b", 1}},
                           {{"a", "xa"}, {"b", 3}},    {{"a", "xa"}, {"b", nullptr}}};
  require_ascending(keys_of(schema, {{"a", false}, {"b", true}}, rows));
  require_read_back(schema, {{"a", false}, {"b", true}}, rows);
}

TEST_CASE("RowKey: minus zero is zero and every NaN is one") {
  const Schema schema = {{"v", Type::kFloat}};
  const auto keys =
      keys_of(schema, {{"v", false}}, column_of({0.0, -0.0, std::nan(""), -std::nan("1")}));
  REQUIRE(keys[0] == keys[1]);
  REQUIRE(keys[2] == keys[3]);
}

TEST_CASE("RowKey: refuses a column that is not there and one of objects") {
  const Schema schema = {{"v", Type::kObject}};
  REQUIRE_THROWS_AS(RowKey(schema, {{"w", false}}), Invalid);
  REQUIRE_THROWS_AS(RowKey(schema, {{"v", false}}), Invalid);
}

TEST_CASE("KeyTable: numbers different keys in the order they come through many growths") {
  KeyTable table;
  constexpr uint32_t kKeys = 100'000;
  for (int round = 0; round < 2; ++round) {
    for (uint32_t i = 0; i < kKeys; ++i) REQUIRE(table.add("key " + std::to_string(i)) == i);
  }
  REQUIRE(table.size() == kKeys);
  REQUIRE(table.key(4711) == "key 4711");
  REQUIRE(table.add("") == kKeys);
  REQUIRE(table.add(std::string(1 << 20, 'x')) == kKeys + 1);
  REQUIRE(table.key(kKeys).empty());
  REQUIRE(table.key(kKeys + 1).size() == 1 << 20);
}

TEST_CASE("KeyTable: equal hashes of different keys are kept apart") {
  KeyTable table;
  REQUIRE(table.add(42, "a") == 0);
  REQUIRE(table.add(42, "b") == 1);
  REQUIRE(table.add(42, "a") == 0);
}

}  // namespace
}  // namespace towpath::core
