#include "stages/json/read.h"

#include <algorithm>

#include "stages/json/line.h"
#include "towpath/base/format.h"

using namespace towpath;

namespace {

// A whole number past 2^53 may have no float of its own.
bool is_exact(simdjson::dom::element element) {
  using simdjson::dom::element_type;
  constexpr double kPastInt = 9223372036854775808.0;
  if (element.type() == element_type::UINT64) {
    const uint64_t whole = element.get_uint64().value_unsafe();
    const double real = static_cast<double>(whole);
    return real < 2 * kPastInt && static_cast<uint64_t>(real) == whole;
  }
  if (element.type() != element_type::INT64) return true;
  const int64_t whole = element.get_int64().value_unsafe();
  const double real = static_cast<double>(whole);
  return real < kPastInt && static_cast<int64_t>(real) == whole;
}

std::string shown(simdjson::dom::element value) {
  constexpr size_t kShown = 100;
  const std::string text = simdjson::minify(value);
  return text.size() <= kShown ? text : text.substr(0, kShown) + "…";
}

}  // namespace

StageSpec JsonlRead::describe() {
  return StageSpec("jsonl.read")
      .summary(
          "Reads JSON Lines: one object a line, one row an object; what does not fit is rejected, "
          "also an object that has a key twice, and a line of more than 64 MiB.")
      .field(field("path", FieldKind::kStrings)
                 .not_empty()
                 .about("Path or glob, or a list of them; gzip and zstd are seen by content. A "
                        "compressed file that is damaged or cut off ends the run, whatever "
                        "max_rejects allows: how many rows it lacks is not known."))
      .field(field("columns", FieldKind::kStrings)
                 .not_empty()
                 .about("The keys to read, all others are ignored; else those of the first MiB of "
                        "the first file that is not empty. A key that lacks is null."))
      .field(field("types", FieldKind::kTypes)
                 .about("Types of columns; they also take text that reads so, and string any "
                        "value's text. The "
                        "others are learnt: bool, int, float, string, else object."))
      .field(choice_field("extra_keys", {"reject", "ignore"})
                 .default_value("reject")
                 .about("What to do with an object that has a key that is no column."))
      .main_field("path")
      .reads_files()
      .detects_columns()
      .example("jsonl.read: logs/*.jsonl.zst")
      .example("jsonl.read: { path: events.jsonl, columns: [at, user], types: { at: timestamp } }");
}

JsonlRead::JsonlRead(const Settings& settings)
    : schema_(settings.output()),
      cast_(schema_.size()),
      ignore_extra_(settings.has("columns") || settings.get_string("extra_keys") == "ignore"),
      row_(schema_.size()),
      made_(schema_.size()) {
  if (!settings.has("types")) return;
  for (const auto& [name, type] : settings.get_map("types")) {
    const int at = find_field(schema_, name);
    if (at >= 0) cast_[static_cast<size_t>(at)] = true;
  }
}

int JsonlRead::column_of(std::string_view key) {
  // Objects of a file mostly have the same keys in the same order.
  if (next_column_ < schema_.size() && schema_[next_column_].name == key) {
    return static_cast<int>(next_column_++);
  }
  const int column = index_.find(key);
  if (column >= 0) next_column_ = static_cast<size_t>(column) + 1;
  return column;
}

bool JsonlRead::take(size_t column, simdjson::dom::element element) {
  using simdjson::dom::element_type;
  TextValue& value = row_[column];
  const Type type = schema_[column].type;
  const element_type kind = element.type();
  value.null = kind == element_type::NULL_VALUE;
  if (value.null) return true;
  if (type == Type::kObject) {
    encoder_.clear();
    json::encode(encoder_, element);
    made_[column] = encoder_.bytes();
    value.text = made_[column];
    return true;
  }
  if (kind == element_type::STRING) {
    const bool is_text = type == Type::kString || type == Type::kDate || type == Type::kTimestamp;
    return (is_text || cast_[column]) && value.read(type, element.get_string().value_unsafe());
  }
  switch (type) {
    case Type::kBool:
      value.boolean = kind == element_type::BOOL && element.get_bool().value_unsafe();
      return kind == element_type::BOOL;
    case Type::kInt:
      return element.get_int64().get(value.integer) == simdjson::SUCCESS;
    case Type::kFloat:
      return element.get_double().get(value.real) == simdjson::SUCCESS && is_exact(element);
    case Type::kString:
      if (!cast_[column]) return false;
      made_[column] = simdjson::minify(element);
      value.text = made_[column];
      return true;
    default:
      return false;
  }
}

std::string JsonlRead::parse(std::string_view line) {
  simdjson::dom::element element;
  const simdjson::error_code error = json::parse_line(parser_, line, element);
  if (error != simdjson::SUCCESS) return format("not JSON: {}", simdjson::error_message(error));
  simdjson::dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return "it is JSON, but not an object";
  for (TextValue& value : row_) value.null = true;
  given_.assign(schema_.size(), false);
  next_column_ = 0;
  for (const auto [key, value] : object) {
    const int found = column_of(key);
    if (found < 0) {
      if (ignore_extra_) continue;
      return format("the key \"{}\" is no column (extra_keys: ignore would pass over it)", key);
    }
    const auto column = static_cast<size_t>(found);
    if (given_[column]) return format("the key \"{}\" stands there twice", key);
    given_[column] = true;
    try {
      if (!take(column, value)) {
        return misfit_of(key, shown(value), schema_[column].type);
      }
    } catch (const NotSerialisable& problem) {
      return format("{}: {}", key, problem.what());
    }
  }
  return "";
}

bool JsonlRead::begin(FileText& file, Outputs&, bool) {
  pass_byte_order_mark(file.window());
  return true;
}

void JsonlRead::read(FileText& file, Outputs& outputs) {
  Output& out = outputs.main();
  std::vector<ColumnBuilder*> columns;
  for (const Field& field : schema_) columns.push_back(&out.builder(field.name));
  while (const auto line = next_line(file.window())) {
    const SourcePosition position = file.position(file.line(), line->byte);
    if (line->too_long) {
      outputs.reject(position, line->text.substr(0, kMaxRaw),
                     format("line is longer than {} MiB", kMaxRecord >> 20));
      file.window().skip_line();
    } else if (!json::is_blank(line->text)) {
      const std::string problem = parse(line->text);
      if (problem.empty()) {
        out.at(position);
        for (size_t i = 0; i < columns.size(); ++i) row_[i].put(*columns[i]);
      } else {
        outputs.reject(position, line->text, problem);
      }
    }
    file.add_lines(1);
    file.between_records(outputs);
  }
}

TOWPATH_STAGE(JsonlRead)
