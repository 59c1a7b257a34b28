#include <algorithm>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/config/check.h"
#include "towpath/config/number.h"
#include "towpath/graph/graph.h"

// The file's options and stages, each looked at by itself.

namespace towpath {
namespace {

constexpr int64_t kMaxWorkers = 1024;
constexpr uint64_t kDefaultBatchRows = 65536;

// Options of the whole pipeline that hold one value each. `params`, `defaults` and `stages` are
// read apart.
std::vector<FieldSpec> pipeline_fields() {
  return {
      field("towpath", FieldKind::kInt).must(),
      field("pipeline", FieldKind::kString),
      field("memory", FieldKind::kBytes).range(1 << 20, 1ull << 50),
      field("cores", FieldKind::kInt).range(1, 4096),
      field("max_rejects", FieldKind::kString).default_value("0"),
      field("seed", FieldKind::kInt).range(0, 9007199254740992).default_value("0"),
      field("batch_rows", FieldKind::kInt).range(1, 1 << 20).default_value("65536"),
  };
}
const std::vector<std::string> kPipelineParts = {"params", "defaults", "stages"};

// Options of a stage, which `defaults` may set for all. A stage's own are `from`, `steps` and its
// kind.
std::vector<FieldSpec> stage_fields() {
  return {
      field("workers", FieldKind::kString),
      choice_field("order", {"input"}),
      choice_field("start_method", {"forkserver", "spawn", "fork"}),
      field("env", FieldKind::kAny),
  };
}
const std::vector<std::string> kStageParts = {"from", "steps"};

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}
bool has(const std::vector<FieldSpec>& fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(),
                     [name](const FieldSpec& field) { return field.name == name; });
}
std::vector<std::string> names_of(const std::vector<FieldSpec>& fields,
                                  const std::vector<std::string>& more) {
  std::vector<std::string> names = more;
  for (const FieldSpec& field : fields) names.push_back(field.name);
  return names;
}

constexpr std::string_view kNameBytes =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

std::string stem_of(std::string_view path) {
  path = path.substr(path.rfind('/') + 1);
  path = path.substr(0, path.find('.'));
  std::string stem(path);
  for (char& c : stem) {
    if (kNameBytes.find(c) == kNameBytes.npos) c = '_';
  }
  return stem.empty() ? "pipeline" : stem;
}

class StageReader {
 public:
  StageReader(Document& document, const Catalogue& catalogue, const PlanOptions& options)
      : document_(document), catalogue_(catalogue), options_(options) {}

  Graph read() {
    read_pipeline();
    if (const Node* defaults = document_.root().find("defaults")) read_defaults(*defaults);
    const Node* stages = document_.root().find("stages");
    if (stages == nullptr) {
      document_.add(document_.root(), "the pipeline has no stages", "add stages:");
    } else if (stages->kind != Node::Kind::kMap || stages->entries.empty()) {
      document_.add(*stages, "stages is not a map of stages", "write a stage as name: { ... }");
    } else {
      for (const auto& [key, value] : stages->entries) read_stage(key, value);
      apply_worker_options();
    }
    return std::move(graph_);
  }

 private:
  // ── the pipeline's own options ──

