#include <algorithm>

#include "towpath/base/format.h"
#include "towpath/config/check.h"
#include "towpath/graph/graph.h"
#include "towpath/graph/names.h"
#include "towpath/graph/stage_options.h"

// The file's stages, each looked at by itself.

namespace towpath {
namespace {

class StageReader {
 public:
  StageReader(Document& document, const Catalogue& catalogue, const PlanOptions& options,
              Graph& graph)
      : document_(document), catalogue_(catalogue), graph_(graph), options_(document, options) {}

  void read() {
    if (const Node* defaults = document_.root().find("defaults")) options_.read_defaults(*defaults);
    const Node* stages = document_.root().find("stages");
    if (stages == nullptr) {
      document_.add(document_.root(), "the pipeline has no stages", "add stages:");
    } else if (stages->kind != Node::Kind::kMap || stages->entries.empty()) {
      document_.add(*stages, "stages is not a map of stages", "write a stage as name: { ... }");
    } else {
      for (const auto& [key, value] : stages->entries) read_stage(key, value);
      options_.apply_command_line(graph_);
    }
  }

 private:
  void read_stage(const Node& key, const Node& value) {
    GraphStage stage;
    stage.name = key.text;
    stage.key = &key;
    check_name(document_, key, key.text, "a stage");
    if (value.kind != Node::Kind::kMap) {
      document_.add(value.kind == Node::Kind::kNull ? key : value,
                    format("{} is not a map", stage.what()), "write kind: { ... } below its name");
      stage.steps.emplace_back();
      graph_.stages.push_back(std::move(stage));
      return;
    }
    std::vector<std::pair<const Node*, const Node*>> kinds;
    const Node* steps = nullptr;
    bool unknown = false;
    Node own = value;
    own.entries.clear();
    for (const auto& entry : value.entries) {
      const std::string& name = entry.first.text;
      if (name == "from") {
        stage.from = &entry.second;
      } else if (name == "steps") {
        steps = &entry.second;
      } else if (options_.knows(name)) {
        own.entries.push_back(entry);
      } else if (catalogue_.find(name) != nullptr) {
        kinds.emplace_back(&entry.first, &entry.second);
      } else {
        unknown = true;
        document_.add(entry.first, format("{} has no option \"{}\"", stage.what(), name),
                      suggest(name));
      }
    }
    if (stage.from != nullptr) read_from(stage, *value.find_key("from"), *stage.from);

    if (kinds.size() + (steps != nullptr ? 1 : 0) > 1) {
      const Node* second = steps != nullptr ? kinds.back().first : kinds[1].first;
      document_.add(*second, format("{} has two kinds", stage.what()),
                    "a stage has one kind; put several under steps");
      stage.steps.emplace_back();
    } else if (steps != nullptr) {
      read_steps(stage, *steps);
    } else if (!kinds.empty()) {
      stage.steps.push_back(read_step(*kinds[0].first, *kinds[0].second, stage.what()));
    } else {
      if (!unknown) {
        document_.add(key, format("{} has no kind", stage.what()),
                      "add one, such as filter: ..., or steps; towpath stages lists them");
      }
      stage.steps.emplace_back();
    }
    options_.read(stage, own);
    add_files_stage(stage);
    graph_.stages.push_back(std::move(stage));
  }

  // The merge behind a keyed pool belongs to the planner: its inputs are ports, which `from` has
  // not.
  bool is_planners(const Node& kind, const std::string& what) {
    if (kind.text != "core.merge") return false;
    document_.add(kind, format("{}: \"{}\" can't be written in a pipeline", what, kind.text),
                  "the planner puts it behind a pool of group; to join rows in order, use sort");
    return true;
  }

  GraphStep read_step(const Node& key, const Node& value, const std::string& what) {
    GraphStep step;
    if (is_planners(key, what)) return step;
    step.kind = catalogue_.find(key.text);
    step.key = &key;
    step.value = &value;
    Node placed = value;
    if (placed.kind == Node::Kind::kNull) {
      placed.mark = key.mark;
      placed.length = key.length;
    }
    check_step(step, placed, what);
    return step;
  }

  // Several steps in one process: rows go from one to the next without leaving it.
  void read_steps(GraphStage& stage, const Node& steps) {
    if (steps.kind != Node::Kind::kList || steps.items.empty()) {
      const bool list = steps.kind == Node::Kind::kList;
      document_.add(
          steps.kind == Node::Kind::kNull ? *stage.key : steps,
          format("{}: steps is {}", stage.what(), list ? "an empty list" : "not a list of kinds"),
          "write each as - kind: ...");
      stage.steps.emplace_back();
      return;
    }
    for (size_t i = 0; i < steps.items.size(); ++i) {
      const Node& item = steps.items[i];
      const std::string what = format("{}, step {}", stage.what(), i + 1);
      // `- text.words` alone means no options.
      if (item.kind == Node::Kind::kScalar && catalogue_.find(item.text) != nullptr) {
        stage.steps.push_back(read_bare_step(item, what));
      } else if (item.kind != Node::Kind::kMap || item.entries.size() != 1) {
        document_.add(item, format("{} is not one kind", what), "write - kind: ...");
        stage.steps.emplace_back();
        continue;
      } else if (catalogue_.find(item.entries[0].first.text) == nullptr) {
        const Node& key = item.entries[0].first;
        document_.add(key, format("{}: there is no kind \"{}\"", what, key.text),
                      suggest_name(key.text, kinds(), kAllKinds));
        stage.steps.emplace_back();
        continue;
      } else {
        stage.steps.push_back(read_step(item.entries[0].first, item.entries[0].second, what));
      }
      check_step_place(stage, i, i + 1 == steps.items.size(), what);
    }
  }

