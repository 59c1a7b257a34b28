#include "towpath/graph/planner.h"

#include <catch2/catch.hpp>

#include "graph/catalogue.h"
#include "towpath/graph/draw.h"

using towpath::Object;
using towpath::Plan;
using towpath::PlanOptions;
using towpath::PlanStage;
using towpath::Role;
using towpath::Schema;
using towpath::Type;
using towpath::testing::make_plan;
using towpath::testing::Planned;

namespace {

const std::string kSales = R"(
towpath: 1
pipeline: sales
memory: 512MiB
cores: 4
params: { in: "${env.SALES_DIR:-data}", min_qty: 0 }
stages:
  sales: { csv.read: { path: "${in}/sales-*.csv", types: { qty: int, price: float } } }
  clean:
    from: sales
    workers: auto
    steps:
      - filter: qty > $min_qty and country != ''
      - map:
          total: round(qty * price, 2)
          country: upper(country)
  daily: { from: clean, group: { by: [day, country], orders: count(), revenue: sum(total) }, workers: 2 }
  db:    { from: daily, sqlite.write: { path: out/sales.db, table: daily, mode: replace } }
  csv:   { from: daily, csv.write: out/daily.csv }
max_rejects: 100
)";

Plan sales(PlanOptions options = {}) {
  Planned planned = make_plan(kSales, std::move(options));
  REQUIRE(planned.problems == "");
  return *planned.plan;
}

}  // namespace

TEST_CASE("Planner: the sales pipeline becomes processes in order") {
  const Plan plan = sales();
  CHECK(plan.pipeline == "sales");
  CHECK(plan.config == "conf/a.yaml");
  CHECK(plan.config_text == kSales);
  CHECK(plan.memory == 512ull << 20);
  CHECK(plan.cores == 4);
  CHECK(plan.batch_rows == 65536);
  CHECK(plan.start_method == "forkserver");
  CHECK(plan.max_rejects == 100);

  std::vector<std::string> names;
  for (const PlanStage& stage : plan.stages) {
    names.push_back(stage.name + (stage.member > 0 ? "#" + std::to_string(stage.member) : ""));
  }
  CHECK(names == std::vector<std::string>{"sales.files", "sales", "clean", "daily#1", "daily#2",
                                          "daily.merge", "db", "csv"});
  for (size_t i = 0; i < plan.stages.size(); ++i) CHECK(plan.stages[i].id == static_cast<int>(i));
  CHECK(plan.stages[0].role == Role::kSource);
  CHECK(plan.stages[7].role == Role::kSink);
  CHECK(plan.stages[2].workers == 4);
  CHECK(plan.stages[3].stateful);
  CHECK_FALSE(plan.stages[2].stateful);
  for (const PlanStage& stage : plan.stages) CHECK(stage.sources == std::vector<int>{0});
}

TEST_CASE("Planner: a reader's files are found by a stage of their own") {
  const Plan plan = sales();
  const PlanStage& files = plan.stages[0];
  CHECK(files.steps[0].kind == "files");
  CHECK(files.steps[0].plugin == "lib/test.so");
  CHECK(*files.steps[0].values.find("path") == Object(Object::Array{"data/sales-*.csv"}));
  CHECK(plan.stages[1].steps[0].values.find("path") == nullptr);
  CHECK(plan.stages[1].steps[0].context.inputs ==
        std::vector<Schema>{{{"path", Type::kString}, {"size", Type::kInt}}});
  CHECK(plan.edges[0].from_stage == 0);
  CHECK(plan.edges[0].to_stage == 1);
}

