#include "stages/text/stanzas.h"

#include <algorithm>

#include "towpath/base/ascii.h"
#include "towpath/base/format.h"
#include "towpath/message/text_value.h"

using namespace towpath;

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_empty_line(std::string_view line) { return std::ranges::all_of(line, is_blank); }

std::string_view without_carriage_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Key and column, from `columns: [Package, Section]` or `columns: {Installed-Size: size}`.
std::vector<std::pair<std::string, std::string>> pairs_of(const Object& columns) {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (columns.is_array()) {
    for (const Object& key : columns.as_array())
      pairs.emplace_back(key.as_string(), key.as_string());
  } else if (columns.is_map()) {
    for (const auto& [key, column] : columns.as_map())
      pairs.emplace_back(key.as_string(), column.as_string());
  } else {
    throw Invalid("columns must be a list of keys, or a map of keys to columns");
  }
  if (pairs.empty()) throw Invalid("columns names no key");
  return pairs;
}

}  // namespace

StageSpec Stanzas::describe() {
  return StageSpec("text.stanzas")
      .summary(
          "Reads blocks of \"Key: value\" lines, one row a block, as Debian's control files have "
          "them.")
      .field(field("path", FieldKind::kStrings)
                 .not_empty()
                 .about("Path or glob, or a list of them; gzip and zstd are seen by content. A "
                        "compressed file that is damaged or cut off ends the run, whatever "
                        "max_rejects allows: how many rows it lacks is not known."))
      .field(field("columns", FieldKind::kAny)
                 .must()
                 .about("The keys to read, in any case: a list, or a map of keys to the names of "
                        "their columns. A "
                        "key that lacks is null."))
      .field(field("types", FieldKind::kTypes).about("Types of columns; the others are string."))
      .main_field("path")
      .reads_files()
      .detects_columns()
      .example("text.stanzas: { path: /var/lib/dpkg/status, columns: [Package, Section] }")
      .example(
          "text.stanzas: { path: Packages.gz, columns: { Installed-Size: size }, types: { size: "
          "int } }");
}

Schema Stanzas::detect(const Settings& settings) {
  Schema schema;
  std::vector<std::string> keys;
  for (const auto& [key, column] : pairs_of(settings.get("columns"))) {
    if (find_field(schema, column) >= 0)
      throw Invalid(format("columns names \"{}\" twice", column));
    if (std::ranges::find(keys, lower(key)) != keys.end()) {
      throw Invalid(format("columns names the key \"{}\" twice", key));
    }
    keys.push_back(lower(key));
    schema.push_back({column, Type::kString});
  }
  if (!settings.has("types")) return schema;
  for (const auto& [column, type_text] : settings.get_map("types")) {
    const int at = find_field(schema, column);
    if (at < 0)
      throw Invalid(
          format("types names \"{}\", but the columns are {}", column, show_schema(schema)));
    const auto type = type_named(type_text);
    if (!type || *type == Type::kObject) {
      throw Invalid(format("types: \"{}\" can't be {}: a value is text", column, type_text));
    }
    schema[static_cast<size_t>(at)].type = *type;
  }
  return schema;
}

Stanzas::Stanzas(const Settings& settings) : schema_(settings.output()), values_(schema_.size()) {
  for (const auto& pair : pairs_of(settings.get("columns"))) keys_.push_back(lower(pair.first));
}

std::string Stanzas::take_line(std::string_view line, Value*& last) {
  if (is_blank(line.front())) {
    if (last == nullptr) return "it goes on, but nothing stands before it";
    if (last->seen) {
      if (!last->joined) last->lines = last->text;
      last->joined = true;
      last->lines += '\n';
      last->lines += line.substr(1);
    }
    return "";
  }
  const size_t colon = line.find(':');
  if (colon == line.npos) return "it has no colon";
  const std::string_view key = trimmed(line.substr(0, colon));
  if (key.empty()) return "it has no key before the colon";
  ignored_.seen = false;
  last = &ignored_;
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (!same_letters(key, keys_[i])) continue;
    last = &values_[i];
    if (last->seen) return format("the key {} came before", key);
    last->seen = true;
    last->joined = false;
    last->text = trimmed(line.substr(colon + 1));
    break;
  }
  return "";
}

