#include "stages/csv/read.h"

#include <unordered_map>

#include "stages/csv/delimiter.h"
#include "stages/csv/header.h"
#include "towpath/base/format.h"

using namespace towpath;

namespace {

// Codes such as 01067 are numbers by their looks only.
bool loses_zeros(Type type, std::string_view text) {
  if (type != Type::kInt && type != Type::kFloat) return false;
  const bool negative = text.starts_with('-');
  const size_t first = negative ? 1 : 0;
  if (first >= text.size() || text[first] != '0') return false;
  if (first + 1 == text.size()) return negative && type == Type::kInt;
  return text[first + 1] >= '0' && text[first + 1] <= '9';
}

}  // namespace

StageSpec CsvRead::describe() {
  return StageSpec("csv.read")
      .summary(
          "Reads CSV files as RFC 4180 has them, one row a record; what does not fit is rejected, "
          "also a record of more than 64 MiB.")
      .field(field("path", FieldKind::kStrings)
                 .not_empty()
                 .about("Path or glob, or a list of them; gzip and zstd are seen by content. A "
                        "compressed file that is damaged or cut off ends the run, whatever "
                        "max_rejects allows: how many rows it lacks is not known."))
      .field(
          field("header", FieldKind::kBool)
              .default_value("true")
              .about(
                  "The first record of each file names its columns; they may stand in any order."))
      .field(field("columns", FieldKind::kStrings)
                 .not_empty()
                 .about("With a header: the columns to read, all others are ignored. Without: the "
                        "names, in "
                        "order (else c1, c2, …)."))
      .field(field("types", FieldKind::kTypes)
                 .about("Types of columns; the others are learnt from the first MiB of the first "
                        "file that is not empty."))
      .field(delimiter_field())
      .field(field("skip", FieldKind::kInt)
                 .default_value("0")
                 .range(0, 1'000'000)
                 .in_unit("lines")
                 .about("Lines to pass over at the start of each file."))
      .field(
          choice_field("missing_columns", {"reject", "nulls"})
              .default_value("reject")
              .about(
                  "What to do with a file whose header lacks a column: reject it, or read nulls."))
      .field(
          choice_field("extra_columns", {"reject", "ignore"})
              .default_value("reject")
              .about(
                  "What to do with a file whose header has a column that the first file has not."))
      .main_field("path")
      .reads_files()
      .detects_columns()
      .example("csv.read: data/sales-*.csv.gz")
      .example("csv.read: { path: sales.csv, types: { qty: int, day: date } }")
      .example("csv.read: { path: raw.tsv, delimiter: tab, header: false, columns: [id, name] }");
}

CsvRead::CsvRead(const Settings& settings)
    : schema_(settings.output()),
      delimiter_(delimiter_of(settings)),
      header_(settings.get_bool("header")),
      selected_(settings.has("columns")),
      ignore_extra_(selected_ || settings.get_string("extra_columns") == "ignore"),
      null_missing_(settings.get_string("missing_columns") == "nulls"),
      skip_(settings.get_int("skip")),
      cell_of_(schema_.size()),
      values_(schema_.size()),
      guessed_(schema_.size(), true) {
  if (!settings.has("types")) return;
  for (const auto& [name, type] : settings.get_map("types")) {
    if (const int column = find_field(schema_, name); column >= 0) {
      guessed_[static_cast<size_t>(column)] = false;
    }
  }
}

std::string CsvRead::match(const std::vector<std::string>& header) {
  width_ = header.size();
  if (const std::string* twice = csv::find_twice(header)) {
    return format("the header names \"{}\" twice", *twice);
  }
  std::unordered_map<std::string_view, int> cells;
  for (size_t i = 0; i < header.size(); ++i) cells.emplace(header[i], static_cast<int>(i));
  for (size_t i = 0; i < schema_.size(); ++i) {
    const auto found = cells.find(schema_[i].name);
    cell_of_[i] = found == cells.end() ? -1 : found->second;
    if (cell_of_[i] < 0 && !null_missing_) {
      return format("the header lacks the column \"{}\" (missing_columns: nulls would read nulls)",
                    schema_[i].name);
    }
  }
  if (ignore_extra_) return "";
  const FieldIndex known(schema_);
  for (const std::string& name : header) {
    if (known.find(name) < 0) {
      return format(
          "the header has a column \"{}\" that the first file has not (extra_columns: ignore would "
          "pass over it)",
          name);
    }
  }
  return "";
}

