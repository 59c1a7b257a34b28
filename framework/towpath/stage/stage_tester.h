#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "towpath/message/object.h"
#include "towpath/stage/stage.h"

namespace towpath {

// Runs one stage in this process, for its tests: feed rows, see rows and rejects.
//
//   StageTester tester(stage_entry<Filter>(), "filter: qty > 0", {{"qty", Type::kInt}});
//   auto result = tester.run({{{"qty", 0}}, {{"qty", 2}}});
//   REQUIRE(result.rows == Rows{{{"qty", 2}}});
//
// run() feeds the rows in batches of 1, of 7 and of 4096; for a stateful stage also with every
// partition saved and restored into a fresh stage after every batch; and throws Bug naming the size
// unless all give the same.
class StageTester {
 public:
  using TestRow = std::vector<std::pair<std::string, Object>>;
  using Rows = std::vector<TestRow>;
  struct RejectRow {
    std::string file;
    int64_t line, byte;
    std::string reason, raw;
    bool operator==(const RejectRow&) const = default;
  };
  struct Result {
    Rows rows;
    std::vector<RejectRow> rejects;
    std::vector<SourcePosition> positions;  // of `rows`; their `file` views point into `files`
    std::vector<std::string> files;
  };

  // `yaml` is the stage's kind and fields as in a pipeline; `input` the columns it reads. The
  // output's columns follow from the spec. Throws Invalid for a wrong field, as `check` would say
  // it.
  StageTester(StageEntry entry, std::string_view yaml, Schema input = {},
              std::vector<Schema> more_inputs = {});
  StageTester& param(std::string_view name, Object value);

  Result run(const Rows& rows);                      // stages; also ends the input
  Result run_ports(const std::vector<Rows>& ports);  // a stage of several inputs, one after another
  Result read(uint64_t batch_rows = 4096);           // sources: until the end
  void write(const Rows& rows, uint64_t batch_rows = 4096);  // sinks: write, prepare, commit, close
  const Schema& output() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace towpath
