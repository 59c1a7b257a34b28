#include <algorithm>

#include "towpath/base/format.h"
#include "towpath/config/check.h"
#include "towpath/graph/graph.h"
#include "towpath/stage/schema_rules.h"

// Which columns each stage sees and makes.

namespace towpath {
namespace {

class SchemaCheck {
 public:
  SchemaCheck(Document& document, Graph& graph, const PlanOptions& options,
              const SchemaDetector& detector)
      : document_(document),
        graph_(graph),
        options_(options),
        detector_(detector),
        bindings_(graph.bindings()) {}

  void run() {
    for (const int id : graph_.order) check(graph_.stages[static_cast<size_t>(id)]);
  }

 private:
  const GraphStage& writer(const GraphInput& input) const {
    return graph_.stages[static_cast<size_t>(input.from)];
  }

  // Where the columns of an input are not known, because of a problem upstream, nothing more is
  // said.
  void check(GraphStage& stage) {
    bool paths_found = true;
    for (const GraphStep& step : stage.steps) {
      if (step.kind == nullptr) return;
      if (!stage.added) paths_found = check_paths(stage, step) && paths_found;
    }
    std::vector<Schema> inputs;
    for (const GraphInput& input : stage.inputs) {
      if (input.from < 0 || !writer(input).known) return;
      inputs.push_back(writer(input).output());
    }
    if (stage.role() != Role::kSource && inputs.empty()) return;
    if (!check_inputs(stage, inputs)) return;

    for (size_t i = 0; i < stage.steps.size(); ++i) {
      const bool many = stage.steps.size() > 1;
      const std::string what = many ? format("{}, step {}", stage.what(), i + 1) : stage.what();
      const std::optional<Schema> output = derive(stage, i, inputs, what, paths_found);
      if (!output) return;
      stage.steps[i].output = *output;
      inputs = {*output};
    }
    stage.known = true;
  }

  bool check_inputs(const GraphStage& stage, const std::vector<Schema>& inputs) {
    for (size_t i = 1; i < inputs.size(); ++i) {
      if (inputs[i] == inputs[0]) continue;
      document_.add(stage.inputs[i].at,
                    format("{} reads inputs with different columns: \"{}\" has {}", stage.what(),
                           stage.inputs[i].stage, show_schema(inputs[i])),
                    format("\"{}\" has {}", stage.inputs[0].stage, show_schema(inputs[0])));
      return false;
    }
    const StageSpec& first = stage.steps[0].kind->spec;
    if (!first.is_reader()) return true;
    const int path = find_field(inputs[0], "path");
    if (path >= 0 && inputs[0][static_cast<size_t>(path)].type == Type::kString) return true;
    document_.add(stage.inputs[0].at,
                  format("{} reads the files named in column \"path\", which \"{}\" lacks",
                         stage.what(), stage.inputs[0].stage),
                  format("it has {}", show_schema(inputs[0])));
    return false;
  }

  // Files that a source or a reader names must be there before anything starts.
  bool check_paths(const GraphStage& stage, const GraphStep& step) {
    const StageSpec& spec = step.kind->spec;
    if (!options_.check_path || (spec.role() != Role::kSource && !spec.is_reader())) return true;
    bool found = true;
    for (const FieldSpec& field : spec.fields()) {
      const Object* value = step.values.find(field.name);
      if (value == nullptr || (field.kind != FieldKind::kPath && field.name != "path")) continue;
      const Node* node = find_field_node(*step.value, spec.fields(), spec.main_field(), field.name);
      if (node == nullptr) node = step.key;
      if (node->any_unresolved()) {  // a problem already
        found = false;
        continue;
      }
      if (value->is_string()) found = check_path(stage, value->as_string(), *node) && found;
      if (!value->is_array()) continue;
      for (size_t i = 0; i < value->as_array().size(); ++i) {
        const Node& at = node->kind == Node::Kind::kList ? node->items[i] : *node;
        found = check_path(stage, value->as_array()[i].as_string(), at) && found;
      }
    }
    return found;
  }
  bool check_path(const GraphStage& stage, const std::string& path, const Node& at) {
    try {
      options_.check_path(path);
      return true;
    } catch (const Error& error) {
      document_.add(at, format("{}: {}", stage.what(), error.what()),
                    std::string_view(error.what()).starts_with("no file") && !path.starts_with('/')
                        ? "paths are relative to the working directory"
                        : "");
      return false;
    }
  }

