#include "towpath/graph/planner.h"

#include <algorithm>
#include <map>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"

namespace towpath {
namespace {

constexpr const char* kMerge = "core.merge";  // the planner's own stage

// So that stages of one pipeline have different randomness: FNV-1a over the stage's name and step.
uint64_t seed_of(uint64_t seed, std::string_view stage, size_t step) {
  uint64_t hash = 14695981039346656037ull;
  auto mix = [&hash](unsigned char byte) { hash = (hash ^ byte) * 1099511628211ull; };
  for (int shift = 0; shift < 64; shift += 8) mix(static_cast<unsigned char>(seed >> shift));
  for (const char c : stage) mix(static_cast<unsigned char>(c));
  mix(static_cast<unsigned char>(step));
  return hash;
}

class Planner {
 public:
  Planner(Document& document, const Catalogue& catalogue, const PlanOptions& options, Graph graph)
      : document_(document), catalogue_(catalogue), graph_(std::move(graph)) {
    plan_.pipeline = graph_.pipeline;
    plan_.config = document.path();
    plan_.config_text = document.text();
    plan_.memory = graph_.memory;
    plan_.cores = graph_.cores;
    plan_.batch_rows = graph_.batch_rows;
    if (!options.start_method.empty()) plan_.start_method = options.start_method;
    plan_.max_rejects = graph_.max_rejects;
    plan_.epoch_ms = graph_.epoch_ms;
    plan_.params = graph_.params;
    plan_.now_micros = graph_.now_micros;
    plan_.seed = graph_.seed;
  }

  std::optional<Plan> run() {
    ends_.resize(graph_.stages.size());
    for (const int id : graph_.order) add_stage(id);
    share_memory();
    if (!document_.ok()) return std::nullopt;
    return std::move(plan_);
  }

 private:
  PlanStage& at(int id) { return plan_.stages[static_cast<size_t>(id)]; }

  void add_stage(int id) {
    const GraphStage& stage = graph_.stages[static_cast<size_t>(id)];
    const StageSpec& last = stage.steps.back().kind->spec;
    if (stage.workers <= 1 || last.key_field().empty()) {
      const int added = add(stage, 0);
      at(added).workers = stage.workers;
      ends_[static_cast<size_t>(id)] = added;
    } else {
      add_keyed_pool(stage, id);
    }
  }

  // One process, or a pool whose processes are all alike, with its edges.
  int add(const GraphStage& stage, int member) {
    const int id = static_cast<int>(plan_.stages.size());
    PlanStage& added = plan_.stages.emplace_back();
    added.id = id;
    added.name = stage.name;
    added.member = member;
    added.role = stage.role();
    added.start_method = stage.start_method;
    added.env = stage.env;
    std::vector<Schema> inputs;
    for (const GraphInput& input : stage.inputs) {
      inputs.push_back(graph_.stages[static_cast<size_t>(input.from)].output());
    }
    for (size_t i = 0; i < stage.steps.size(); ++i) {
      added.steps.push_back(step(stage, i, inputs));
      added.stateful = added.stateful || stage.steps[i].kind->spec.is_stateful();
      inputs = {stage.steps[i].output};
    }
    if (added.role != Role::kSink) {
      PlanOutput& output = added.outputs.emplace_back();
      output.schema = stage.output();
    }
    if (added.role == Role::kSource) added.sources = {id};
    for (const GraphInput& input : stage.inputs)
      connect(ends_[static_cast<size_t>(input.from)], id);
    return id;
  }

  PlanStep step(const GraphStage& stage, size_t number, std::vector<Schema> inputs) const {
    const GraphStep& from = stage.steps[number];
    const StageSpec& spec = from.kind->spec;
    PlanStep step;
    step.kind = spec.kind();
    step.plugin = from.kind->plugin;
    step.values = from.values;
    // The files are named by its input now.
    if (spec.is_reader()) {
      std::erase_if(step.values.as_map(),
                    [](const auto& entry) { return entry.first == Object("path"); });
    }
    step.context = context(stage.name, number, std::move(inputs), from.output);
    step.row_to_row = spec.is_row_to_row();
    step.stateful = spec.is_stateful();
    return step;
  }

  Settings::Context context(const std::string& stage, size_t step, std::vector<Schema> inputs,
                            Schema output) const {
    Settings::Context context;
    context.pipeline = plan_.pipeline;
    context.stage = stage;
    context.step = static_cast<int>(step);
    context.inputs = std::move(inputs);
    context.output = std::move(output);
    context.params = plan_.params;
    context.now_micros = plan_.now_micros;
    context.seed = seed_of(plan_.seed, stage, step);
    context.batch_rows = plan_.batch_rows;
    return context;
  }

  // Edges of a fan-in share port 0: to the stage they are one input.
  void connect(int from, int to, int port = 0) {
    PlanEdge edge;
    edge.id = static_cast<int>(plan_.edges.size());
    edge.from_stage = from;
    edge.to_stage = to;
    edge.to_port = port;
    at(from).outputs[0].edges.push_back(edge.id);
    at(to).inputs.push_back(edge.id);
    for (const int source : at(from).sources) {
      std::vector<int>& sources = at(to).sources;
      const auto place = std::lower_bound(sources.begin(), sources.end(), source);
      if (place == sources.end() || *place != source) sources.insert(place, source);
    }
    plan_.edges.push_back(edge);
  }

