#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/message/type.h"

namespace towpath {

// What a value in YAML may be. A FieldSpec is data: the check, the defaults, the help text, the
// JSON Schema and the docs all come from it.
enum class FieldKind {
  kString,       // text
  kInt,          // integer, within [min, max]
  kFloat,        // number, within [min, max]
  kBool,         // true, false
  kBytes,        // "64MiB"; kept as int
  kDuration,     // "60s"; kept as int milliseconds
  kChoice,       // one of `choices`
  kPath,         // text; relative to the working directory
  kColumn,       // name of an input column
  kColumns,      // list of names, or one name
  kExpression,   // typed expression over the input's columns; `result` names the type it must have,
                 // or ""
  kAssignments,  // map: new column → expression
  kAggregates,   // map: new column → aggregate call, e.g. "sum(total)"
  kSortKeys,     // list of "column", "column desc" or "column asc", or one of them
  kTypes,        // map: column → type name
  kStrings,      // list of text, or one text
  kAny,          // any value, checked by the stage
};

struct FieldSpec {
  std::string name;
  FieldKind kind = FieldKind::kString;
  std::string help;  // one sentence
  bool required = false;
  bool rest = false;  // holds all keys of the stage's map that no other field names
  std::optional<std::string> fallback;  // the default, as it would be written in YAML
  std::optional<double> min, max;
  std::vector<std::string> choices;
  std::string result;  // for kExpression: "bool" and so on
  std::string unit;    // shown behind the range, e.g. "rows"
  // For kColumn, kColumns and kSortKeys: the types that the columns may have; none: any.
  std::vector<Type> column_types;
  bool filled = false;  // an empty list, map or text is refused, though the field may be left out

  FieldSpec& about(std::string_view text) {
    help = text;
    return *this;
  }
  FieldSpec& must() {
    required = true;
    return *this;
  }
  FieldSpec& default_value(std::string_view yaml) {
    fallback = std::string(yaml);
    return *this;
  }
  FieldSpec& range(double least, double most) {
    min = least;
    max = most;
    return *this;
  }
  FieldSpec& takes_rest() {
    rest = true;
    return *this;
  }
  FieldSpec& of_type(std::vector<Type> types) {
    column_types = std::move(types);
    return *this;
  }
  FieldSpec& not_empty() {
    filled = true;
    return *this;
  }
  FieldSpec& in_unit(std::string_view name_of_unit) {
    unit = name_of_unit;
    return *this;
  }
};

// field("path", FieldKind::kPath).must().about("…")
inline FieldSpec field(std::string_view name, FieldKind kind) {
  FieldSpec spec;
  spec.name = name;
  spec.kind = kind;
  return spec;
}
inline FieldSpec choice_field(std::string_view name, std::vector<std::string> choices) {
  FieldSpec spec = field(name, FieldKind::kChoice);
  spec.choices = std::move(choices);
  return spec;
}
inline FieldSpec column_field(std::string_view name) { return field(name, FieldKind::kColumn); }
inline FieldSpec expression_field(std::string_view name, std::string_view result = "") {
  FieldSpec spec = field(name, FieldKind::kExpression);
  spec.result = result;
  return spec;
}

}  // namespace towpath
