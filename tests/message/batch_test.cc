#include "towpath/message/batch.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <random>

#include "towpath/base/error.h"
#include "towpath/message/codec.h"

using namespace towpath;

namespace {

BatchBuilder cities() {
  BatchBuilder builder({{"city", Type::kString}, {"people", Type::kInt}, {"open", Type::kBool}});
  const char* names[] = {"Ghent", "Bruges", "Leuven"};
  for (int i = 0; i < 3; ++i) {
    builder.add_row({"a.csv", i + 2, 10 * i});
    builder.column(0).put_text(names[i]);
    i == 1 ? builder.column(1).put_null() : builder.column(1).put_int(100 * i);
    builder.column(2).put_bool(i != 1);
  }
  return builder;
}

struct Place {
  std::string file;
  int64_t line, byte;
  bool operator==(const Place&) const = default;
};

Place place_of(const Batch& batch, int64_t row) {
  const SourcePosition position = batch.position(row);
  return {std::string(position.file), position.line, position.byte};
}

}  // namespace

TEST_CASE("Batch: what was built is read back") {
  const Batch batch = cities().to_batch();
  REQUIRE(batch.rows() == 3);
  CHECK(show_schema(batch.schema()) == "city:string, people:int, open:bool");
  CHECK(batch.strings("city")[1] == "Bruges");
  CHECK(batch.ints("people")[2] == 200);
  CHECK(batch.ints("people").is_null(1));
  CHECK_FALSE(batch.bools("open")[1]);
  CHECK(batch.value(1, 1).is_nil());
  CHECK(batch.value(2, 1) == Object(200));
  CHECK(place_of(batch, 2) == Place{"a.csv", 4, 20});
  CHECK(batch.partition(1) == 0);
  CHECK(batch.has("open"));
  CHECK_FALSE(batch.has("Open"));
}

TEST_CASE("Batch: one made by default has nothing") {
  const Batch batch;
  CHECK(batch.rows() == 0);
  CHECK(batch.schema().empty());
  CHECK(batch.bytes() == 0);
  CHECK(batch.origins().entries == 0);
  CHECK_THROWS_AS(batch.column("a"), Invalid);
  CHECK_THROWS_AS(batch.column(0), Bug);
}

TEST_CASE("Batch: an unknown column is told which there are and a wrong type which it has") {
  const Batch batch = cities().to_batch();
  CHECK_THROWS_WITH(batch.ints("persons"),
                    "no column \"persons\"; there are city:string, people:int, open:bool");
  CHECK_THROWS_WITH(batch.floats("people"), "column \"people\" is int, not float");
  CHECK_THROWS_WITH(batch.strings("people"), "column \"people\" is int, not string");
  CHECK_THROWS_AS(batch.bools("city"), Invalid);
  CHECK_THROWS_AS(batch.dates("city"), Invalid);
  CHECK_THROWS_AS(batch.timestamps("people"), Invalid);
}

TEST_CASE("Batch: each type has its value as an object") {
  BatchBuilder builder({{"b", Type::kBinary},
                        {"d", Type::kDate},
                        {"t", Type::kTimestamp},
                        {"o", Type::kObject},
                        {"f", Type::kFloat}});
  builder.add_row_without_position();
  builder.column(0).put_text("\xff");
  builder.column(1).put_date(19782);
  builder.column(2).put_int(1'500'000);
  builder.column(3).put_text(to_bytes(Object(Object::Array{1, "x"})));
  builder.column(4).put_float(3.0);
  const Batch batch = builder.to_batch();
  CHECK(batch.value(0, 0) == Object(Object::Binary{"\xff"}));
  CHECK(batch.value(0, 1) == Object("2024-02-29"));
  CHECK(batch.value(0, 2) == Object("1970-01-01T00:00:01.5Z"));
  CHECK(batch.value(0, 3) == Object(Object::Array{1, "x"}));
  CHECK(batch.value(0, 4) == Object(3.0));
  CHECK(batch.strings("b")[0] == "\xff");
}

