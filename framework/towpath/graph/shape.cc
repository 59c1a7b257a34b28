#include <algorithm>
#include <queue>

#include "towpath/base/format.h"
#include "towpath/config/check.h"
#include "towpath/graph/graph.h"
#include "towpath/graph/names.h"

// Who reads whom.

namespace towpath {
namespace {

bool is_unknown(const GraphStage& stage) {
  return std::any_of(stage.steps.begin(), stage.steps.end(),
                     [](const GraphStep& step) { return step.kind == nullptr; });
}

class ShapeCheck {
 public:
  ShapeCheck(Document& document, Graph& graph) : document_(document), graph_(graph) {}

  bool run() {
    bool found = true;
    for (GraphStage& stage : graph_.stages) {
      for (GraphInput& input : stage.inputs) found = resolve(stage, input) && found;
      check_ends(stage);
      check_workers(stage);
    }
    // With a name that nobody has, the rest of the graph would only be accused falsely.
    if (found) check_readers();
    if (!sort()) {
      report_cycle();
      return false;
    }
    for (const int id : graph_.order) find_sources(graph_.stages[static_cast<size_t>(id)], id);
    return true;
  }

 private:
  GraphStage& at(int id) { return graph_.stages[static_cast<size_t>(id)]; }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const GraphStage& stage : graph_.stages) {
      if (!stage.added) all.push_back(stage.name);
    }
    return all;
  }

  bool resolve(const GraphStage& reader, GraphInput& input) {
    if (input.from >= 0) return true;
    input.from = graph_.find(input.stage);
    if (input.from < 0) {
      std::string all;
      for (const std::string& name : names()) all += (all.empty() ? "stages: " : ", ") + name;
      document_.add_within(
          input.at, 0, input.stage.size(),
          format("{} reads from \"{}\", which is no stage", reader.what(), input.stage),
          suggest_name(input.stage, names(), all));
      return false;
    }
    if (!input.output.empty()) {
      document_.add_within(input.at, input.stage.size() + 1, input.output.size(),
                           format("stage \"{}\" has no output \"{}\"", input.stage, input.output),
                           format("write from: {}", input.stage));
    }
    if (at(input.from).role() == Role::kSink) {
      document_.add(input.at,
                    format("stage \"{}\" is a sink: nothing comes out of it", input.stage),
                    "read from the stage before it");
    }
    return true;
  }

  // What a stage must or can't read.
  void check_ends(const GraphStage& stage) {
    if (is_unknown(stage)) return;
    const bool source = stage.role() == Role::kSource;
    if (source && stage.from != nullptr) {
      document_.add(*stage.from,
                    format("{} is a source ({}): it reads from no stage", stage.what(),
                           stage.steps[0].kind->spec.kind()),
                    "remove from");
    } else if (!source && stage.from == nullptr && stage.inputs.empty() &&
               !stage.steps[0].kind->spec.is_reader()) {
      const GraphStage* before = nullptr;
      for (const GraphStage& other : graph_.stages) {
        if (&other == &stage) break;
        if (other.role() != Role::kSink && !other.added) before = &other;
      }
      document_.add(*stage.key, format("{} has no from: nothing reaches it", stage.what()),
                    before != nullptr ? format("add from: {}", before->name) : "add from: NAME");
    }
  }

  void check_workers(const GraphStage& stage) {
    if (stage.workers <= 1 || is_unknown(stage)) return;
    std::string why;
    for (const GraphStep& step : stage.steps) {
      const StageSpec& spec = step.kind->spec;
      if (spec.role() == Role::kSource) {
        why = format("{} is a source, which reads in one process", spec.kind());
      } else if (spec.role() == Role::kSink) {
        why = format("{} is a sink, which writes in one process", spec.kind());
      } else if (spec.is_stateful() && spec.key_field().empty()) {
        why = format("{} must see all rows in one process", spec.kind());
      } else if (spec.is_one_worker()) {
        why = format("{} works in one process only", spec.kind());
      } else if (stage.steps.size() > 1 && !spec.key_field().empty()) {
        why = format("{} shares out its rows by key, which it can't do behind other steps",
                     spec.kind());
      } else if (!spec.key_field().empty() && stage.workers > kPartitions) {
        why = format("{} shares out {} partitions", spec.kind(), kPartitions);
      }
      if (!why.empty()) break;
    }
    if (why.empty()) return;
    const std::string message =
        format("{} can't have {} workers: {}", stage.what(), stage.workers, why);
    if (stage.workers_at) {
      document_.add(*stage.workers_at, message, "remove workers");
    } else {
      document_.add({{}, 1, format("--workers {}={}: {}", stage.name, stage.workers, message), ""});
    }
  }

