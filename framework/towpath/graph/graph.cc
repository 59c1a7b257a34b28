#include "towpath/graph/graph.h"

#include "towpath/base/format.h"

namespace towpath {

Role GraphStage::role() const {
  return steps.size() == 1 && steps[0].kind != nullptr ? steps[0].kind->spec.role() : Role::kStage;
}

std::string GraphStage::what() const { return format("stage \"{}\"", name); }

int Graph::find(std::string_view stage) const {
  for (size_t i = 0; i < stages.size(); ++i) {
    if (!stages[i].added && stages[i].name == stage) return static_cast<int>(i);
  }
  return -1;
}

Bindings Graph::bindings() const {
  Bindings bindings;
  for (const auto& [name, value] : params) bindings.params.emplace(name, value);
  bindings.now_micros = now_micros;
  bindings.seed = seed;
  return bindings;
}

std::optional<Graph> read_graph(Document& document, const Catalogue& catalogue,
                                const PlanOptions& options, const SchemaDetector& detector) {
  // After a syntax error there is nothing to look at.
  if (document.root().kind == Node::Kind::kNull) {
    if (document.ok()) document.add({{1, 1}, 1, "the file says nothing", "begin with towpath: 1"});
    return std::nullopt;
  }
  if (document.root().kind != Node::Kind::kMap) {
    document.add(document.root(), "a pipeline is a map", "begin with towpath: 1");
    return std::nullopt;
  }
  auto params = read_params(document, options);
  Graph graph = read_pipeline(document, options);
  read_stages(document, catalogue, options, graph);
  graph.params = std::move(params);
  graph.now_micros = options.now_micros;
  check_outputs(document, graph, options);
  if (check_shape(document, graph)) check_schemas(document, graph, options, detector);
  if (!document.ok()) return std::nullopt;
  return graph;
}

}  // namespace towpath
