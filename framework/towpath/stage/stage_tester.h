#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/message/object.h"
#include "towpath/stage/object_rows.h"
#include "towpath/stage/stage.h"

namespace towpath {

// Runs one stage in this process, for its tests: feed rows, see rows and rejects.
//
//   StageTester tester(stage_entry<Filter>(), "filter: qty > 0", {{"qty", Type::kInt}});
//   auto result = tester.run({{{"qty", 0}}, {{"qty", 2}}});
//   REQUIRE(result.rows == StageTester::Rows{{{"qty", 2}}});
//
// What a stage puts out may depend on nothing but its rows. So run() feeds them several times, and
// throws Bug naming the way and the first difference unless all give the same rows, positions and
// rejects:
//   - in batches of 4096, of 7 and of 1;
//   - a stateful stage also with every partition saved, and restored into a fresh stage, after
//     every commit;
//   - a reader also with a death after every part: a fresh stage goes on from in.cursor();
//   - a stage with a key also as a pool of two members, which together must put out the same rows.
//
// Row i of the input comes from line i + 1, byte i of a file "in" (of the second input "in2", and
// so on).
class StageTester {
 public:
  using TestRow = ObjectRow;
  using Rows = ObjectRows;
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
    std::shared_ptr<const std::vector<std::string>> files;
  };

  // `yaml` is the stage's kind and fields as in a pipeline; `input` the columns it reads. The
  // output's columns follow from the spec. Throws Invalid for a wrong field, as `check` would say
  // it; where the fields name a $param, that waits for the first run.
  StageTester(StageEntry entry, std::string_view yaml, Schema input = {},
              std::vector<Schema> more_inputs = {});
  StageTester& param(std::string_view name, Object value);

  Result run(const Rows& rows);                      // stages; also ends the input
  Result run_ports(const std::vector<Rows>& ports);  // a stage of several inputs, one after another
  // Sources: until the end, then again with a fresh source after every read, from its token.
  Result read(uint64_t batch_rows = 4096);
  // Sinks: write, prepare, commit, close. The result holds the rejects.
  Result write(const Rows& rows, uint64_t batch_rows = 4096);
  // The same with an epoch after every batch, and a death behind each: a fresh sink is opened at
  // the position that prepare() gave, and commits.
  Result write_in_epochs(const Rows& rows, uint64_t batch_rows = 4096);
  const Schema& output() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace towpath
