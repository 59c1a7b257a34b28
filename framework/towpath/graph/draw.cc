#include "towpath/graph/draw.h"

#include <algorithm>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"

namespace towpath {
namespace {

// A stage as it is drawn: the members of a keyed pool are one.
struct Box {
  const PlanStage* stage = nullptr;
  int processes = 0;
  std::vector<const PlanEdge*> edges;  // to each reader once
};

std::vector<Box> boxes_of(const Plan& plan) {
  std::vector<Box> boxes;
  for (const PlanStage& stage : plan.stages) {
    const bool member = stage.member > 1;
    if (!member) boxes.push_back({&stage, 0, {}});
    Box& box = boxes.back();
    box.processes += stage.workers;
    if (member) continue;
    for (const PlanOutput& output : stage.outputs) {
      for (const int id : output.edges) {
        const PlanEdge& edge = plan.edges[static_cast<size_t>(id)];
        if (plan.stages[static_cast<size_t>(edge.to_stage)].member <= 1) box.edges.push_back(&edge);
      }
    }
  }
  return boxes;
}

std::string kinds_of(const PlanStage& stage) {
  std::string kinds;
  for (const PlanStep& step : stage.steps) kinds += (kinds.empty() ? "" : ", ") + step.kind;
  return kinds;
}

std::string workers_of(const Box& box) {
  std::string text = format("{} worker{}", box.processes, box.processes == 1 ? "" : "s");
  if (box.stage->member > 0) {
    std::string key;
    for (const std::string& column : box.stage->partition_by)
      key += (key.empty() ? "" : ", ") + column;
    text += format(" by {}", key);
  }
  return text;
}

const Schema& schema_of(const Plan& plan, const PlanEdge& edge) {
  const PlanStage& from = plan.stages[static_cast<size_t>(edge.from_stage)];
  return from.outputs[static_cast<size_t>(edge.from_output)].schema;
}

std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result + "\"";
}

}  // namespace

std::string draw_text(const Plan& plan) {
  const std::vector<Box> boxes = boxes_of(plan);
  size_t names = 0, kinds = 0, readers = 0;
  int processes = 0;
  for (const Box& box : boxes) {
    names = std::max(names, box.stage->name.size());
    kinds = std::max(kinds, kinds_of(*box.stage).size());
    processes += box.processes;
    for (const PlanEdge* edge : box.edges) {
      readers = std::max(readers, plan.stages[static_cast<size_t>(edge->to_stage)].name.size());
    }
  }
  std::string text = format("{}: {} stages, {} processes, {} of memory\n", plan.pipeline,
                            plan.written_stages(), processes, show_bytes(plan.memory));
  for (const Box& box : boxes) {
    text += format("{:<{}}  {:<{}}  {}\n", box.stage->name, names, kinds_of(*box.stage), kinds,
                   workers_of(box));
    for (const PlanEdge* edge : box.edges) {
      text += format("  -> {:<{}}  {}\n", plan.stages[static_cast<size_t>(edge->to_stage)].name,
                     readers, show_schema(schema_of(plan, *edge)));
    }
  }
  return text;
}

std::string draw_dot(const Plan& plan) {
  std::string text =
      format("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n", in_quotes(plan.pipeline));
  for (const Box& box : boxes_of(plan)) {
    const PlanStage& stage = *box.stage;
    text += format("  {} [label={}];\n", in_quotes(stage.name),
                   in_quotes(format("{}\n{}\n{}", stage.name, kinds_of(stage), workers_of(box))));
    for (const PlanEdge* edge : box.edges) {
      std::string columns;
      for (const Field& field : schema_of(plan, *edge)) {
        columns +=
            format("{}{}:{}", columns.empty() ? "" : "\n", field.name, type_name(field.type));
      }
      text += format("  {} -> {} [label={}];\n", in_quotes(stage.name),
                     in_quotes(plan.stages[static_cast<size_t>(edge->to_stage)].name),
                     in_quotes(columns));
    }
  }
  return text + "}\n";
}

}  // namespace towpath
