#include "towpath/view/ledger_view.h"

#include <catch2/catch.hpp>

#include "towpath/message/json.h"

using namespace towpath;

namespace {

Snapshot example() {
  Snapshot ledger;
  ledger.run = "id-1";
  ledger.status = "done";
  StageSnapshot clean;
  clean.name = "clean";
  clean.workers = 2;
  clean.restarts = 1;
  clean.leases = 17;
  clean.in = 1000;
  clean.out = 900;
  clean.filtered = 98;
  clean.rejected = 2;
  clean.counts_filtered = true;
  clean.bytes = 2048;
  clean.state = 4096;
  ledger.stages.push_back(clean);
  return ledger;
}

}  // namespace

TEST_CASE("Ledger view: every stage is a line and numbers stand in columns") {
  CHECK(
      show_ledger(example()) ==
      "  stage  workers  restarts  leases     in  out  filtered  rejected    bytes    state  busy\n"
      "  clean        2         1      17  1,000  900        98         2  2.0 KiB  4.0 KiB  "
      "0.0s\n");
}

TEST_CASE("Ledger view: a stage that does not keep rows apart shows no filtered count") {
  Snapshot ledger = example();
  ledger.stages[0].counts_filtered = false;
  CHECK_THAT(show_ledger(ledger), Catch::Contains("  900         -  "));
}

TEST_CASE("Ledger view: the JSON object has run and status and a row for each stage") {
  const Object object = from_json(to_json(ledger_object(example())));
  CHECK(object.find("run")->as_string() == "id-1");
  const Object& stage = object.find("stages")->as_array().at(0);
  CHECK(stage.find("in")->as_int() == stage.find("out")->as_int() +
                                          stage.find("filtered")->as_int() +
                                          stage.find("rejected")->as_int());
}