TEST_CASE("Planner: columns are known on every edge") {
  const Plan plan = sales();
  const Schema read = {{"day", Type::kDate},
                       {"country", Type::kString},
                       {"qty", Type::kInt},
                       {"price", Type::kFloat}};
  Schema clean = read;
  clean.push_back({"total", Type::kFloat});
  const Schema daily = {{"day", Type::kDate},
                        {"country", Type::kString},
                        {"orders", Type::kInt},
                        {"revenue", Type::kFloat}};
  CHECK(plan.stages[1].outputs[0].schema == read);
  CHECK(plan.stages[2].outputs[0].schema == clean);
  CHECK(plan.stages[2].steps[1].context.inputs == std::vector<Schema>{read});
  CHECK(plan.stages[2].steps[1].context.output == clean);
  CHECK(plan.stages[3].outputs[0].schema == daily);
  CHECK(plan.stages[6].outputs.empty());
  CHECK(plan.stages[6].steps[0].context.inputs == std::vector<Schema>{daily});
}

TEST_CASE("Planner: a keyed pool is members that own all partitions once and a merge") {
  PlanOptions options;
  options.workers = {{"daily", 5}};
  const Plan plan = sales(options);
  const std::vector<std::string> key = {"day", "country"};
  CHECK(plan.stages[2].outputs[0].partition_by == key);
  CHECK(plan.stages[2].outputs[0].edges.size() == 5);
  uint64_t all = 0;
  for (size_t i = 3; i < 8; ++i) {
    const PlanStage& member = plan.stages[i];
    CHECK(member.name == "daily");
    CHECK(member.member == static_cast<int>(i) - 2);
    CHECK(member.workers == 1);
    CHECK(member.partition_by == key);
    CHECK_FALSE(member.partitions_input);  // the writer has done it
    const uint64_t own = member.steps[0].context.partitions;
    CHECK((all & own) == 0);
    all |= own;
  }
  CHECK(all == ~uint64_t{0});
  const PlanStage& merge = plan.stages[8];
  CHECK(merge.steps[0].kind == "core.merge");
  CHECK(*merge.steps[0].values.find("by") == Object(Object::Array{"day", "country"}));
  REQUIRE(merge.inputs.size() == 5);
  for (size_t i = 0; i < 5; ++i) {
    const towpath::PlanEdge& edge = plan.edges[static_cast<size_t>(merge.inputs[i])];
    CHECK(edge.from_stage == static_cast<int>(i) + 3);
    CHECK(edge.to_port == static_cast<int>(i));
  }
  CHECK(merge.outputs[0].edges.size() == 2);
}

TEST_CASE("Planner: one worker of a keyed stage needs no merge") {
  PlanOptions options;
  options.workers = {{"daily", 1}};
  const Plan plan = sales(options);
  CHECK(plan.stages.size() == 6);
  CHECK(plan.stages[3].member == 0);
  CHECK(plan.stages[2].outputs[0].partition_by.empty());
  CHECK(plan.stages[3].steps[0].context.partitions == ~uint64_t{0});
}

TEST_CASE("Planner: memory is shared out and 32 MiB are enough for eight workers") {
  PlanOptions options;
  options.workers = {{"clean", 8}, {"daily", 8}};
  options.memory = 32 << 20;
  const Plan plan = sales(options);
  // files, sales, clean to its eight members, each member to the merge, the merge to its sinks.
  CHECK(plan.memory_edges == (4 * 2 + 8 * 1) << 20);
  for (const towpath::PlanEdge& edge : plan.edges) {
    const bool to_merge = plan.stages[static_cast<size_t>(edge.to_stage)].name == "daily.merge";
    CHECK(edge.room == (to_merge ? 2u << 20 : 4u << 20));
  }
}

TEST_CASE("Planner: too little memory names the least that works") {
  CHECK(make_plan("towpath: 1\n"
                  "memory: 5MiB\n"
                  "stages:\n"
                  "  a: { csv.read: x.csv }\n"
                  "  b: { from: a, filter: qty > 0, workers: 2 }\n"
                  "  c: { from: b, discard: {} }\n")
            .problems ==
        "conf/a.yaml:2:9: error: memory is 5.0 MiB; this pipeline needs at least 6MiB\n"
        "memory: 5MiB\n"
        "        ^~~~ 2 MiB for each of 3 edges\n");
  PlanOptions options;
  options.memory = 1 << 20;
  CHECK(
      make_plan(kSales, options).problems ==
      "conf/a.yaml: error: memory is 1.0 MiB; this pipeline needs at least 12MiB\n"
      "    2 MiB for each of 4 edges, 1 MiB for each of 2 members of pools, 2 MiB for what stages "
      "keep\n");
}