  GraphStep read_bare_step(const Node& item, const std::string& what) {
    GraphStep step;
    if (is_planners(item, what)) return step;
    step.kind = catalogue_.find(item.text);
    step.key = step.value = &item;
    Node none = item;
    none.kind = Node::Kind::kNull;
    check_step(step, none, what);
    return step;
  }

  void check_step(GraphStep& step, const Node& value, const std::string& what) {
    const size_t problems = document_.problems().size();
    const StageSpec& spec = step.kind->spec;
    step.values = check_fields(document_, value, spec.fields(), spec.main_field(), what);
    step.broken = document_.problems().size() > problems || value.any_unresolved();
  }

  void check_step_place(const GraphStage& stage, size_t at, bool last, const std::string& what) {
    const GraphStep& step = stage.steps[at];
    const StageSpec& spec = step.kind->spec;
    if (spec.role() != Role::kStage) {
      document_.add(*step.key,
                    format("{}: {} is a {}, which has a process of its own", what, spec.kind(),
                           spec.role() == Role::kSource ? "source" : "sink"),
                    "make it a stage of its own");
    } else if (spec.is_reader() && at > 0) {
      document_.add(
          *step.key,
          format("{}: {} reads files, so it can only be the first step", what, spec.kind()),
          "make it a stage of its own");
    } else if (spec.is_stateful() && !last) {
      document_.add(*step.key,
                    format("{}: {} waits for the end of its input, so it can only be the last step",
                           what, spec.kind()),
                    "put the steps behind it in another stage");
    }
  }

  // A reader that names its files itself: a `files` stage goes before it.
  void add_files_stage(GraphStage& stage) {
    GraphStep& reader = stage.steps.front();
    if (reader.kind == nullptr || !reader.kind->spec.is_reader()) return;
    const StageSpec& spec = reader.kind->spec;
    const Node* path = find_field_node(*reader.value, spec.fields(), spec.main_field(), "path");
    if (stage.from != nullptr) {
      if (path != nullptr) {
        document_.add(*path, format("{} has both from and path", stage.what()),
                      "with from, the files are those its input names");
      }
      return;
    }
    const Object* patterns = reader.values.find("path");
    if (patterns == nullptr) {
      if (path == nullptr) {
        document_.add(*reader.key, format("{} has no path", stage.what()), "add path: FILES");
      }
      return;
    }
    const Catalogue::Entry* files = catalogue_.find("files");
    if (files == nullptr) {
      document_.add(*reader.key,
                    format("{}: there is no kind \"files\" to find its files", stage.what()));
      return;
    }
    GraphStage before;
    before.name = stage.name + ".files";
    before.key = stage.key;
    before.added = true;
    before.start_method = stage.start_method;
    before.env = stage.env;
    GraphStep step;
    step.kind = files;
    step.key = reader.key;
    step.value = path != nullptr ? path : reader.value;
    if (path != nullptr) {
      step.values = check_fields(document_, *path, files->spec.fields(), files->spec.main_field(),
                                 stage.what());
    } else {
      step.values = Object::Map{{"path", *patterns}};  // the reader's default
    }
    before.steps.push_back(std::move(step));
    GraphInput input;
    input.stage = before.name;
    input.at = *stage.key;
    input.from = static_cast<int>(graph_.stages.size());
    stage.inputs.push_back(std::move(input));
    graph_.stages.push_back(std::move(before));
  }

  void read_from(GraphStage& stage, const Node& key, const Node& from) {
    auto add = [&](const Node& at, std::string name) {
      if (at.kind != Node::Kind::kScalar || at.text.empty()) {
        document_.add(at.kind == Node::Kind::kNull ? key : at,
                      format("{}: from takes names of stages", stage.what()), "write from: NAME");
        return;
      }
      GraphInput input;
      const size_t dot = at.text.find('.');
      input.stage = at.text.substr(0, dot);
      if (dot != std::string::npos) input.output = at.text.substr(dot + 1);
      input.name = std::move(name);
      input.at = at;
      for (const GraphInput& other : stage.inputs) {
        if (other.stage == input.stage && other.output == input.output) {
          document_.add(at, format("{} reads \"{}\" twice", stage.what(), at.text), "remove one");
          return;
        }
      }
      stage.inputs.push_back(std::move(input));
    };
    if (from.kind == Node::Kind::kList) {
      for (const Node& item : from.items) add(item, "");
      if (from.items.empty())
        document_.add(from, format("{}: from is empty", stage.what()), "name a stage");
    } else if (from.kind == Node::Kind::kMap) {
      document_.add(key, format("{} has no named inputs", stage.what()),
                    "write from: NAME or from: [A, B]");
      for (const auto& [name, value] : from.entries) add(value, name.text);
    } else {
      add(from, "");
    }
  }

  std::vector<std::string> kinds() const {
    std::vector<std::string> names;
    for (const auto& [kind, entry] : catalogue_.entries()) names.push_back(kind);
    return names;
  }
  // For a key that is neither an option nor a kind.
  std::string suggest(std::string_view key) const {
    std::vector<std::string> options = options_.names();
    options.insert(options.begin(), {"from", "steps"});
    const std::string otherwise = format("options: {}; {}", list_names(options), kAllKinds);
    for (std::string& kind : kinds()) options.push_back(std::move(kind));
    return suggest_name(key, options, otherwise);
  }

  static constexpr const char* kAllKinds = "towpath stages lists all kinds";

  Document& document_;
  const Catalogue& catalogue_;
  Graph& graph_;
  StageOptions options_;
};

}  // namespace

void read_stages(Document& document, const Catalogue& catalogue, const PlanOptions& options,
                 Graph& graph) {
  StageReader(document, catalogue, options, graph).read();
}

}  // namespace towpath
