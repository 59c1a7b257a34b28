#include <algorithm>

#include "stages/csv/delimiter.h"
#include "stages/csv/header.h"
#include "stages/csv/read.h"
#include "towpath/base/format.h"
#include "towpath/input/glob.h"
#include "towpath/message/text_value.h"

using namespace towpath;

// What csv.read says of its columns before the run: names from `columns` or the header, types from
// `types` or the first MiB of the first file that is not empty.

namespace {

constexpr uint64_t kSample = 1 << 20;

struct Sample {
  std::vector<std::string> names;
  std::vector<TypeGuess> guesses;  // one for each name
};

// None of an empty file.
std::optional<Sample> read_sample(const std::string& path, const Settings& settings) {
  const bool header = settings.get_bool("header");
  InputFile file(path);
  TextWindow window(file);
  csv::pass_preface(window, settings.get_int("skip"));
  csv::Records records(window, delimiter_of(settings));
  Sample sample;
  if (!records.next()) return std::nullopt;
  if (csv::lines_end_in_cr(records, header)) throw Invalid(format("{}: {}", path, csv::kEndsInCr));
  if (records.problem()) throw Invalid(format("{}: {}", path, records.problem()));
  if (header) {
    sample.names = csv::names_of(records.cells());
    if (const std::string* twice = csv::find_twice(sample.names)) {
      throw Invalid(
          format("{}: the header names \"{}\" twice; name the columns in `columns`, with header: "
                 "false and skip: {}",
                 path, *twice, settings.get_int("skip") + 1));
    }
    records.pass();
  } else {
    sample.names = csv::numbered(records.cells().size());
  }
  sample.guesses.resize(sample.names.size());
  while (window.byte() < kSample && records.next()) {
    if (!records.problem() && records.cells().size() == sample.names.size()) {
      for (size_t i = 0; i < sample.names.size(); ++i) {
        const csv::Cell& cell = records.cells()[i];
        if (cell.size > 0) sample.guesses[i].see(cell.raw());
      }
    }
    records.pass();
  }
  return sample;
}

Sample read_sample(const Settings& settings) {
  const std::vector<FoundFile> files = find_files(settings.get_strings("path"));
  for (const FoundFile& file : files) {
    if (std::optional<Sample> sample = read_sample(file.path, settings)) return *std::move(sample);
  }
  throw Invalid(format("{}: {}", files.front().path,
                       files.size() > 1 ? "this file and all that follow it are empty"
                       : settings.get_bool("header")
                           ? "the file is empty: it has no header"
                           : "the file is empty: columns can't be known; name them in `columns`"));
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

Schema schema_of(const Settings& settings, const Sample* sample) {
  Schema schema;
  if (!settings.has("columns")) {
    for (size_t i = 0; i < sample->names.size(); ++i) {
      schema.push_back({sample->names[i], sample->guesses[i].type()});
    }
    return schema;
  }
  const std::vector<std::string> columns = settings.get_strings("columns");
  if (columns.empty()) throw Invalid("columns names no column");
  if (const std::string* twice = csv::find_twice(columns)) {
    throw Invalid(format("columns names \"{}\" twice", *twice));
  }
  const bool header = settings.get_bool("header");
  for (size_t i = 0; i < columns.size(); ++i) {
    Type type = Type::kString;
    if (sample != nullptr) {
      size_t at = i;
      if (header) {
        const auto found = std::find(sample->names.begin(), sample->names.end(), columns[i]);
        at = static_cast<size_t>(found - sample->names.begin());
      }
      if (at < sample->names.size()) {
        type = sample->guesses[at].type();
      } else if (header && settings.get_string("missing_columns") != "nulls") {
        throw Invalid(format("columns names \"{}\", but the header has {}", columns[i],
                             joined(sample->names)));
      }
    }
    schema.push_back({columns[i], type});
  }
  return schema;
}

}  // namespace

Schema CsvRead::detect(const Settings& settings) {
  std::optional<Sample> sample;
  if (settings.has("path")) {
    sample = read_sample(settings);
  } else if (!settings.has("columns")) {
    throw Invalid("csv.read has no path to learn its columns from: name them in `columns`");
  }
  Schema schema = schema_of(settings, sample ? &*sample : nullptr);
  if (!settings.has("types")) return schema;
  for (const auto& [name, type_text] : settings.get_map("types")) {
    const int at = find_field(schema, name);
    if (at < 0)
      throw Invalid(
          format("types names \"{}\", but the columns are {}", name, show_schema(schema)));
    const auto type = type_named(type_text);
    if (!type || *type == Type::kObject) {
      throw Invalid(format("types: \"{}\" can't be {}: a cell is text", name, type_text));
    }
    schema[static_cast<size_t>(at)].type = *type;
  }
  return schema;
}