  // N members that all see every batch and take the rows whose keys are theirs, and a merge by key.
  void add_keyed_pool(const GraphStage& stage, int graph_id) {
    const GraphStep& keyed = stage.steps.back();
    std::vector<std::string> key;
    if (const Object* columns = keyed.values.find(keyed.kind->spec.key_field())) {
      for (const Object& column : columns->as_array()) key.push_back(column.as_string());
    }
    const Catalogue::Entry* merge = catalogue_.find(kMerge);
    const Node& where = stage.workers_at ? *stage.workers_at : *stage.key;
    if (key.empty()) {
      document_.add(where,
                    format("{} can't have {} workers: it has no key to share out its rows by",
                           stage.what(), stage.workers),
                    "remove workers");
      return;
    }
    if (merge == nullptr) {
      document_.add(where,
                    format("{} can't have {} workers: there is no kind \"core.merge\" to join them",
                           stage.what(), stage.workers),
                    "remove workers");
      return;
    }
    // The writer hashes the key once for all members. An output with readers of different keys is
    // hashed for the first of them; the others hash for themselves.
    bool hashed = true;
    for (const GraphInput& input : stage.inputs) {
      PlanOutput& output = at(ends_[static_cast<size_t>(input.from)]).outputs[0];
      if (output.partition_by.empty()) output.partition_by = key;
      hashed = hashed && output.partition_by == key;
    }
    std::vector<int> members;
    for (int member = 1; member <= stage.workers; ++member) {
      const int id = add(stage, member);
      at(id).partition_by = key;
      at(id).partitions_input = !hashed;
      uint64_t partitions = 0;
      for (int p = member - 1; p < kPartitions; p += stage.workers) partitions |= uint64_t{1} << p;
      for (PlanStep& each : at(id).steps) each.context.partitions = partitions;
      members.push_back(id);
    }

    const int id = static_cast<int>(plan_.stages.size());
    PlanStage& added = plan_.stages.emplace_back();
    added.id = id;
    added.name = stage.name + ".merge";
    added.start_method = stage.start_method;
    PlanStep step;
    step.kind = merge->spec.kind();
    step.plugin = merge->plugin;
    Object::Array by(key.begin(), key.end());
    step.values = Object::Map{{"by", std::move(by)}};
    step.context =
        context(added.name, 0, std::vector<Schema>(members.size(), stage.output()), stage.output());
    step.row_to_row = merge->spec.is_row_to_row();
    step.stateful = merge->spec.is_stateful();
    added.stateful = true;  // it holds the heads of its inputs
    added.steps.push_back(std::move(step));
    added.outputs.emplace_back().schema = stage.output();
    int port = 0;
    for (const int member : members) connect(member, id, port++);
    ends_[static_cast<size_t>(graph_id)] = id;
  }

  void share_memory() {
    if (!document_.ok() || plan_.edges.empty()) return;
    uint64_t edges = 0, of_merges = 0;
    std::vector<uint64_t> least(plan_.edges.size(), kLeastRoom);
    for (const PlanStage& stage : plan_.stages) {
      for (const PlanOutput& output : stage.outputs) {
        bool together = false;
        for (const int edge : output.edges) {
          const PlanStage& reader = at(plan_.edges[static_cast<size_t>(edge)].to_stage);
          if (reader.workers > 1) {
            ++edges;
          } else if (reader.steps.front().kind == kMerge && output.edges.size() == 1) {
            least[static_cast<size_t>(edge)] = kLeastMergeRoom;
            ++of_merges;
          } else {
            together = true;
          }
        }
        if (together) ++edges;
      }
    }
    plan_.memory_edges = edges * kLeastRoom + of_merges * kLeastMergeRoom;
    const bool stateful = std::any_of(plan_.stages.begin(), plan_.stages.end(),
                                      [](const PlanStage& stage) { return stage.stateful; });
    const uint64_t needed = plan_.memory_edges + (stateful ? kLeastState : 0);
    if (plan_.memory < needed) {
      const std::string message = format("memory is {}; this pipeline needs at least {}MiB",
                                         show_bytes(plan_.memory), needed >> 20);
      std::string hint = format("2 MiB for each of {} edges", edges);
      if (of_merges > 0) hint += format(", 1 MiB for each of {} members of pools", of_merges);
      if (stateful) hint += ", 2 MiB for what stages keep";
      if (graph_.memory_at) {
        document_.add(*graph_.memory_at, message, hint);
      } else {
        document_.add({{}, 1, message, hint});
      }
      return;
    }
    constexpr uint64_t kPage = 4096;
    for (size_t i = 0; i < least.size(); ++i) {
      const double part = static_cast<double>(least[i]) / static_cast<double>(plan_.memory_edges);
      const auto room = static_cast<uint64_t>(static_cast<double>(plan_.memory) * part);
      plan_.edges[i].room = room / kPage * kPage;
    }
  }

  Document& document_;
  const Catalogue& catalogue_;
  const Graph graph_;
  Plan plan_;
  std::vector<int> ends_;  // for each stage of the graph, the planned one that others read from
};

}  // namespace

std::optional<Plan> plan(Document& document, const Catalogue& catalogue, const PlanOptions& options,
                         const SchemaDetector& detector) {
  std::optional<Graph> graph = read_graph(document, catalogue, options, detector);
  if (!graph) return std::nullopt;
  return Planner(document, catalogue, options, std::move(*graph)).run();
}

}  // namespace towpath