  std::optional<Schema> derive(const GraphStage& stage, size_t at,
                               const std::vector<Schema>& inputs, const std::string& what,
                               bool paths_found) {
    const GraphStep& step = stage.steps[at];
    const StageSpec& spec = step.kind->spec;
    const std::vector<FieldError> errors = check_columns(spec, step.values, inputs, bindings_);
    for (const FieldError& error : errors) report(error, step, what);
    // A wrong condition does not change which columns come out: what stands behind it can be
    // checked.
    Object values = step.values;
    for (const FieldError& error : errors) {
      const FieldSpec* field = spec.find_field(error.place().field);
      if (field == nullptr || field->kind != FieldKind::kExpression) return std::nullopt;
      std::erase_if(values.as_map(),
                    [&](const auto& entry) { return entry.first == Object(field->name); });
    }
    if (step.broken) return std::nullopt;
    const bool detects = std::any_of(
        spec.rules().begin(), spec.rules().end(),
        [](const OutputRule& rule) { return rule.kind == OutputRule::Kind::kDetected; });
    if (detects && !paths_found) return std::nullopt;
    auto detect = [&] {
      Settings::Context context;
      context.pipeline = graph_.pipeline;
      context.stage = stage.name;
      context.step = static_cast<int>(at);
      context.inputs = inputs;
      context.params = graph_.params;
      context.now_micros = graph_.now_micros;
      context.seed = graph_.seed;
      context.batch_rows = graph_.batch_rows;
      return detector_(*step.kind, Settings(step.values, std::move(context)));
    };
    try {
      Schema output = derive_output(spec, values, inputs, bindings_, detect);
      if (!output.empty() || spec.role() == Role::kSink) return output;
      document_.add(*step.key, format("{}: no column would come out of it", what),
                    spec.examples().empty()
                        ? std::string("name columns")
                        : format("name columns, as in {}", spec.examples().front()));
      return std::nullopt;
    } catch (const FieldError& error) {
      report(error, step, what);
    } catch (const Bug&) {
      throw;
    } catch (const Error& error) {
      const Node* path = find_field_node(*step.value, spec.fields(), spec.main_field(), "path");
      document_.add(path != nullptr ? *path : *step.key, format("{}: {}", what, error.what()));
    }
    return std::nullopt;
  }

  void report(const FieldError& error, const GraphStep& step, const std::string& what) {
    const FieldError::Place& place = error.place();
    const StageSpec& spec = step.kind->spec;
    const Node* node = find_field_node(*step.value, spec.fields(), spec.main_field(), place.field);
    const std::string message = format("{}: {}", what, error.what());
    if (node == nullptr) {
      // The default is wrong here: the column that a stage reads unless told otherwise is not
      // there.
      document_.add(*step.key, message, error.hint());
      return;
    }
    if (!place.entry.empty()) {
      const Node* entry = place.key ? node->find_key(place.entry) : node->find(place.entry);
      if (entry != nullptr) node = entry;
    }
    if (node->kind == Node::Kind::kList && place.item >= 0 &&
        static_cast<size_t>(place.item) < node->items.size()) {
      node = &node->items[static_cast<size_t>(place.item)];
    }
    document_.add_within(*node, place.offset, place.length, message, error.hint());
  }

  Document& document_;
  Graph& graph_;
  const PlanOptions& options_;
  const SchemaDetector& detector_;
  const Bindings bindings_;
};

}  // namespace

void check_schemas(Document& document, Graph& graph, const PlanOptions& options,
                   const SchemaDetector& detector) {
  SchemaCheck(document, graph, options, detector).run();
}

}  // namespace towpath
