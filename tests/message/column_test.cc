#include "towpath/message/column.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "towpath/base/error.h"

using namespace towpath;

namespace {

constexpr Type kAllTypes[] = {Type::kBool,   Type::kInt,  Type::kFloat,     Type::kString,
                              Type::kBinary, Type::kDate, Type::kTimestamp, Type::kObject};

// The simplest thing that can be a column: each value as bytes, or nothing.
using Model = std::vector<std::optional<std::string>>;

template <class T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string value_at(const Column& column, int64_t row) {
  switch (column.type) {
    case Type::kBool:
      return bytes_of(column.bool_at(row));
    case Type::kInt:
    case Type::kTimestamp:
      return bytes_of(column.int_at(row));
    case Type::kFloat:
      return bytes_of(column.float_at(row));
    case Type::kDate:
      return bytes_of(column.date_at(row));
    default:
      return std::string(column.text_at(row));
  }
}

Model read(const Column& column) {
  Model model;
  for (int64_t row = 0; row < column.rows; ++row) {
    if (column.is_null(row)) {
      const std::string zero = value_at(column, row);
      REQUIRE(zero.find_first_not_of('\0') == zero.npos);  // a null's slot is zero or empty
      model.emplace_back();
    } else {
      model.emplace_back(value_at(column, row));
    }
  }
  return model;
}

void put_random(ColumnBuilder& builder, Model& model, std::mt19937& random, unsigned nulls_in_8) {
  if (random() % 8 < nulls_in_8) {
    builder.put_null();
    model.emplace_back();
    return;
  }
  switch (builder.type()) {
    case Type::kBool:
      builder.put_bool(random() % 2 == 0);
      break;
    case Type::kInt:
    case Type::kTimestamp:
      builder.put_int(static_cast<int64_t>(random()) << 31);
      break;
    case Type::kFloat:
      builder.put_float(static_cast<double>(random()) / 7);
      break;
    case Type::kDate:
      builder.put_date(static_cast<int32_t>(random()));
      break;
    default: {
      const std::string text(random() % 9, static_cast<char>('a' + random() % 26));
      if (random() % 2 == 0) {
        builder.put_text(text);
      } else {  // in pieces
        builder.text().append(text.data(), text.size() / 2);
        builder.text().append(text.data() + text.size() / 2, text.size() - text.size() / 2);
        builder.end_text();
      }
    }
  }
  model.emplace_back(value_at(builder.view(), builder.rows() - 1));
}

}  // namespace

TEST_CASE("ColumnBuilder: any sequence of changes gives what a plain list gives") {
  const Type type = GENERATE(from_range(std::begin(kAllTypes), std::end(kAllTypes)));
  CAPTURE(type_name(type));
  std::mt19937 random(static_cast<unsigned>(type) + 1);
  for (int round = 0; round < 60; ++round) {
    const unsigned nulls = round % 3 == 0 ? 0 : round % 3 == 1 ? 1 : 6;
    ColumnBuilder builder(type), other(type);
    Model model, source;
    for (int i = 0; i < 300; ++i) put_random(other, source, random, round % 2 == 0 ? nulls : 0);
    for (int step = 0; step < 40; ++step) {
      const Column from = other.view();
      switch (random() % 8) {
        case 0:
        case 1:
          for (auto i = random() % 70; i > 0; --i) put_random(builder, model, random, nulls);
          break;
        case 2: {
          const auto first = static_cast<int64_t>(random() % 300);
          const auto count = static_cast<int64_t>(random() % static_cast<uint64_t>(301 - first));
          builder.append(from, first, count);
          model.insert(model.end(), source.begin() + first, source.begin() + first + count);
          break;
        }
        case 3: {
          std::vector<int32_t> rows(random() % 100);
          for (int32_t& row : rows) row = static_cast<int32_t>(random() % 300);
          if (random() % 2 == 0) std::sort(rows.begin(), rows.end());
          builder.append(from, rows);
          for (const int32_t row : rows) model.push_back(source[static_cast<size_t>(row)]);
          break;
        }
        case 4: {
          std::vector<int32_t> rows(random() % 100);
          const auto first = static_cast<int32_t>(random() % 200);
          std::iota(rows.begin(), rows.end(), first);
          builder.append(from, rows);
          for (const int32_t row : rows) model.push_back(source[static_cast<size_t>(row)]);
          break;
        }
        case 5: {
          const auto row = random() % 300;
          builder.append_row(from, static_cast<int64_t>(row));
          model.push_back(source[row]);
          break;
        }
        case 6: {
          const size_t rows = model.size() - random() % (1 + model.size() / 4);
          if (is_variable(type)) builder.text().append("begun and not ended", 19);
          builder.truncate(static_cast<int64_t>(rows));
          model.resize(rows);
          break;
        }
        default:
          if (random() % 16 == 0) {
            builder.clear();
            model.clear();
          }
      }
      REQUIRE(builder.rows() == static_cast<int64_t>(model.size()));
    }
    REQUIRE(read(builder.view()) == model);
    ColumnBuilder moved = std::move(builder);
    REQUIRE(read(moved.view()) == model);
  }
}

