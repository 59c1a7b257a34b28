#include "stages/csv/write.h"

#include <charconv>

#include "stages/csv/delimiter.h"
#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/json.h"

using namespace towpath;

StageSpec CsvWrite::describe() {
  return StageSpec("csv.write")
      .summary("Writes one CSV file, which appears under its name when the run is complete.")
      .field(field("path", FieldKind::kPath).must().about("The file; folders that lack are made."))
      .field(field("header", FieldKind::kBool)
                 .default_value("true")
                 .about("Writes the columns' names as the first line."))
      .field(delimiter_field())
      .main_field("path")
      .example("csv.write: out/daily.csv")
      .example("csv.write: { path: out/daily.tsv, delimiter: tab }");
}

CsvWrite::CsvWrite(const Settings& settings)
    : schema_(settings.input()),
      delimiter_(delimiter_of(settings)),
      header_(settings.get_bool("header")),
      file_(settings.get_string("path")) {
  for (const char c : {delimiter_, '"', '\n', '\r'}) special_[static_cast<unsigned char>(c)] = true;
}

void CsvWrite::open(Services&, std::optional<std::string_view> position) {
  uint64_t byte = 0;
  if (position) {
    const auto [end, error] =
        std::from_chars(position->data(), position->data() + position->size(), byte);
    expect(error == std::errc() && end == position->data() + position->size(),
           "position of csv.write");
  }
  file_.open(byte);
  if (byte > 0 || !header_) return;
  for (size_t i = 0; i < schema_.size(); ++i) {
    if (i > 0) file_.buffer() += delimiter_;
    put_text(schema_[i].name);
  }
  file_.buffer() += '\n';
}

void CsvWrite::put_text(std::string_view text) {
  std::string& out = file_.buffer();
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

void CsvWrite::put_value(const Batch& in, const Column& column, size_t index, int64_t row) {
  std::string& out = file_.buffer();
  switch (column.type) {
    case Type::kBool:
      out += column.bool_at(row) ? "true" : "false";
      break;
    case Type::kInt: {
      char digits[24];
      const auto end = std::to_chars(digits, digits + sizeof digits, column.int_at(row)).ptr;
      out.append(digits, end);
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
      put_text(column.text_at(row));
      break;
    case Type::kObject:
      put_text(to_json(in.value(row, index)));
      break;
  }
}

void CsvWrite::write(const Batch& in, Outputs&) {
  std::vector<const Column*> columns;
  for (size_t i = 0; i < schema_.size(); ++i) columns.push_back(&in.column(i));
  for (int64_t row = 0; row < in.rows(); ++row) {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) file_.buffer() += delimiter_;
      if (!columns[i]->is_null(row)) put_value(in, *columns[i], i, row);
    }
    file_.buffer() += '\n';
    file_.written();
  }
}

std::string CsvWrite::prepare(uint64_t) { return format("{}", file_.sync()); }

// A file is visible at its end only.
void CsvWrite::commit(uint64_t, Outputs&) {}
void CsvWrite::close() { file_.publish(); }
void CsvWrite::discard() { file_.discard(); }

TOWPATH_STAGE(CsvWrite)
