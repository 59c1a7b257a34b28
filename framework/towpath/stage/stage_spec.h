#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/config/field_spec.h"
#include "towpath/message/type.h"

namespace towpath {

enum class Role { kSource, kStage, kSink };

// One rule of how a stage's output columns follow from its input and its fields; applied in order.
struct OutputRule {
  enum class Kind {
    kInput,        // all input columns
    kColumn,       // one column of a name and type; `field` set: the name stands in that field
    kColumnsOf,    // the input columns that a kColumns field lists (in its order)
    kAssignments,  // a column for each entry of a kAssignments or kAggregates field
    kTypesOf,      // a column for each entry of a kTypes field
    kWithout,      // drops the columns that a kColumns field lists
    kDetected,     // asked of the stage itself: static Schema detect(const Settings&)
  };
  Kind kind;
  std::string name;
  Type type = Type::kString;
  std::string field;
};

// What a kind of stage is: the only description. Checking, defaults, help, schema and docs come
// from it. A value; survives encoding, so specs are read without loading the plugin.
class StageSpec {
 public:
  StageSpec() = default;
  explicit StageSpec(std::string kind) : kind_(std::move(kind)) {}

  // ── to describe ──
  StageSpec& summary(std::string_view text) {
    summary_ = text;
    return *this;
  }
  StageSpec& field(FieldSpec field) {
    fields_.push_back(std::move(field));
    return *this;
  }
  // The field that a scalar in YAML sets: `filter: qty > 0`. Also the one that a list or a map
  // without known keys sets.
  StageSpec& main_field(std::string_view name) {
    main_field_ = name;
    return *this;
  }
  StageSpec& reads(std::string_view column_field) {
    reads_.emplace_back(column_field);
    return *this;
  }
  // Output columns, in order; see OutputRule.
  StageSpec& keeps_input() {
    return rule({.kind = OutputRule::Kind::kInput, .name = {}, .field = {}});
  }
  StageSpec& writes(std::string_view column, Type type) {
    return rule({.kind = OutputRule::Kind::kColumn,
                 .name = std::string(column),
                 .type = type,
                 .field = {}});
  }
  // The column's name stands in a field: `field_with_name` is that field.
  StageSpec& writes_named_by(std::string_view field_with_name, Type type) {
    return rule({.kind = OutputRule::Kind::kColumn,
                 .name = {},
                 .type = type,
                 .field = std::string(field_with_name)});
  }
  StageSpec& writes_rule(OutputRule::Kind kind, std::string_view field_name) {
    return rule({.kind = kind, .name = {}, .field = std::string(field_name)});
  }
  StageSpec& detects_columns() {
    return rule({.kind = OutputRule::Kind::kDetected, .name = {}, .field = {}});
  }
  StageSpec& example(std::string_view yaml) {
    examples_.emplace_back(yaml);
    return *this;
  }
  // Reads the files that a batch names in its `path` column. Where a pipeline gives such a stage a
  // `path` field and no `from`, the planner puts a `files` stage with that path before it.
  StageSpec& reads_files() {
    reads_files_ = true;
    return *this;
  }
  // Turns each row into one row or none: then in = out + filtered + rejected.
  StageSpec& row_to_row() {
    row_to_row_ = true;
    return *this;
  }
  StageSpec& stateful() {
    stateful_ = true;
    return *this;
  }
  // A pool of this stage is keyed by the columns that this kColumns field lists.
  StageSpec& keyed_by(std::string_view columns_field) {
    keyed_by_ = columns_field;
    return *this;
  }
  StageSpec& one_worker() {
    one_worker_ = true;
    return *this;
  }
  // For a sink with a `path`: several may write one file, if they differ in this field (in more
  // than the case of its letters), such as the table of a database. Else each needs its own file.
  StageSpec& shares_file_by(std::string_view field_name) {
    shares_file_by_ = field_name;
    return *this;
  }
  // Input columns whose names differ in the case of ASCII letters only are one to it.
  StageSpec& ignores_case() {
    ignores_case_ = true;
    return *this;
  }
  StageSpec& role(Role role) {
    role_ = role;
    return *this;
  }  // set by the registration macro

  // ── to read ──
  const std::string& kind() const { return kind_; }
  const std::string& summary() const { return summary_; }
  Role role() const { return role_; }
  const std::vector<FieldSpec>& fields() const { return fields_; }
  const FieldSpec* find_field(std::string_view name) const;
  const std::string& main_field() const { return main_field_; }
  const std::vector<std::string>& read_fields() const { return reads_; }
  const std::vector<OutputRule>& rules() const { return rules_; }
  const std::vector<std::string>& examples() const { return examples_; }
  bool is_reader() const { return reads_files_; }
  bool is_row_to_row() const { return row_to_row_; }
  bool is_stateful() const { return stateful_; }
  bool is_one_worker() const {
    return one_worker_ || (stateful_ && keyed_by_.empty()) || role_ != Role::kStage;
  }
  const std::string& key_field() const { return keyed_by_; }
  const std::string& file_shared_by() const { return shares_file_by_; }
  bool is_ignoring_case() const { return ignores_case_; }

  std::string encode() const;                         // MessagePack; for the sidecar
  static StageSpec decode(std::string_view encoded);  // Invalid

 private:
  StageSpec& rule(OutputRule rule) {
    rules_.push_back(std::move(rule));
    return *this;
  }

  std::string kind_, summary_, main_field_, keyed_by_, shares_file_by_;
  Role role_ = Role::kStage;
  std::vector<FieldSpec> fields_;
  std::vector<std::string> reads_, examples_;
  std::vector<OutputRule> rules_;
  bool reads_files_ = false, row_to_row_ = false, stateful_ = false, one_worker_ = false,
       ignores_case_ = false;
};

}  // namespace towpath