TEST_CASE("ColumnBuilder: a column without nulls has no bitmap") {
  ColumnBuilder builder(Type::kInt), other(Type::kInt);
  for (int i = 0; i < 100; ++i) builder.put_int(i);
  CHECK_FALSE(builder.view().has_nulls());
  CHECK(builder.bytes() == 800);
  other.put_null();
  for (int i = 0; i < 100; ++i) other.put_int(i);
  builder.append(other.view(), 1, 100);  // of a column with nulls rows without
  CHECK_FALSE(builder.view().has_nulls());
  builder.append(other.view(), 0, 1);
  CHECK(builder.view().has_nulls());
  CHECK(builder.view().is_null(200));
  CHECK_FALSE(builder.view().is_null(199));
  builder.clear();
  builder.put_int(1);
  CHECK_FALSE(builder.view().has_nulls());
}

TEST_CASE("ColumnBuilder: unused bits of a bitmap are zero") {
  ColumnBuilder builder(Type::kBool);
  for (int i = 0; i < 16; ++i) builder.put_bool(true);
  builder.truncate(9);
  builder.put_bool(false);
  const auto* bits = static_cast<const uint8_t*>(builder.view().values);
  CHECK(bits[0] == 0xff);
  CHECK(bits[1] == 0x01);
}

TEST_CASE("ColumnBuilder: rows that are not there are not appended") {
  ColumnBuilder builder(Type::kInt), other(Type::kInt), text(Type::kString);
  other.put_int(1);
  CHECK_THROWS_AS(builder.append(other.view(), 0, 2), Bug);
  CHECK_THROWS_AS(builder.append(other.view(), -1, 1), Bug);
  CHECK_THROWS_AS(builder.append(text.view(), 0, 0), Bug);
  builder.append(other.view(), 1, 0);
  builder.append(other.view(), std::span<const int32_t>());
  CHECK(builder.rows() == 0);
}

TEST_CASE("ColumnBuilder: strings of all lengths and any bytes are kept") {
  ColumnBuilder builder(Type::kString);
  std::string text;
  for (int i = 0; i < 600; ++i) {
    text.push_back(static_cast<char>(i));
    builder.put_text(text);
  }
  const TypedColumn<std::string_view> column(builder.view());
  for (int64_t row = 0; row < 600; ++row) {
    REQUIRE(column[row] == std::string_view(text).substr(0, static_cast<size_t>(row) + 1));
  }
}

TEST_CASE("TypedColumn: dates and timestamps are types of their own") {
  ColumnBuilder dates(Type::kDate), times(Type::kTimestamp);
  dates.put_date(-1);
  times.put_int(5);
  CHECK(DateColumn(dates.view())[0] == Date{-1});
  CHECK(TimestampColumn(times.view())[0] == Timestamp{5});
}
