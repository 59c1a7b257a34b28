#include "stages/json/write.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/json.h"

using namespace towpath;

StageSpec JsonlWrite::describe() {
  return StageSpec("jsonl.write")
      .summary(
          "Writes one file of JSON Lines, which appears under its name when the run is complete. "
          "A row whose text is not UTF-8, or whose number is not finite, is rejected: JSON can't "
          "hold it.")
      .field(field("path", FieldKind::kPath)
                 .must()
                 .about("The file; folders that lack are made. Of a symbolic link, the file it "
                        "leads to is written."))
      .main_field("path")
      .example("jsonl.write: out/rejects.jsonl");
}

JsonlWrite::JsonlWrite(const Settings& settings) : FileSink(settings.get_string("path")) {
  for (const Field& field : settings.input()) {
    std::string& key = keys_.emplace_back();
    append_json_string(key, field.name);
    key += ':';
  }
}

void JsonlWrite::put_value(const Batch& in, size_t index, int64_t row, std::string& out) const {
  const Column& column = in.column(index);
  if (column.is_null(row)) {
    out += "null";
    return;
  }
  switch (column.type) {
    case Type::kBool:
      out += column.bool_at(row) ? "true" : "false";
      break;
    case Type::kInt: {
      char digits[24];
      out.append(digits, std::to_chars(digits, digits + sizeof digits, column.int_at(row)).ptr);
      break;
    }
    case Type::kFloat: {
      const double value = column.float_at(row);
      if (!std::isfinite(value)) {
        throw Invalid(
            format("{}: JSON has no form for {}", in.schema()[index].name, show_float(value)));
      }
      append_float(out, value);
      break;
    }
    case Type::kDate:
      out += '"';
      append_date(out, column.date_at(row));
      out += '"';
      break;
    case Type::kTimestamp:
      out += '"';
      append_timestamp(out, column.int_at(row));
      out += '"';
      break;
    case Type::kString: {
      const std::string_view text = column.text_at(row);
      if (!simdjson::validate_utf8(text.data(), text.size())) {
        throw Invalid(format("{}: the text is not UTF-8", in.schema()[index].name));
      }
      append_json_string(out, text);
      break;
    }
    case Type::kBinary:
    case Type::kObject:
      out += to_json(in.value(row, index));
      break;
  }
}

void JsonlWrite::row(const Batch& in, int64_t row, std::string& out) {
  out += '{';
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (i > 0) out += ',';
    out += keys_[i];
    put_value(in, i, row, out);
  }
  out += "}\n";
}

TOWPATH_STAGE(JsonlWrite)
