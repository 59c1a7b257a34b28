#include "towpath/graph/stage_options.h"

#include <algorithm>

#include "towpath/base/format.h"
#include "towpath/config/check.h"
#include "towpath/config/number.h"
#include "towpath/graph/file_options.h"
#include "towpath/graph/names.h"

namespace towpath {
namespace {

constexpr int64_t kMostWorkers = 1024;

// `env` holds texts even where they look like numbers, so it is read as it is written.
Node without_env(const Node& map) {
  Node rest = map;
  std::erase_if(rest.entries, [](const auto& entry) { return entry.first.text == "env"; });
  return rest;
}

// Whether rows can be shared out among several processes of this stage.
bool can_be_pool(const GraphStage& stage) {
  return std::all_of(stage.steps.begin(), stage.steps.end(), [&stage](const GraphStep& step) {
    return step.kind == nullptr ||
           (!step.kind->spec.is_one_worker() &&
            (stage.steps.size() == 1 || step.kind->spec.key_field().empty()));
  });
}

}  // namespace

StageOptions::StageOptions(Document& document, const PlanOptions& options)
    : document_(document), options_(options), fields_(stage_fields()) {}

bool StageOptions::knows(std::string_view name) const {
  return name == "env" ||
         std::any_of(fields_.begin(), fields_.end(),
                     [name](const FieldSpec& field) { return field.name == name; });
}

std::vector<std::string> StageOptions::names() const {
  std::vector<std::string> names;
  for (const FieldSpec& field : fields_) names.push_back(field.name);
  names.emplace_back("env");
  return names;
}

void StageOptions::read_defaults(const Node& defaults) {
  if (defaults.kind == Node::Kind::kNull) return;
  if (defaults.kind != Node::Kind::kMap) {
    document_.add(defaults, "defaults is not a map", "write defaults: { option: value }");
    return;
  }
  defaults_at_ = defaults;
  defaults_ = check_fields(document_, without_env(defaults), fields_, "", "defaults");
}

void StageOptions::read(GraphStage& stage, const Node& own) {
  const Object values = check_fields(document_, without_env(own), fields_, "", stage.what());
  // An option that the stage names itself, even wrongly, is not looked up in the defaults.
  auto find = [&](std::string_view name) {
    return own.find(name) != nullptr ? values.find(name) : defaults_.find(name);
  };
  auto place = [&](std::string_view name) {
    const Node* node = own.find(name);
    return node != nullptr ? node : defaults_at_.find(name);
  };
  if (const Object* method = find("start_method");
      method != nullptr && options_.start_method.empty()) {
    stage.start_method = method->as_string();
  }
  if (const Node* env = place("env")) read_env(stage, *env);
  if (const Object* workers = find("workers")) {
    read_workers(stage, *place("workers"), workers->as_string(), own.find("workers") != nullptr);
  }
}

void StageOptions::read_workers(GraphStage& stage, const Node& at, const std::string& text,
                                bool own) {
  stage.workers_at = at;
  const std::string what = format("{}: workers is {}", own ? stage.what() : "defaults", at.text);
  const Number number = read_number(text);
  if (text == "auto") {
    stage.workers = can_be_pool(stage) ? std::max(1, options_.cpu_count) : 1;
  } else if (number.kind == Number::Kind::kInt && number.integer >= 1 &&
             number.integer <= kMostWorkers) {
    // A default is meant for the stages that can be pools.
    stage.workers = own || can_be_pool(stage) ? static_cast<int>(number.integer) : 1;
  } else if (number.kind == Number::Kind::kInt || number.kind == Number::Kind::kTooLarge) {
    document_.add(at, format("{}; allowed 1 to {}, or auto", what, kMostWorkers),
                  "remove it to use 1");
  } else {
    document_.add(at, format("{}; it takes a number, or auto", what),
                  number.hint.empty() ? "remove it to use 1" : number.hint);
  }
}

void StageOptions::read_env(GraphStage& stage, const Node& at) {
  if (at.kind != Node::Kind::kMap) {
    document_.add(at, format("{}: env is not a map", stage.what()), "write env: { NAME: value }");
    return;
  }
  for (const auto& [name, value] : at.entries) {
    if (name.text.empty() || name.text.find('=') != std::string::npos) {
      document_.add(name,
                    format("{}: \"{}\" can't be the name of a variable", stage.what(), name.text));
    } else if (value.kind != Node::Kind::kScalar) {
      document_.add(value, format("{}: env: {} is not a text", stage.what(), name.text),
                    "write NAME: value");
    } else {
      stage.env.emplace_back(name.text, value.text);
    }
  }
}

void StageOptions::apply_command_line(Graph& graph) {
  const std::string& method = options_.start_method;
  const std::vector<std::string>& methods = start_method_names();
  if (!method.empty() && std::find(methods.begin(), methods.end(), method) == methods.end()) {
    document_.add({{},
                   1,
                   format("--start-method {}: allowed: {}", method, list_names(methods)),
                   suggest_name(method, methods)});
  }
  for (const auto& [name, count] : options_.workers) {
    const int at = graph.find(name);
    const std::string option = format("--workers {}={}", name, count);
    if (at < 0) {
      std::vector<std::string> stages;
      for (const GraphStage& stage : graph.stages) {
        if (!stage.added) stages.push_back(stage.name);
      }
      document_.add({{},
                     1,
                     format("{}: there is no stage \"{}\"", option, name),
                     suggest_name(name, stages, format("stages: {}", list_names(stages)))});
    } else if (count < 1 || count > kMostWorkers) {
      document_.add({{}, 1, format("{}: allowed 1 to {}", option, kMostWorkers), ""});
    } else {
      graph.stages[static_cast<size_t>(at)].workers = static_cast<int>(count);
      graph.stages[static_cast<size_t>(at)].workers_at.reset();
    }
  }
}

}  // namespace towpath