std::string Stanzas::parse(std::string_view stanza, int64_t number) {
  for (Value& value : values_) value.seen = false;
  Value* last = nullptr;
  for (; !stanza.empty(); ++number) {
    const size_t newline = std::min(stanza.find('\n'), stanza.size());
    const std::string_view line = without_carriage_return(stanza.substr(0, newline));
    stanza.remove_prefix(std::min(newline + 1, stanza.size()));
    if (line.empty() || line.front() == '#') continue;
    const std::string problem = take_line(line, last);
    if (!problem.empty()) return format("line {}: {}", number, problem);
  }
  only_comments_ = last == nullptr;
  return "";
}

bool Stanzas::next(FileText& file, std::string_view& stanza, int64_t& lines) {
  TextWindow& window = file.window();
  size_t at = 0;
  lines = 0;
  for (;;) {
    const std::string_view text = window.text();
    const size_t newline = text.find('\n', at);
    if (newline == text.npos && text.size() <= kMaxRecord && window.grow()) continue;
    const std::string_view line = without_carriage_return(window.text().substr(at, newline - at));
    stanza = window.text().substr(0, at);
    if (newline == text.npos || is_empty_line(line) || at > kMaxRecord) {
      if (!is_empty_line(line)) {  // the last line of the file, without '\n'
        stanza = window.text();
        ++lines;
      }
      if (!stanza.empty()) return true;
      if (newline == text.npos) return false;
      window.consume(newline + 1);
      file.add_lines(1);
      at = 0;
    } else {
      at = newline + 1;
      ++lines;
    }
  }
}

void Stanzas::pass(FileText& file, std::string_view stanza, int64_t lines) {
  TextWindow& window = file.window();
  if (stanza.size() <= kMaxRecord) {
    window.consume(stanza.size());
    file.add_lines(lines);
    return;
  }
  // Its end is not known yet.
  while (const auto line = next_line(window)) {
    file.add_lines(1);
    if (line->too_long) {
      window.skip_line();
    } else if (is_empty_line(line->text)) {
      return;
    }
  }
}

bool Stanzas::begin(FileText& file, Outputs&, bool) {
  pass_byte_order_mark(file.window());
  return true;
}

void Stanzas::read(FileText& file, Outputs& outputs) {
  Output& out = outputs.main();
  std::vector<ColumnBuilder*> columns;
  for (const Field& field : schema_) columns.push_back(&out.builder(field.name));
  std::vector<TextValue> row(schema_.size());
  std::string_view stanza;
  int64_t lines;
  while (next(file, stanza, lines)) {
    std::string problem = stanza.size() > kMaxRecord
                              ? format("the stanza is longer than {} MiB", kMaxRecord >> 20)
                              : parse(stanza, file.line());
    for (size_t i = 0; i < row.size() && problem.empty(); ++i) {
      const Value& value = values_[i];
      row[i].null = !value.seen;
      if (!value.seen) continue;
      const std::string_view text = value.joined ? std::string_view(value.lines) : value.text;
      if (!row[i].read(schema_[i].type, text))
        problem = misfit(schema_[i].name, text, schema_[i].type);
    }
    if (problem.empty() && only_comments_) {
      // No stanza.
    } else if (problem.empty()) {
      out.at(file.position());
      for (size_t i = 0; i < row.size(); ++i) row[i].put(*columns[i]);
    } else {
      outputs.reject(file.position(), stanza, problem);
    }
    pass(file, stanza, lines);
    file.between_records(outputs);
  }
}

TOWPATH_STAGE(Stanzas)
