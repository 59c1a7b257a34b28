#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/expr/expression.h"
#include "towpath/message/codec.h"
#include "towpath/message/object.h"
#include "towpath/message/type.h"

namespace towpath {

// One entry of a kSortKeys field: "column", "column asc" or "column desc".
struct SortKey {
  std::string column;
  bool descending = false;
};
SortKey parse_sort_key(std::string_view text);

// What a stage is built from: the checked fields of its YAML, with defaults filled in, and what the
// planner knows about its surroundings. Every getter throws Bug for a field that the spec does not
// have: fields are checked before a constructor runs, so a stage need not check them again.
class Settings {
 public:
  struct Context {
    std::string pipeline;  // name of the pipeline
    std::string stage;     // name of the stage
    int step = 0;          // position in `steps`
    std::vector<Schema> inputs;
    Schema output;  // of the main output
    std::vector<std::pair<std::string, Object>> params;
    int64_t now_micros = 0;
    uint64_t seed = 0;
    uint64_t batch_rows = 0;  // a batch is cut at this many rows
    uint64_t partitions =
        ~uint64_t{0};  // of a keyed pool: bit p is set when this member owns partition p
    TOWPATH_FIELDS(pipeline, stage, step, inputs, output, params, now_micros, seed, batch_rows,
                   partitions)
  };

  Settings(Object values, Context context)
      : values_(std::move(values)), context_(std::move(context)) {}

  bool has(std::string_view field) const;  // false for an optional field that was not given
  std::string get_string(std::string_view field) const;  // string, path, choice, column
  int64_t get_int(std::string_view field) const;         // int, bytes, duration (milliseconds)
  double get_float(std::string_view field) const;
  bool get_bool(std::string_view field) const;
  std::vector<std::string> get_strings(
      std::string_view field) const;  // strings, columns, sort keys
  std::vector<SortKey> get_sort_keys(std::string_view field) const;
  // Maps in the order written: assignments, aggregates, types.
  std::vector<std::pair<std::string, std::string>> get_map(std::string_view field) const;
  const Object& get(std::string_view field) const;
  // The field compiled over the columns of the first input.
  Expression expression(std::string_view field) const;
  // Any text compiled likewise: the value of `entry` in an assignments field. Each entry has its
  // own random().
  Expression compile(std::string_view text, std::string_view entry = {}) const;
  Bindings bindings() const;

  const Context& context() const { return context_; }
  const Schema& input(size_t port = 0) const;
  const Schema& output() const { return context_.output; }
  const Object& values() const { return values_; }
  // A member of a keyed pool sees every batch and takes the rows of its own partitions.
  bool owns(int partition) const { return (context_.partitions >> partition) & 1; }

 private:
  const Object* find(std::string_view field) const;  // null: not given

  Object values_;
  Context context_;
};

// Settings cross to a worker, or to the child that detects columns.
template <>
struct Codec<Settings> {
  static void write(Encoder& out, const Settings& settings);
  static Settings read(Decoder& in);  // Invalid
};

}  // namespace towpath
