#include "towpath/stage/object_rows.h"

#include <algorithm>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/codec.h"
#include "towpath/message/json.h"

namespace towpath {
namespace {

[[noreturn]] void throw_misfit(const Field& field, const Object& value) {
  throw Invalid(format("column \"{}\" is {}, which {} is not", field.name, type_name(field.type),
                       to_json(value)));
}

int32_t date_of(const Field& field, const Object& value) {
  int32_t days = 0;
  if (!value.is_string() || !read_date(value.as_string(), days)) throw_misfit(field, value);
  return days;
}

int64_t timestamp_of(const Field& field, const Object& value) {
  int64_t micros = 0;
  if (!value.is_string() || !read_timestamp(value.as_string(), micros)) throw_misfit(field, value);
  return micros;
}

void put_value(ColumnBuilder& column, const Field& field, const Object& value) {
  switch (field.type) {
    case Type::kBool:
      return column.put_bool(value.as_bool());
    case Type::kInt:
      return column.put_int(value.as_int());
    case Type::kFloat:
      return column.put_float(value.as_float());
    case Type::kString:
      return column.put_text(value.as_string());
    case Type::kBinary:
      return column.put_text(value.is_string() ? value.as_string() : value.as_binary());
    case Type::kDate:
      return column.put_date(date_of(field, value));
    case Type::kTimestamp:
      return column.put_int(timestamp_of(field, value));
    case Type::kObject:
      return column.put_text(to_bytes(value));
  }
}

}  // namespace

void put_object(ColumnBuilder& column, const Field& field, const Object& value) {
  if (value.is_nil()) return column.put_null();
  try {
    put_value(column, field, value);
  } catch (const Invalid&) {
    throw_misfit(field, value);
  }
}

Batch batch_of_rows(const Schema& schema, std::span<const ObjectRow> rows, std::string_view file,
                    int64_t first_line) {
  BatchBuilder batch(schema);
  for (const ObjectRow& row : rows) {
    for (const auto& [name, value] : row) {
      if (find_field(schema, name) >= 0) continue;
      throw Invalid(
          format("a row has column \"{}\", but the input has {}", name, show_schema(schema)));
    }
    const int64_t line = first_line + batch.rows();
    batch.add_row({file, line, line - 1});
    for (size_t i = 0; i < schema.size(); ++i) {
      const auto found = std::find_if(row.begin(), row.end(), [&schema, i](const auto& entry) {
        return entry.first == schema[i].name;
      });
      put_object(batch.column(i), schema[i], found == row.end() ? Object() : found->second);
    }
  }
  return batch.to_batch();
}

ObjectRow object_row(const Batch& batch, int64_t row) {
  ObjectRow values;
  for (size_t i = 0; i < batch.schema().size(); ++i) {
    values.emplace_back(batch.schema()[i].name, batch.value(row, i));
  }
  return values;
}

std::string show_row(const ObjectRow& row) {
  Object map{Object::Map{}};
  for (const auto& [name, value] : row) map.set(name, value);
  return to_json(map);
}

}  // namespace towpath
