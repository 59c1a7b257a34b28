#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/config/document.h"
#include "towpath/config/field_spec.h"
#include "towpath/graph/graph.h"
#include "towpath/message/object.h"

namespace towpath {

// The options that every stage may have beside its kind, and that `defaults` may set for all:
// workers, order, start_method, env.
class StageOptions {
 public:
  StageOptions(Document& document, const PlanOptions& options);

  bool knows(std::string_view name) const;
  std::vector<std::string> names() const;

  // The file's `defaults`.
  void read_defaults(const Node& defaults);
  // Sets the stage's options from the part of its map that knows() names, then from the defaults,
  // then from what the machine has. Its steps must be known: they say whether it can be a pool.
  void read(GraphStage& stage, const Node& own);
  // --workers STAGE=N and --start-method, which the stages have obeyed already: here it is checked.
  void apply_command_line(Graph& graph);

 private:
  void read_workers(GraphStage& stage, const Node& at, const std::string& text, bool own);
  void read_env(GraphStage& stage, const Node& at);

  Document& document_;
  const PlanOptions& options_;
  const std::vector<FieldSpec> fields_;
  Node defaults_at_;
  Object defaults_;
};

}  // namespace towpath