TEST_CASE("Batch: leased and partitioned it shares its rows") {
  const Batch batch = cities().to_batch();
  const Batch leased = batch.leased(2, "at 7", 1000).with_partitions({3, 63, 0});
  CHECK(leased.port() == 2);
  CHECK(leased.cursor() == "at 7");
  CHECK(leased.first_row() == 1000);
  CHECK(leased.partition(1) == 63);
  CHECK(leased.column(0).bytes == batch.column(0).bytes);
  CHECK(batch.partition(1) == 0);
  CHECK_THROWS_AS(batch.with_partitions({1}), Bug);
}

TEST_CASE("Batch: it outlives whoever opened it") {
  Batch copy;
  SourcePosition position;
  {
    const Batch batch = cities().to_batch();
    copy = batch.leased(1, "", 0);
    position = copy.position(0);
  }
  CHECK(copy.strings("city")[0] == "Ghent");
  CHECK(position.file == "a.csv");
}

TEST_CASE("BatchBuilder: rows keep their positions over files and lines far apart") {
  BatchBuilder builder((Schema()));
  const std::vector<Place> places = {{"a", 1, 0},
                                     {"a", 2, 10},
                                     {"b", 1, 0},
                                     {"a", 3, 20},
                                     {"", 0, 0},
                                     {"a", 3'000'000'000, 900'000'000'000},
                                     {"a", 4, 30},
                                     {"a", 2'999'999'999, 899'999'999'999},
                                     {"b", INT64_MAX / 4, INT64_MAX / 4},
                                     {"c", 0, 0}};
  for (const Place& place : places) builder.add_row({place.file, place.line, place.byte});
  const Batch first = builder.to_batch();
  std::vector<int32_t> all;
  for (size_t i = 0; i < places.size(); ++i) {
    CHECK(place_of(first, static_cast<int64_t>(i)) == places[i]);
    all.push_back(static_cast<int32_t>(i));
  }
  BatchBuilder copy((Schema()));
  copy.add_rows_from(first, all);
  std::reverse(all.begin(), all.end());
  copy.add_rows_from(first, all);
  const Batch second = copy.to_batch();
  for (size_t i = 0; i < places.size(); ++i) {
    CHECK(place_of(second, static_cast<int64_t>(i)) == places[i]);
    CHECK(place_of(second, static_cast<int64_t>(2 * places.size() - 1 - i)) == places[i]);
  }
}

TEST_CASE("BatchBuilder: rows made from one row share its position") {
  const Batch in = cities().to_batch();
  BatchBuilder builder((Schema()));
  for (const int64_t row : {0, 0, 0, 2, 2, 1}) builder.add_row_from(in, row);
  const Batch batch = builder.to_batch();
  CHECK(batch.origins().entries == 3);
  CHECK(place_of(batch, 2).line == 2);
  CHECK(place_of(batch, 4).line == 4);
  CHECK(place_of(batch, 5).line == 3);
}

TEST_CASE("BatchBuilder: positions need no table when each row has its own or none has one") {
  CHECK(cities().to_batch().origins().index == nullptr);
  CHECK(cities().to_batch().origins().file == nullptr);
  BatchBuilder builder((Schema()));
  for (int i = 0; i < 5; ++i) builder.add_row_without_position();
  CHECK(builder.to_batch().origins().entries == 0);
  builder.add_row({"late", 1, 2});
  builder.add_row_without_position();
  const Batch batch = builder.to_batch();
  CHECK(place_of(batch, 4) == Place{"", 0, 0});
  CHECK(place_of(batch, 5) == Place{"late", 1, 2});
  CHECK(place_of(batch, 6) == Place{"", 0, 0});
}

