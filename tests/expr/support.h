#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "towpath/expr/expression.h"
#include "towpath/expr/node.h"
#include "towpath/message/batch.h"
#include "towpath/message/codec.h"
#include "towpath/message/json.h"

// Small batches and one-line evaluation, for the tests of expressions.

namespace towpath::testing {

inline void put(ColumnBuilder& column, const Object& value) {
  int32_t days = 0;
  int64_t micros = 0;
  if (value.is_nil()) return column.put_null();
  switch (column.type()) {
    case Type::kBool:
      return column.put_bool(value.as_bool());
    case Type::kInt:
      return column.put_int(value.as_int());
    case Type::kFloat:
      return column.put_float(value.as_float());
    case Type::kString:
      return column.put_text(value.as_string());
    case Type::kBinary:
      return column.put_text(value.as_binary());
    case Type::kDate:
      expect(read_date(value.as_string(), days), "a date");
      return column.put_date(days);
    case Type::kTimestamp:
      expect(read_timestamp(value.as_string(), micros), "a timestamp");
      return column.put_int(micros);
    case Type::kObject:
      return column.put_text(to_bytes(value));
  }
}

// One row for each list of values; nil is null. Dates and timestamps are given as ISO text.
inline Batch rows(const Schema& schema, const std::vector<std::vector<Object>>& values) {
  BatchBuilder builder(schema);
  for (const auto& row : values) {
    builder.add_row_without_position();
    for (size_t i = 0; i < schema.size(); ++i) put(builder.column(i), row.at(i));
  }
  return builder.to_batch();
}

// The values of an expression over a batch as they are written ("3", "2.5", "'text'", "null"), or
// "error: …" for a row that fails.
inline std::vector<std::string> results(std::string_view text, const Batch& in,
                                        const Bindings& bindings = {}) {
  Expression expression = Expression::compile(text, in.schema(), bindings);
  ColumnBuilder out(expression.type());
  std::vector<RowError> errors;
  expression.run(in, out, errors);
  expect(out.rows() == in.rows(), "one value a row");
  expr::Node shown(out.type());
  shown.out = out.view();
  std::vector<std::string> values;
  for (int64_t i = 0; i < in.rows(); ++i) values.push_back(expr::show_value(shown, i));
  int64_t last = -1;
  for (const RowError& error : errors) {
    expect(error.row > last, "errors by row, one a row");
    last = error.row;
    expect(out.view().is_null(error.row), "a row that fails is null");
    values[static_cast<size_t>(error.row)] = "error: " + error.reason;
  }
  return values;
}

// The only row's.
inline std::string result(std::string_view text, const Batch& in, const Bindings& bindings = {}) {
  return results(text, in, bindings).at(0);
}

// A row with a column of each type, and null ones.
inline const Batch& sample() {
  static const Batch batch =
      rows({{"i", Type::kInt},
            {"j", Type::kInt},
            {"f", Type::kFloat},
            {"s", Type::kString},
            {"t", Type::kString},
            {"b", Type::kBool},
            {"d", Type::kDate},
            {"at", Type::kTimestamp},
            {"o", Type::kObject},
            {"raw", Type::kBinary},
            {"null_i", Type::kInt},
            {"null_f", Type::kFloat},
            {"null_s", Type::kString},
            {"null_b", Type::kBool},
            {"null_d", Type::kDate},
            {"weird name", Type::kInt}},
           {{7, -2, 2.5, "Ünïcode", "abc", true, "2024-02-29", "2024-02-29T12:34:56.25Z",
             from_json(R"({"a": {"b": [10, "x"]}, "n": null, "f": 1.5, "t": "2024-03-01"})"),
             Object::Binary{std::string("\x00\xff", 2)}, nullptr, nullptr, nullptr, nullptr,
             nullptr, 42}});
  return batch;
}

}  // namespace towpath::testing