  void read_pipeline() {
    const Node& root = document_.root();
    const std::vector<FieldSpec> fields = pipeline_fields();
    Node own = root;
    own.entries.clear();
    for (const auto& entry : root.entries) {
      if (has(fields, entry.first.text)) {
        own.entries.push_back(entry);
      } else if (!has(kPipelineParts, entry.first.text)) {
        const std::vector<std::string> names = names_of(fields, kPipelineParts);
        document_.add(entry.first, format("the pipeline has no option \"{}\"", entry.first.text),
                      suggest_name(entry.first.text, names, format("known: {}", list(names))));
      }
    }
    const Object values = check_fields(document_, own, fields, "", "the pipeline");
    if (const Object* version = values.find("towpath");
        version != nullptr && *version != Object(1)) {
      document_.add(*own.find("towpath"), "this is Towpath's format 1", "write towpath: 1");
    }
    const Object* name = values.find("pipeline");
    graph_.pipeline = name != nullptr ? name->as_string() : stem_of(document_.path());
    if (name != nullptr) check_name(*own.find("pipeline"), graph_.pipeline, "a pipeline");

    const uint64_t quarter = options_.total_memory / 4;
    graph_.memory = quarter == 0 ? 1ull << 30 : std::min<uint64_t>(1ull << 30, quarter);
    if (const Object* memory = values.find("memory")) {
      graph_.memory = memory->as_uint();
      graph_.memory_at = *own.find("memory");
    }
    if (options_.memory) {
      graph_.memory = *options_.memory;
      graph_.memory_at.reset();
    }
    const Object* cores = values.find("cores");
    graph_.cores = cores != nullptr ? static_cast<int>(cores->as_int()) : options_.cpu_count;
    const Object* seed = values.find("seed");
    graph_.seed = options_.seed ? *options_.seed : seed != nullptr ? seed->as_uint() : 0;
    const Object* rows = values.find("batch_rows");
    graph_.batch_rows = options_.batch_rows ? *options_.batch_rows
                        : rows != nullptr   ? rows->as_uint()
                                            : kDefaultBatchRows;
    if (options_.batch_rows && (graph_.batch_rows < 1 || graph_.batch_rows > 1 << 20)) {
      report_option(format("--batch-rows {}: allowed 1 to {}", graph_.batch_rows, 1 << 20));
    }
    if (const Object* rejects = values.find("max_rejects")) {
      read_max_rejects(own.find("max_rejects"), rejects->as_string());
    }
  }

  void read_max_rejects(const Node* at, const std::string& text) {
    const Number number = read_number(text);
    if (number.kind == Number::Kind::kInt && number.integer >= 0) {
      graph_.max_rejects = static_cast<uint64_t>(number.integer);
    } else if (text.ends_with('%')) {
      document_.add(
          *at, format("max_rejects is {}; only a count of rows is supported, not a share", text),
          "write a number, such as 100");
    } else {
      document_.add(*at, format("max_rejects is {}; it takes a count of rows", text),
                    number.hint.empty() ? "remove it to use 0" : number.hint);
    }
  }

  // What a stage does not say itself.
  void read_defaults(const Node& defaults) {
    if (defaults.kind != Node::Kind::kMap) {
      if (defaults.kind != Node::Kind::kNull) {
        document_.add(defaults, "defaults is not a map", "write defaults: { option: value }");
      }
      return;
    }
    defaults_ = check_fields(document_, defaults, stage_fields(), "", "defaults");
    defaults_at_ = defaults;
  }

  // ── one stage ──

