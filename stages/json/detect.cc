#include <algorithm>
#include <optional>

#include "stages/json/line.h"
#include "stages/json/read.h"
#include "towpath/base/format.h"
#include "towpath/input/glob.h"

using namespace towpath;

// What jsonl.read says of its columns before the run.

namespace {

constexpr uint64_t kSample = 1 << 20;

// The kinds of values seen under one key, a bit each.
enum Seen : unsigned { kBools = 1, kInts = 2, kFloats = 4, kStrings = 8, kOthers = 16 };

struct Key {
  std::string name;
  unsigned seen = 0;
};

unsigned seen_of(simdjson::dom::element value) {
  using simdjson::dom::element_type;
  switch (value.type()) {
    case element_type::NULL_VALUE:
      return 0;
    case element_type::BOOL:
      return kBools;
    case element_type::INT64:
      return kInts;
    case element_type::DOUBLE:
      return kFloats;
    case element_type::STRING:
      return kStrings;
    default:  // also what is above int64's range, which a float would round
      return kOthers;
  }
}

Type type_of(unsigned seen) {
  switch (seen) {
    case 0:  // nothing but null
    case kStrings:
      return Type::kString;
    case kBools:
      return Type::kBool;
    case kInts:
      return Type::kInt;
    case kFloats:
    case kFloats | kInts:
      return Type::kFloat;
    default:  // values of several kinds, or nested ones, are kept as they are
      return Type::kObject;
  }
}

// The keys in the order in which they first come; nothing of a file without text.
std::optional<std::vector<Key>> read_sample(const std::string& path) {
  InputFile file(path);
  TextWindow window(file);
  pass_byte_order_mark(window);
  simdjson::dom::parser parser;
  std::vector<Key> keys;
  bool empty = true;
  while (window.byte() < kSample) {
    const auto line = next_line(window);
    if (!line) break;
    empty = empty && json::is_blank(line->text);
    if (line->too_long) {
      window.skip_line();
      continue;
    }
    simdjson::dom::element element;
    simdjson::dom::object object;
    if (json::is_blank(line->text) ||
        json::parse_line(parser, line->text, element) != simdjson::SUCCESS ||
        element.get(object) != simdjson::SUCCESS) {
      continue;
    }
    size_t expected = 0;
    for (const auto [name, value] : object) {
      auto key = keys.begin() + static_cast<std::ptrdiff_t>(std::min(expected, keys.size()));
      if (key == keys.end() || key->name != name) key = std::ranges::find(keys, name, &Key::name);
      if (key == keys.end()) key = keys.insert(keys.end(), {std::string(name), 0});
      key->seen |= seen_of(value);
      expected = static_cast<size_t>(key - keys.begin()) + 1;
    }
  }
  if (empty) return std::nullopt;
  return keys;
}

// Of the first file that is not empty.
Schema find_columns(const std::vector<FoundFile>& files, bool must) {
  std::string path = files.front().path;
  Schema found;
  for (const FoundFile& file : files) {
    const std::optional<std::vector<Key>> keys = read_sample(file.path);
    if (!keys) continue;
    for (const Key& key : *keys) found.push_back({key.name, type_of(key.seen)});
    path = file.path;
    break;
  }
  if (found.empty() && must) {
    throw Invalid(format(
        "{}: no line in its first MiB is a JSON object; name the columns in `columns`", path));
  }
  return found;
}

}  // namespace

Schema JsonlRead::detect(const Settings& settings) {
  Schema found;
  if (settings.has("path")) {
    found = find_columns(find_files(settings.get_strings("path")), !settings.has("columns"));
  } else if (!settings.has("columns")) {
    throw Invalid("jsonl.read has no path to learn its columns from: name them in `columns`");
  }
  Schema schema = found;
  if (settings.has("columns")) {
    schema.clear();
    for (const std::string& name : settings.get_strings("columns")) {
      if (find_field(schema, name) >= 0) throw Invalid(format("columns names \"{}\" twice", name));
      const int at = find_field(found, name);
      schema.push_back({name, at < 0 ? Type::kString : found[static_cast<size_t>(at)].type});
    }
    if (schema.empty()) throw Invalid("columns names no column");
  }
  if (!settings.has("types")) return schema;
  for (const auto& [name, type_text] : settings.get_map("types")) {
    const auto type = type_named(type_text);
    if (!type || *type == Type::kBinary)
      throw Invalid(format("types: \"{}\" can't be {}", name, type_text));
    // A key that the sample lacks may come later.
    if (settings.has("columns") && find_field(schema, name) < 0) {
      throw Invalid(
          format("types names \"{}\", but the columns are {}", name, show_schema(schema)));
    }
    set_field(schema, name, *type);
  }
  return schema;
}