TEST_CASE("BatchBuilder: positions survive any mixture of adding and taking back") {
  std::mt19937 random(3);
  const auto name = [&random] {
    return std::string("file-") + static_cast<char>('a' + random() % 4);
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<Batch> ins(3);
    std::vector<std::vector<Place>> in_places(3);
    for (size_t i = 0; i < ins.size(); ++i) {
      BatchBuilder source((Schema()));
      for (int row = 0; row < 40; ++row) {
        if (random() % 5 == 0 || i == 2) {
          source.add_row_without_position();
          in_places[i].push_back({"", 0, 0});
        } else {
          Place place{name(), static_cast<int64_t>(random()),
                      static_cast<int64_t>(random()) << (random() % 20)};
          source.add_row({place.file, place.line, place.byte});
          in_places[i].push_back(std::move(place));
        }
      }
      ins[i] = source.to_batch();
    }
    BatchBuilder builder((Schema()));
    std::vector<Place> model;
    for (int step = 0; step < 40; ++step) {
      const size_t from = random() % 3;
      switch (random() % 6) {
        case 0: {
          Place place{name(), static_cast<int64_t>(random() % 100),
                      static_cast<int64_t>(random() % 100)};
          builder.add_row({place.file, place.line, place.byte});
          model.push_back(std::move(place));
          break;
        }
        case 1:
          builder.add_row_without_position();
          model.push_back({"", 0, 0});
          break;
        case 2:
        case 3: {
          std::vector<int32_t> rows(random() % 20);
          for (int32_t& row : rows) row = static_cast<int32_t>(random() % 40);
          if (random() % 2 == 0) std::sort(rows.begin(), rows.end());
          builder.add_rows_from(ins[from], rows);
          for (const int32_t row : rows) model.push_back(in_places[from][static_cast<size_t>(row)]);
          break;
        }
        case 4:
          for (int i = 0; i < 3; ++i) builder.add_row_from(ins[from], step % 40);
          model.insert(model.end(), 3, in_places[from][static_cast<size_t>(step % 40)]);
          break;
        default:
          model.resize(model.size() - random() % (1 + model.size()));
          builder.truncate(static_cast<int64_t>(model.size()));
      }
    }
    const Batch batch = builder.to_batch();
    REQUIRE(batch.rows() == static_cast<int64_t>(model.size()));
    for (size_t row = 0; row < model.size(); ++row) {
      REQUIRE(place_of(batch, static_cast<int64_t>(row)) == model[row]);
    }
  }
}

TEST_CASE("BatchBuilder: rows taken back leave no positions behind") {
  BatchBuilder builder((Schema()));
  builder.add_row({"a", 1, 0});
  builder.add_row({"a", 1, 0});
  for (int i = 0; i < 10'000; ++i) {
    builder.add_row({"a", i, i});
    builder.truncate(2);
  }
  CHECK(builder.to_batch().origins().entries == 2);
}

TEST_CASE("BatchBuilder: it is cut only where every column has every row") {
  BatchBuilder builder = cities();
  CHECK(builder.whole());
  builder.column(0).put_text("Mechelen");
  CHECK_FALSE(builder.whole());
  CHECK_THROWS_AS(builder.layout(), Bug);
  builder.truncate(3);
  CHECK(builder.whole());
  builder.add_row_without_position();
  CHECK_FALSE(builder.whole());
  builder.truncate(3);
  CHECK(builder.to_batch().rows() == 3);
  builder.clear();
  CHECK(builder.whole());
  CHECK(builder.to_batch().rows() == 0);
  CHECK(builder.to_batch().strings("city").rows() == 0);
}

TEST_CASE("BatchBuilder: partitions travel with the rows") {
  BatchBuilder builder = cities();
  const std::vector<uint8_t> partitions = {1, 63, 7};
  builder.set_partitions(partitions);
  const Batch batch = builder.to_batch();
  CHECK(batch.partition(0) == 1);
  CHECK(batch.partition(1) == 63);
  CHECK(batch.partition(2) == 7);
  builder.clear();
  builder.add_row_without_position();
  builder.column(0).put_text("");
  builder.column(1).put_int(0);
  builder.column(2).put_bool(false);
  CHECK(builder.to_batch().partition(0) == 0);
  CHECK_THROWS_AS(builder.set_partitions(partitions), Bug);
}
