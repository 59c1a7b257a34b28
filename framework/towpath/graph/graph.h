#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "towpath/config/document.h"
#include "towpath/expr/expression.h"
#include "towpath/message/object.h"
#include "towpath/message/type.h"
#include "towpath/stage/catalogue.h"
#include "towpath/stage/settings.h"

// A pipeline as it is written: stages and who reads whom, checked against the catalogue. Between
// the YAML text and the plan. Pure: everything it must know of the world stands in PlanOptions.
//
// Errors     what is wrong becomes a problem of the document, all at once; nothing is thrown for a
//            mistake of the user.
// Lifetime   a graph points into the document and the catalogue.

namespace towpath {

// What the user asked for beside the file, and what the machine is like.
struct PlanOptions {
  std::vector<std::pair<std::string, std::string>> set;  // --set NAME=VALUE
  std::vector<std::pair<std::string, int64_t>> workers;  // --workers STAGE=N
  std::string start_method;                              // --start-method; "": as the file says
  std::optional<uint64_t> memory;                        // --memory
  std::optional<uint64_t> batch_rows;                    // --batch-rows
  std::optional<uint64_t> seed;                          // instead of the file's
  int cpu_count = 1;
  uint64_t total_memory = 0;  // RAM of the machine in bytes; 0: unknown
  int64_t now_micros = 0;     // the run's recorded start
  std::function<std::optional<std::string>(std::string_view)> env;  // null: an empty environment
  // Throws an Error that says why a path or glob names no file; null: not asked.
  std::function<void(const std::string&)> check_path;
  // The one name of a file to be written, however its path is written; throws an Error that says
  // why it can't be written. Null: the path, normalised as text.
  std::function<std::string(const std::string&)> name_output;
  // Whether a reader of this path or glob would read that file, which need not be there yet; null:
  // when they are the same text.
  std::function<bool(const std::string& pattern, const std::string& output)> would_read;
};

// The output columns of a stage that finds them in its input (StageSpec::detects_columns). May
// throw any Error; what it says becomes a problem of the stage.
using SchemaDetector = std::function<Schema(const Catalogue::Entry&, const Settings&)>;

struct GraphStep {
  const Catalogue::Entry* kind = nullptr;  // null: unknown, and a problem already
  const Node* key = nullptr;               // "csv.read", as written
  const Node* value = nullptr;             // what stands behind it
  Object values;                           // its checked fields
  bool broken = false;                     // fields are problems: what comes out is not known
  Schema output;
};

struct GraphInput {
  std::string stage, output, name;  // name: of a named input, else empty
  Node at;                          // where it is written
  int from = -1;                    // position of the stage in Graph::stages
};

struct GraphStage {
  std::string name;
  const Node* key = nullptr;   // its name in the file
  const Node* from = nullptr;  // the value of `from`, if any
  bool added = false;          // not written in the file: a `files` stage before a reader
  std::vector<GraphStep> steps;
  std::vector<GraphInput> inputs;
  int workers = 1;
  std::optional<Node> workers_at;  // where that is written; none: the default, or the command line
  std::string start_method;
  std::vector<std::pair<std::string, std::string>> env;
  bool known = false;        // its output columns are known
  std::vector<int> sources;  // stages whose rows reach it, in file order; of a source itself too

  Role role() const;  // of its only step; kStage when that is unknown
  const Schema& output() const { return steps.back().output; }
  std::string what() const;  // for messages: stage "clean"
};

struct Graph {
  std::string pipeline;
  uint64_t memory = 0;
  std::optional<Node> memory_at;  // where it is written
  int cores = 1;
  uint64_t batch_rows = 0, seed = 0, max_rejects = 0;
  int64_t epoch_ms = 0;
  std::vector<std::pair<std::string, Object>> params;
  int64_t now_micros = 0;
  std::vector<GraphStage> stages;  // in file order, an added one just before its reader
  std::vector<int> order;          // positions in `stages`: each behind all it reads from

  int find(std::string_view stage) const;  // -1: none
  Bindings bindings() const;
};

// Document → Graph, with all checks. Replaces ${names} in the document. None when there are
// problems.
std::optional<Graph> read_graph(Document& document, const Catalogue& catalogue,
                                const PlanOptions& options, const SchemaDetector& detector);

// ── its parts, in this order ──

// The `params` of the file with --set applied, then ${names} replaced everywhere.
std::vector<std::pair<std::string, Object>> read_params(Document& document,
                                                        const PlanOptions& options);
// The options of the pipeline as a whole; no stages yet.
Graph read_pipeline(Document& document, const PlanOptions& options);
// Adds the stages, with fields checked; nothing across stages yet.
void read_stages(Document& document, const Catalogue& catalogue, const PlanOptions& options,
                 Graph& graph);
// Who reads whom: unknown names, cycles, stages without reader or input, branches that meet again,
// workers. Finds order and sources; false: the order is unknown.
bool check_shape(Document& document, Graph& graph);
// The files that the run writes: each by one stage, and none that it also reads.
void check_outputs(Document& document, const Graph& graph, const PlanOptions& options);
// Columns and expressions, and the columns of every output.
void check_schemas(Document& document, Graph& graph, const PlanOptions& options,
                   const SchemaDetector& detector);

}  // namespace towpath