bool CsvRead::begin(FileText& file, Outputs& out, bool resumed) {
  file.add_lines(csv::pass_preface(file.window(), skip_));
  if (!header_) {
    width_ = schema_.size();
    for (size_t i = 0; i < width_; ++i) cell_of_[i] = static_cast<int>(i);
  }
  csv::Records records(file.window(), delimiter_);
  const SourcePosition position = file.position();
  if (!records.next()) {
    if (!header_) return true;
    if (!resumed) out.reject(position, "", "the file is empty: it has no header");
    return false;
  }
  std::string problem;
  if (csv::lines_end_in_cr(records, header_)) {
    problem = csv::kEndsInCr;
  } else if (!header_) {
    return true;
  } else {
    problem = records.problem() ? records.problem() : match(csv::names_of(records.cells()));
  }
  if (!problem.empty()) {
    // All of its rows are missed, so the reject must not be taken for one of a row.
    if (!resumed) out.reject(position, records.raw(), "the whole file is rejected: " + problem);
    return false;
  }
  file.add_lines(records.lines());
  records.pass();
  return true;
}

std::string CsvRead::parse(std::span<const csv::Cell> cells) {
  if (cells.size() != width_) {
    return format("{} cell{}, expected {}", cells.size(), cells.size() == 1 ? "" : "s", width_);
  }
  for (size_t i = 0; i < schema_.size(); ++i) {
    TextValue& value = values_[i];
    value.null = cell_of_[i] < 0;
    if (value.null) continue;
    const csv::Cell& cell = cells[static_cast<size_t>(cell_of_[i])];
    // '' is a text only: exports that quote every cell write it for a number that lacks.
    if (cell.size == 0 && !(cell.quoted && is_variable(schema_[i].type))) {
      value.null = true;
    } else if (guessed_[i] && loses_zeros(schema_[i].type, cell.raw())) {
      return format(
          "{0}: \"{1}\" would lose its zeros as {2}; the first rows showed none: set "
          "types: {{ {0}: string }}, or {2} if they mean nothing",
          schema_[i].name, cell.raw(), type_name(schema_[i].type));
    } else if (!value.read(schema_[i].type, cell.raw())) {
      return misfit(schema_[i].name, cell.raw(), schema_[i].type);
    }
  }
  return "";
}

void CsvRead::put(std::span<const csv::Cell> cells,
                  const std::vector<ColumnBuilder*>& columns) const {
  for (size_t i = 0; i < columns.size(); ++i) {
    ColumnBuilder& column = *columns[i];
    if (cell_of_[i] < 0 || !cells[static_cast<size_t>(cell_of_[i])].doubled || values_[i].null) {
      values_[i].put(column);
    } else {
      csv::unquote(cells[static_cast<size_t>(cell_of_[i])], [&column](std::string_view piece) {
        column.text().append(piece.data(), piece.size());
      });
      column.end_text();
    }
  }
}

void CsvRead::read(FileText& file, Outputs& outputs) {
  Output& out = outputs.main();
  std::vector<ColumnBuilder*> columns;
  for (const Field& field : schema_) columns.push_back(&out.builder(field.name));
  csv::Records records(file.window(), delimiter_);
  while (records.next()) {
    const std::span<const csv::Cell> cells = records.cells();
    if (records.problem()) {
      outputs.reject(file.position(), records.raw(), records.problem());
    } else if (cells.size() == 1 && cells[0].size == 0 && !cells[0].quoted && width_ > 1) {
      // A blank line between rows, or at the end.
    } else if (const std::string problem = parse(cells); !problem.empty()) {
      outputs.reject(file.position(), records.raw(), problem);
    } else {
      out.at(file.position());
      put(cells, columns);
    }
    file.add_lines(records.lines());
    records.pass();
    file.between_records(outputs);
  }
}

TOWPATH_STAGE(CsvRead)
