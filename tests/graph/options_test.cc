#include <catch2/catch.hpp>

#include "graph/catalogue.h"

using towpath::Object;
using towpath::PlanOptions;
using towpath::testing::make_plan;
using towpath::testing::Planned;
using towpath::testing::problems_of;

namespace {

const std::string kStages =
    "stages:\n"
    "  a: { csv.read: x.csv }\n"
    "  b: { from: a, filter: qty > 0 }\n"
    "  out: { from: b, discard: {} }\n";

std::string with(const std::string& line, PlanOptions options = {}) {
  return make_plan("towpath: 1\n" + line + "\n" + kStages, std::move(options)).problems;
}

// What is said of a stage `b` with this option.
std::string of_stage(const std::string& option) {
  return problems_of("  a: { csv.read: x.csv }\n  b: { from: a, filter: qty > 0, " + option +
                     " }\n  out: { from: b, discard: {} }\n");
}

bool says(const std::string& problems, const std::string& what) {
  INFO(problems);
  return problems.find("error: " + what + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("Options: the file must be of format 1") {
  CHECK(make_plan(kStages).problems ==
        "conf/a.yaml:1:1: error: the pipeline needs towpath\n"
        "stages:\n"
        "^ add towpath: an integer\n");
  CHECK(says(make_plan("towpath: 2\n" + kStages).problems, "this is Towpath's format 1"));
  CHECK(says(make_plan("towpath: x\n" + kStages).problems,
             "the pipeline: towpath is x; it takes an integer"));
  CHECK(says(make_plan("text\n").problems, "a pipeline is a map"));
  CHECK(says(make_plan("~\n").problems, "the file says nothing"));
}

TEST_CASE("Options: each of the pipeline's is checked for type and range") {
  CHECK(with("pipeline: sales-2") == "");
  CHECK(says(with("pipeline: a b"), "\"a b\" can't be the name of a pipeline"));
  CHECK(says(with("pipeline: " + std::string(101, 'a')),
             "the name has 101 bytes; a pipeline's may have 100"));
  CHECK(says(with("pipeline: [a]"), "the pipeline: pipeline is a list; it takes a text"));
  CHECK(says(with("memory: lots"),
             "the pipeline: memory: \"lots\" is not a size; write bytes, or a number with KiB, MiB "
             "or GiB"));
  CHECK(says(with("memory: 1KiB"), "the pipeline: memory is 1KiB; allowed 1.0 MiB to 1.0 TiB"));
  CHECK(
      says(with("memory: 1025GiB"), "the pipeline: memory is 1025GiB; allowed 1.0 MiB to 1.0 TiB"));
  CHECK(says(with("cores: many"), "the pipeline: cores is many; it takes an integer"));
  CHECK(says(with("cores: 0"), "the pipeline: cores is 0; allowed 1 to 4096"));
  CHECK(says(with("cores: 4097"), "the pipeline: cores is 4097; allowed 1 to 4096"));
  CHECK(says(with("seed: x"), "the pipeline: seed is x; it takes an integer"));
  CHECK(says(with("seed: -1"), "the pipeline: seed is -1; allowed 0 to 9007199254740992"));
  CHECK(says(with("seed: 9223372036854775808"),
             "the pipeline: seed is 9223372036854775808, which is too large"));
  CHECK(says(with("batch_rows: some"), "the pipeline: batch_rows is some; it takes an integer"));
  CHECK(says(with("batch_rows: 0"), "the pipeline: batch_rows is 0; allowed 1 to 1048576"));
  CHECK(says(with("batch_rows: 1048577"),
             "the pipeline: batch_rows is 1048577; allowed 1 to 1048576"));
  CHECK(says(with("max_rejects: few"), "max_rejects is few; it takes a count of rows"));
  CHECK(says(with("max_rejects: -1"), "max_rejects is -1; it takes a count of rows"));
  CHECK(says(with("max_rejects: 99999999999999999999"),
             "max_rejects is 99999999999999999999; it takes a count of rows"));
  CHECK(says(with("max_rejects: 1%"),
             "max_rejects is 1%; only a count of rows is supported, not a share"));
  CHECK(says(with("defaults: x"), "defaults is not a map"));
  CHECK(says(with("defaults: { attempts: 3 }"), "defaults has no option \"attempts\""));
  CHECK(says(with("params: x"), "params is not a map"));
  CHECK(says(make_plan("towpath: 1\nstages: []\n").problems, "stages is not a map of stages"));
}

TEST_CASE("Options: each of a stage is checked for type and range") {
  CHECK(of_stage("workers: 4") == "");
  CHECK(of_stage("workers: auto") == "");
  CHECK(
      says(of_stage("workers: many"), "stage \"b\": workers is many; it takes a number, or auto"));
  CHECK(says(of_stage("workers: 0"), "stage \"b\": workers is 0; allowed 1 to 1024, or auto"));
  CHECK(
      says(of_stage("workers: 1025"), "stage \"b\": workers is 1025; allowed 1 to 1024, or auto"));
  CHECK(says(of_stage("workers: 010"), "stage \"b\": workers is 010; it takes a number, or auto"));
  CHECK(of_stage("order: input") == "");
  CHECK(says(of_stage("order: any"), "stage \"b\": order is any; allowed: input"));
  CHECK(of_stage("start_method: spawn") == "");
  CHECK(says(of_stage("start_method: spwan"),
             "stage \"b\": start_method is spwan; allowed: forkserver, spawn, fork"));
  CHECK(of_stage("env: { LANG: C, N: 010 }") == "");
  CHECK(says(of_stage("env: x"), "stage \"b\": env is not a map"));
  CHECK(says(of_stage("env: { A: [b] }"), "stage \"b\": env: A is not a text"));
  CHECK(says(of_stage("env: { A=B: c }"), "stage \"b\": \"A=B\" can't be the name of a variable"));
  CHECK(says(problems_of("  a b: { generate: 5 }\n"), "\"a b\" can't be the name of a stage"));
}

TEST_CASE("Options: more than one worker needs a stage that can be shared out") {
  const std::string problems = problems_of(
      "  a: { generate: 5, workers: 2 }\n"
      "  b: { from: a, sort: n, workers: 2 }\n"
      "  c: { from: b, filter: n > 0 }\n"
      "  d: { from: c, steps: [ { filter: n > 0 }, { group: { by: n, k: count() } } ], workers: 2 "
      "}\n"
      "  e: { from: c, group: { by: n, k: count() }, workers: 65 }\n"
      "  x: { from: d, discard: {}, workers: 2 }\n"
      "  y: { from: e, discard: {} }\n");
  CHECK(says(problems,
             "stage \"a\" can't have 2 workers: generate is a source, which reads in one process"));
  CHECK(says(problems, "stage \"b\" can't have 2 workers: sort must see all rows in one process"));
  CHECK(says(problems,
             "stage \"d\" can't have 2 workers: group shares out its rows by key, which it can't "
             "do behind "
             "other steps"));
  CHECK(says(problems, "stage \"e\" can't have 65 workers: group shares out 64 partitions"));
  CHECK(says(problems,
             "stage \"x\" can't have 2 workers: discard is a sink, which writes in one process"));
}

TEST_CASE("Options: defaults hold for stages that do not say otherwise") {
  const Planned planned = make_plan(
      "towpath: 1\n"
      "defaults: { start_method: spawn, workers: auto, env: { LANG: C } }\n"
      "stages:\n"
      "  a: { csv.read: x.csv, workers: 1 }\n"
      "  b: { from: a, filter: qty > 0, start_method: fork, env: { LANG: de } }\n"
      "  c: { from: b, sort: qty }\n"
      "  out: { from: c, discard: {} }\n");
  REQUIRE(planned.problems == "");
  const auto& stages = planned.plan->stages;
  CHECK(stages[1].workers == 1);
  CHECK(stages[1].start_method == "spawn");
  CHECK(stages[2].workers == 4);
  CHECK(stages[2].start_method == "fork");
  CHECK(stages[2].env[0].second == "de");
  CHECK(stages[3].workers == 1);
  CHECK(stages[0].start_method == "spawn");
  CHECK(stages[3].env[0].second == "C");
}

TEST_CASE("Options: a default number of workers is for stages that can be pools") {
  const Planned planned = make_plan(
      "towpath: 1\n"
      "defaults: { workers: 3 }\n"
      "stages:\n"
      "  a: { generate: 5 }\n"
      "  b: { from: a, filter: n > 0 }\n"
      "  c: { from: b, sort: n }\n"
      "  out: { from: c, discard: {} }\n");
  REQUIRE(planned.problems == "");
  CHECK(planned.plan->stages[0].workers == 1);
  CHECK(planned.plan->stages[1].workers == 3);
  CHECK(planned.plan->stages[2].workers == 1);
  CHECK(planned.plan->stages[3].workers == 1);
  CHECK(
      says(with("defaults: { workers: 0 }"), "defaults: workers is 0; allowed 1 to 1024, or auto"));
}

TEST_CASE("Options: the command line goes before the file") {
  PlanOptions options;
  options.start_method = "spawn";
  options.memory = 64 << 20;
  options.batch_rows = 7;
  options.seed = 9;
  options.workers = {{"b", 3}};
  const Planned planned = make_plan(
      "towpath: 1\nmemory: 1GiB\nbatch_rows: 100\nseed: 3\n"
      "stages:\n"
      "  a: { csv.read: x.csv }\n"
      "  b: { from: a, filter: qty > 0, workers: 2, start_method: fork }\n"
      "  out: { from: b, discard: {} }\n",
      options);
  REQUIRE(planned.problems == "");
  CHECK(planned.plan->start_method == "spawn");
  CHECK(planned.plan->stages[2].start_method.empty());
  CHECK(planned.plan->stages[2].workers == 3);
  CHECK(planned.plan->memory == 64 << 20);
  CHECK(planned.plan->batch_rows == 7);
  CHECK(planned.plan->seed == 9);
}

TEST_CASE("Options: wrong ones of the command line are problems without a line") {
  PlanOptions options;
  options.workers = {{"bb", 3}, {"out", 2}, {"b", 0}};
  options.set = {{"x", "1"}};
  options.batch_rows = 0;
  options.memory = 2ull << 40;
  options.start_method = "spwan";
  CHECK(with("", options) ==
        "conf/a.yaml: error: --set x=1: the pipeline has no param \"x\"\n"
        "    it has no params\n"
        "conf/a.yaml: error: --memory 2.0 TiB: allowed 1.0 MiB to 1.0 TiB\n"
        "conf/a.yaml: error: --batch-rows 0: allowed 1 to 1048576\n"
        "conf/a.yaml: error: --start-method spwan: allowed: forkserver, spawn, fork\n"
        "    did you mean \"spawn\"?\n"
        "conf/a.yaml: error: --workers bb=3: there is no stage \"bb\"\n"
        "    did you mean \"b\"?\n"
        "conf/a.yaml: error: --workers b=0: allowed 1 to 1024\n"
        "conf/a.yaml: error: --workers out=2: stage \"out\" can't have 2 workers: discard is a "
        "sink, which "
        "writes in one process\n");
}

TEST_CASE("Params: defaults, the environment, the file's folder and --set") {
  PlanOptions options;
  options.env = [](std::string_view name) -> std::optional<std::string> {
    if (name == "DIR") return "data";
    return std::nullopt;
  };
  options.set = {{"n", "12"}, {"f", "3"}, {"must", "yes"}};
  const Planned planned = make_plan(
      "towpath: 1\n"
      "params: { in: \"${env.DIR}\", file: \"${in}/x\", n: 5, f: 0.5, s: '5', b: true, must:, d: "
      "\"${env.X:-7}\" }\n"
      "stages:\n"
      "  a: { csv.read: \"${file}-${n}.csv\" }\n"
      "  b: { from: a, filter: qty > $n and $b and $s == '5' }\n"
      "  out: { from: b, csv.write: \"${here}/out-${must}.csv\" }\n",
      options);
  REQUIRE(planned.problems == "");
  const auto& params = planned.plan->params;
  CHECK(params == std::vector<std::pair<std::string, Object>>{{"in", "data"},
                                                              {"file", "data/x"},
                                                              {"n", 12},
                                                              {"f", 3.0},
                                                              {"s", "5"},
                                                              {"b", true},
                                                              {"must", "yes"},
                                                              {"d", 7}});
  CHECK(*planned.plan->stages[0].steps[0].values.find("path") ==
        Object(Object::Array{"data/x-12.csv"}));
  CHECK(*planned.plan->stages[3].steps[0].values.find("path") == Object("conf/out-yes.csv"));
}

TEST_CASE("Params: a missing one or a wrong one is a problem") {
  PlanOptions options;
  options.set = {{"n", "many"}, {"m", "1"}};
  CHECK(make_plan("towpath: 1\n"
                  "params:\n"
                  "  n: 5\n"
                  "  must:\n"
                  "  list: [a]\n"
                  "  here: x\n"
                  "  octal: 010\n"
                  "stages:\n"
                  "  a: { csv.read: \"${inn}/x\" }\n"
                  "  b: { from: a, filter: qty > 0 }\n"
                  "  out: { from: b, discard: {} }\n",
                  options)
            .problems ==
        "conf/a.yaml: error: --set n=many: the param is of type int\n"
        "    its default is 5\n"
        "conf/a.yaml: error: --set m=1: the pipeline has no param \"m\"\n"
        "    did you mean \"n\"?\n"
        "conf/a.yaml:4:3: error: param \"must\" has no value\n"
        "  must:\n"
        "  ^~~~ give one with --set must=VALUE\n"
        "conf/a.yaml:5:9: error: param \"list\" is not a single value\n"
        "  list: [a]\n"
        "        ^ a param is a text, a number, true or false\n"
        "conf/a.yaml:6:3: error: \"here\" can't be the name of a param\n"
        "  here: x\n"
        "  ^~~~ use letters, digits and _; here and env are taken\n"
        "conf/a.yaml:7:10: error: param \"octal\" is 010, which is not a decimal number\n"
        "  octal: 010\n"
        "         ^~~ write 10, or quote it to make it text\n"
        "conf/a.yaml:9:19: error: no param \"inn\"\n"
        "  a: { csv.read: \"${inn}/x\" }\n"
        "                  ^~~~~~ declare it under params\n");
}

TEST_CASE("Params: an expression with an unknown one is a problem at its place") {
  const std::string problems = problems_of(
      "  a: { csv.read: x.csv }\n"
      "  b: { from: a, filter: qty > $min }\n"
      "  out: { from: b, discard: {} }\n");
  CHECK(problems.find("conf/a.yaml:4:31: error: stage \"b\": ") != std::string::npos);
}

TEST_CASE("Options: the merge behind a keyed pool can't be written") {
  const std::string problems = problems_of(
      "  a: { generate: 5 }\n"
      "  b: { from: a, core.merge: n }\n"
      "  c: { from: b, discard: {} }\n");
  CHECK(says(problems, "stage \"b\": \"core.merge\" can't be written in a pipeline"));
}