  // Every stage but a sink is read by another. That and the absence of cycles lead all rows to a
  // sink.
  void check_readers() {
    std::vector<bool> read(graph_.stages.size());
    for (const GraphStage& stage : graph_.stages) {
      for (const GraphInput& input : stage.inputs) read[static_cast<size_t>(input.from)] = true;
    }
    for (size_t i = 0; i < graph_.stages.size(); ++i) {
      const GraphStage& stage = graph_.stages[i];
      if (read[i] || stage.role() == Role::kSink || is_unknown(stage)) continue;
      document_.add(*stage.key, format("nothing reads {}: its rows reach no sink", stage.what()),
                    format("add a stage with from: {}, or remove it", stage.name));
    }
  }

  // Stages in an order in which each stands behind what it reads; of several that could come next,
  // the first of the file. So sources keep their order.
  bool sort() {
    const size_t count = graph_.stages.size();
    std::vector<int> waits(count);
    std::vector<std::vector<int>> readers(count);
    for (size_t i = 0; i < count; ++i) {
      for (const GraphInput& input : graph_.stages[i].inputs) {
        if (input.from < 0) continue;
        ++waits[i];
        readers[static_cast<size_t>(input.from)].push_back(static_cast<int>(i));
      }
    }
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    for (size_t i = 0; i < count; ++i) {
      if (waits[i] == 0) ready.push(static_cast<int>(i));
    }
    while (!ready.empty()) {
      const int next = ready.top();
      ready.pop();
      graph_.order.push_back(next);
      for (const int reader : readers[static_cast<size_t>(next)]) {
        if (--waits[static_cast<size_t>(reader)] == 0) ready.push(reader);
      }
    }
    return graph_.order.size() == count;
  }

  // Each cycle once, from its first stage in the file.
  void report_cycle() {
    std::vector<bool> sorted(graph_.stages.size()), told(graph_.stages.size());
    for (const int id : graph_.order) sorted[static_cast<size_t>(id)] = true;
    for (size_t start = 0; start < graph_.stages.size(); ++start) {
      if (sorted[start] || told[start]) continue;
      std::vector<int> path;
      std::vector<bool> seen(graph_.stages.size());
      if (!find_cycle(static_cast<int>(start), static_cast<int>(start), seen, path)) continue;
      for (const int id : path) told[static_cast<size_t>(id)] = true;
      // `path` runs against the rows' way: from a reader to what it reads.
      std::string text = at(path[0]).name;
      for (size_t i = path.size(); i-- > 0;) text += " -> " + at(path[i]).name;
      const GraphStage& first = graph_.stages[start];
      const int before = path.size() > 1 ? path[1] : path[0];
      for (const GraphInput& input : first.inputs) {
        if (input.from != before) continue;
        document_.add(input.at,
                      path.size() == 1 ? format("{} reads itself", first.what())
                                       : format("stages read each other in a cycle: {}", text),
                      "rows must flow from sources to sinks");
      }
    }
  }
  bool find_cycle(int id, int start, std::vector<bool>& seen, std::vector<int>& path) {
    path.push_back(id);
    seen[static_cast<size_t>(id)] = true;
    for (const GraphInput& input : at(id).inputs) {
      if (input.from < 0) continue;
      if (input.from == start) return true;
      if (!seen[static_cast<size_t>(input.from)] && find_cycle(input.from, start, seen, path))
        return true;
    }
    path.pop_back();
    return false;
  }

  // Inputs that share a source may wait for each other: one full, the other empty until the first
  // is read.
  void find_sources(GraphStage& stage, int id) {
    if (stage.inputs.empty()) stage.sources = {id};
    for (const GraphInput& input : stage.inputs) {
      if (input.from < 0) continue;
      for (const int source : at(input.from).sources) {
        if (std::find(stage.sources.begin(), stage.sources.end(), source) == stage.sources.end()) {
          stage.sources.push_back(source);
        } else {
          std::string name = at(source).name;
          if (at(source).added) name.erase(name.rfind('.'));
          document_.add(
              input.at,
              format("the rows of \"{}\" reach {} on two ways, which meet here", name,
                     stage.what()),
              "one would have to be kept on disk meanwhile, which Towpath can't do: end each way "
              "in a sink of its own");
          break;
        }
      }
    }
    std::sort(stage.sources.begin(), stage.sources.end());
  }

  Document& document_;
  Graph& graph_;
};

}  // namespace

bool check_shape(Document& document, Graph& graph) { return ShapeCheck(document, graph).run(); }

}  // namespace towpath
