#include <algorithm>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/config/check.h"
#include "towpath/config/number.h"
#include "towpath/graph/file_options.h"
#include "towpath/graph/graph.h"
#include "towpath/graph/names.h"
#include "towpath/memory/arena.h"

// What the file says about the pipeline as a whole.

namespace towpath {
namespace {

constexpr uint64_t kMostDefaultMemory = 1 << 30;

std::string stem_of(std::string_view path) {
  path = path.substr(path.rfind('/') + 1);
  path = path.substr(0, path.find('.'));
  return path.empty() ? "pipeline" : make_name(path);
}

// The part of the root that pipeline_fields() describe; unknown keys are problems.
Node own_options(Document& document, const std::vector<FieldSpec>& fields) {
  Node own = document.root();
  own.entries.clear();
  std::vector<std::string> parts;
  for (const FieldSpec& part : pipeline_parts()) parts.push_back(part.name);
  std::vector<std::string> names = parts;
  for (const FieldSpec& field : fields) names.push_back(field.name);
  for (const auto& entry : document.root().entries) {
    const std::string& name = entry.first.text;
    if (std::find(parts.begin(), parts.end(), name) != parts.end()) continue;
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      own.entries.push_back(entry);
    } else {
      document.add(entry.first, format("the pipeline has no option \"{}\"", name),
                   suggest_name(name, names, format("known: {}", list_names(names))));
    }
  }
  return own;
}

// A run's folder bears it, with more.
constexpr size_t kLongestName = 100;

uint64_t read_max_rejects(Document& document, const Node& at) {
  const Number number = read_number(at.text);
  if (number.kind == Number::Kind::kInt && number.integer >= 0) {
    return static_cast<uint64_t>(number.integer);
  }
  if (at.text.ends_with('%')) {
    document.add(
        at, format("max_rejects is {}; only a count of rows is supported, not a share", at.text),
        "write a number, such as 100");
  } else {
    document.add(at, format("max_rejects is {}; it takes a count of rows", at.text),
                 number.hint.empty() ? "remove it to use 0" : number.hint);
  }
  return 0;
}

}  // namespace

Graph read_pipeline(Document& document, const PlanOptions& options) {
  Graph graph;
  const std::vector<FieldSpec>& fields = pipeline_fields();
  const Node own = own_options(document, fields);
  const Object values = check_fields(document, own, fields, "", "the pipeline");

  if (const Object* version = values.find("towpath"); version != nullptr && *version != Object(1)) {
    document.add(*own.find("towpath"), "this is Towpath's format 1", "write towpath: 1");
  }
  if (const Object* name = values.find("pipeline")) {
    graph.pipeline = name->as_string();
    check_name(document, *own.find("pipeline"), graph.pipeline, "a pipeline");
    if (graph.pipeline.size() > kLongestName) {
      document.add(*own.find("pipeline"),
                   format("the name has {} bytes; a pipeline's may have {}", graph.pipeline.size(),
                          kLongestName),
                   "shorten it");
    }
  } else {
    graph.pipeline = stem_of(document.path()).substr(0, kLongestName);
  }

  const uint64_t quarter = options.total_memory / 4;
  graph.memory = quarter == 0 ? kMostDefaultMemory : std::min(kMostDefaultMemory, quarter);
  if (options.memory) {
    graph.memory = *options.memory;
    if (graph.memory < kLeastMemory || graph.memory > kMaxArenaBytes) {
      document.add({{},
                    1,
                    format("--memory {}: allowed {} to {}", show_bytes(graph.memory),
                           show_bytes(kLeastMemory), show_bytes(kMaxArenaBytes)),
                    ""});
    }
  } else if (const Object* memory = values.find("memory")) {
    graph.memory = memory->as_uint();
    graph.memory_at = *own.find("memory");
  }
  graph.cores = options.cpu_count;
  if (const Object* cores = values.find("cores")) graph.cores = static_cast<int>(cores->as_int());
  if (const Object* seed = values.find("seed")) graph.seed = seed->as_uint();
  if (options.seed) graph.seed = *options.seed;
  if (const Object* rows = values.find("batch_rows")) graph.batch_rows = rows->as_uint();
  if (options.batch_rows) {
    graph.batch_rows = *options.batch_rows;
    if (graph.batch_rows < 1 || graph.batch_rows > kMostBatchRows) {
      document.add({{},
                    1,
                    format("--batch-rows {}: allowed 1 to {}", graph.batch_rows, kMostBatchRows),
                    ""});
    }
  }
  if (const Object* epoch = values.find("epoch")) graph.epoch_ms = epoch->as_int();
  if (const Node* rejects = own.find("max_rejects");
      rejects != nullptr && values.find("max_rejects")) {
    graph.max_rejects = read_max_rejects(document, *rejects);
  }
  return graph;
}

}  // namespace towpath