TEST_CASE("Planner: memory is by default a quarter of the machine's up to 1 GiB") {
  const std::string yaml =
      "towpath: 1\nstages:\n  a: { generate: 5 }\n  out: { from: a, discard: {} }\n";
  PlanOptions options;
  CHECK(make_plan(yaml, options).plan->memory == 1ull << 30);
  options.total_memory = 64ull << 30;
  CHECK(make_plan(yaml, options).plan->memory == 1ull << 30);
  options.total_memory = 2ull << 30;
  CHECK(make_plan(yaml, options).plan->memory == 512ull << 20);
  CHECK(make_plan(yaml, options).plan->pipeline == "a");
}

TEST_CASE("Planner: sources keep the order of the file and fan-in that of from") {
  const Planned planned = make_plan(
      "towpath: 1\n"
      "stages:\n"
      "  out: { from: [b, a], discard: {} }\n"
      "  b: { generate: 5 }\n"
      "  a: { from: c, filter: n > 0 }\n"
      "  c: { generate: 6 }\n");
  REQUIRE(planned.problems == "");
  const Plan& plan = *planned.plan;
  std::vector<std::string> names;
  for (const PlanStage& stage : plan.stages) names.push_back(stage.name);
  CHECK(names == std::vector<std::string>{"b", "c", "a", "out"});
  CHECK(plan.stages[3].sources == std::vector<int>{0, 1});
  CHECK(plan.edges[static_cast<size_t>(plan.stages[3].inputs[0])].from_stage == 0);
  CHECK(plan.edges[static_cast<size_t>(plan.stages[3].inputs[1])].from_stage == 2);
  CHECK(plan.stages[0].steps[0].context.seed != plan.stages[1].steps[0].context.seed);
}

TEST_CASE("Planner: a plan survives encoding") {
  const Plan plan = sales();
  CHECK(towpath::to_bytes(towpath::from_bytes<Plan>(towpath::to_bytes(plan))) ==
        towpath::to_bytes(plan));
}

TEST_CASE("Draw: the text shows workers and columns") {
  CHECK(towpath::draw_text(sales()) ==
        "sales: 5 stages, 11 processes, 512.0 MiB of memory\n"
        "sales.files  files         1 worker\n"
        "  -> sales        path:string, size:int\n"
        "sales        csv.read      1 worker\n"
        "  -> clean        day:date, country:string, qty:int, price:float\n"
        "clean        filter, map   4 workers\n"
        "  -> daily        day:date, country:string, qty:int, price:float, total:float\n"
        "daily        group         2 workers by day, country\n"
        "  -> daily.merge  day:date, country:string, orders:int, revenue:float\n"
        "daily.merge  core.merge    1 worker\n"
        "  -> db           day:date, country:string, orders:int, revenue:float\n"
        "  -> csv          day:date, country:string, orders:int, revenue:float\n"
        "db           sqlite.write  1 worker\n"
        "csv          csv.write     1 worker\n");
}

TEST_CASE("Draw: the DOT form has a box a stage and an arrow an edge") {
  const std::string dot = towpath::draw_dot(sales());
  CHECK(dot.starts_with("digraph \"sales\" {\n  rankdir=LR;\n  node [shape=box];\n"));
  CHECK(dot.find("  \"daily\" [label=\"daily\\ngroup\\n2 workers by day, country\"];\n") !=
        dot.npos);
  CHECK(dot.find("  \"sales.files\" -> \"sales\" [label=\"path:string\\nsize:int\"];\n") !=
        dot.npos);
  CHECK(dot.find("\"daily\" -> \"daily.merge\"") == dot.rfind("\"daily\" -> \"daily.merge\""));
}