  void read_stage(const Node& key, const Node& value) {
    GraphStage stage;
    stage.name = key.text;
    stage.key = &key;
    check_name(key, key.text, "a stage");
    if (value.kind != Node::Kind::kMap) {
      document_.add(value.kind == Node::Kind::kNull ? key : value,
                    format("{} is not a map", stage.what()), "write kind: { ... } below its name");
      stage.steps.emplace_back();
      graph_.stages.push_back(std::move(stage));
      return;
    }
    const std::vector<FieldSpec> fields = stage_fields();
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
      } else if (has(fields, name)) {
        own.entries.push_back(entry);
      } else if (catalogue_.find(name) != nullptr) {
        kinds.emplace_back(&entry.first, &entry.second);
      } else {
        unknown = true;
        document_.add(entry.first, format("{} has no option \"{}\"", stage.what(), name),
                      suggest_kind(name, names_of(fields, kStageParts)));
      }
    }
    if (stage.from != nullptr) read_from(stage, *value.find_key("from"), *stage.from);
    read_options(stage, own, fields);

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
    add_files_stage(stage);
    graph_.stages.push_back(std::move(stage));
  }

  GraphStep read_step(const Node& key, const Node& value, const std::string& what) {
    GraphStep step;
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
      document_.add(steps, format("{}: steps is not a list of kinds", stage.what()),
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
                      suggest_kind(key.text, {}));
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
    step.broken = document_.problems().size() > problems;
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

  // ── a stage's options ──

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

  void read_options(GraphStage& stage, const Node& own, const std::vector<FieldSpec>& fields) {
    const Object values = check_fields(document_, own, fields, "", stage.what());
    auto find = [&](std::string_view name, Node& at) -> const Object* {
      if (const Node* node = own.find(name)) {
        at = *node;
        return values.find(name);
      }
      const Node* node = defaults_at_ ? defaults_at_->find(name) : nullptr;
      if (node != nullptr) at = *node;
      return defaults_.find(name);
    };
    Node at;
    if (const Object* method = find("start_method", at);
        method != nullptr && options_.start_method.empty()) {
      stage.start_method = method->as_string();
    }
    if (const Object* env = find("env", at)) read_env(stage, at, *env);
    if (const Object* workers = find("workers", at)) {
      stage.workers_at = at;
      if (workers->as_string() == "auto") {
        stage.workers = kAuto;
        return;
      }
      const Number number = read_number(workers->as_string());
      if (number.kind == Number::Kind::kInt && number.integer >= 1 &&
          number.integer <= kMaxWorkers) {
        stage.workers = static_cast<int>(number.integer);
      } else if (number.kind == Number::Kind::kInt || number.kind == Number::Kind::kTooLarge) {
        document_.add(at,
                      format("{}: workers is {}; allowed 1 to {}, or auto", stage.what(), at.text,
                             kMaxWorkers),
                      "remove it to use 1");
      } else {
        document_.add(
            at, format("{}: workers is {}; it takes a number, or auto", stage.what(), at.text),
            number.hint.empty() ? "remove it to use 1" : number.hint);
      }
    }
  }

  void read_env(GraphStage& stage, const Node& at, const Object& env) {
    if (!env.is_map()) {
      document_.add(at, format("{}: env is not a map", stage.what()), "write env: { NAME: value }");
      return;
    }
    for (const auto& [name, value] : at.entries) {
      if (name.text.empty() || name.text.find('=') != std::string::npos) {
        document_.add(
            name, format("{}: \"{}\" can't be the name of a variable", stage.what(), name.text));
      } else if (value.kind != Node::Kind::kScalar) {
        document_.add(value, format("{}: env: {} is not a text", stage.what(), name.text),
                      "write NAME: value");
      } else {
        stage.env.emplace_back(name.text, value.text);
      }
    }
  }

  // --workers STAGE=N, then what auto means: cores for a pool, one process for a stage that can't
  // be one.
  void apply_worker_options() {
    for (const auto& [name, count] : options_.workers) {
      const int at = graph_.find(name);
      if (at < 0) {
        std::vector<std::string> names;
        for (const GraphStage& stage : graph_.stages) {
          if (!stage.added) names.push_back(stage.name);
        }
        report_option(format("--workers {}={}: there is no stage \"{}\"", name, count, name),
                      suggest_name(name, names, format("stages: {}", list(names))));
      } else if (count < 1 || count > kMaxWorkers) {
        report_option(format("--workers {}={}: allowed 1 to {}", name, count, kMaxWorkers));
      } else {
        graph_.stages[static_cast<size_t>(at)].workers = static_cast<int>(count);
        graph_.stages[static_cast<size_t>(at)].workers_at.reset();
      }
    }
    for (GraphStage& stage : graph_.stages) {
      if (stage.workers != kAuto) continue;
      const bool one =
          std::any_of(stage.steps.begin(), stage.steps.end(), [&](const GraphStep& step) {
            return step.kind != nullptr &&
                   (step.kind->spec.is_one_worker() ||
                    (stage.steps.size() > 1 && !step.kind->spec.key_field().empty()));
          });
      stage.workers = one ? 1 : std::max(1, options_.cpu_count);
    }
  }

  // ── helpers ──

  static constexpr int kAuto = 0;

  void report_option(std::string message, std::string hint = "") {
    document_.add({{}, 1, std::move(message), std::move(hint)});
  }
  void check_name(const Node& at, std::string_view name, std::string_view what) {
    if (!name.empty() && name.find_first_not_of(kNameBytes) == name.npos) return;
    document_.add(at, format("\"{}\" can't be the name of {}", name, what),
                  "use letters, digits, _ and -");
  }
  std::string suggest_kind(std::string_view word, std::vector<std::string> names) const {
    for (const auto& [kind, entry] : catalogue_.entries()) names.push_back(kind);
    return suggest_name(word, names, "towpath stages lists all kinds");
  }
  static std::string list(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

  Document& document_;
  const Catalogue& catalogue_;
  const PlanOptions& options_;
  Graph graph_;
  Object defaults_;
  std::optional<Node> defaults_at_;
};

}  // namespace

Graph read_stages(Document& document, const Catalogue& catalogue, const PlanOptions& options) {
  return StageReader(document, catalogue, options).read();
}

}  // namespace towpath
