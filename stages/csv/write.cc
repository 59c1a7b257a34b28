#include "stages/csv/write.h"

#include <charconv>

#include "stages/csv/delimiter.h"
#include "towpath/message/json.h"

using namespace towpath;

StageSpec CsvWrite::describe() {
  return StageSpec("csv.write")
      .summary("Writes one CSV file, which appears under its name when the run is complete.")
      .field(field("path", FieldKind::kPath)
                 .must()
                 .about("The file; folders that lack are made. Of a symbolic link, the file it "
                        "leads to is written."))
      .field(field("header", FieldKind::kBool)
                 .default_value("true")
                 .about("Writes the columns' names as the first line."))
      .field(delimiter_field())
      .main_field("path")
      .example("csv.write: out/daily.csv")
      .example("csv.write: { path: out/daily.tsv, delimiter: tab }");
}

CsvWrite::CsvWrite(const Settings& settings)
    : FileSink(settings.get_string("path")),
      schema_(settings.input()),
      delimiter_(delimiter_of(settings)),
      header_(settings.get_bool("header")) {
  for (const char c : {delimiter_, '"', '\n', '\r'}) special_[static_cast<unsigned char>(c)] = true;
}

void CsvWrite::begin(std::string& out) {
  if (!header_) return;
  for (size_t i = 0; i < schema_.size(); ++i) {
    if (i > 0) out += delimiter_;
    put_text(schema_[i].name, out);
  }
  out += '\n';
}

void CsvWrite::put_text(std::string_view text, std::string& out) const {
  bool quoted = text.empty();
  for (const char c : text) quoted |= special_[static_cast<unsigned char>(c)];
  if (!quoted) {
    out += text;
    return;
  }
  out += '"';
  for (size_t quote; (quote = text.find('"')) != text.npos; text.remove_prefix(quote + 1)) {
    out.append(text, 0, quote + 1);
    out += '"';
  }
  out += text;
  out += '"';
}

void CsvWrite::put_value(const Batch& in, size_t index, int64_t row, std::string& out) const {
  const Column& column = in.column(index);
  if (column.is_null(row)) return;
  switch (column.type) {
    case Type::kBool:
      out += column.bool_at(row) ? "true" : "false";
      break;
    case Type::kInt: {
      char digits[24];
      out.append(digits, std::to_chars(digits, digits + sizeof digits, column.int_at(row)).ptr);
      break;
    }
    case Type::kFloat:
      append_float(out, column.float_at(row));
      break;
    case Type::kDate:
      append_date(out, column.date_at(row));
      break;
    case Type::kTimestamp:
      append_timestamp(out, column.int_at(row));
      break;
    case Type::kString:
    case Type::kBinary:
      put_text(column.text_at(row), out);
      break;
    case Type::kObject:
      put_text(to_json(in.value(row, index)), out);
      break;
  }
}

void CsvWrite::row(const Batch& in, int64_t row, std::string& out) {
  for (size_t i = 0; i < schema_.size(); ++i) {
    if (i > 0) out += delimiter_;
    put_value(in, i, row, out);
  }
  out += '\n';
}

TOWPATH_STAGE(CsvWrite)
