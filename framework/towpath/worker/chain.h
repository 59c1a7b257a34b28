#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "towpath/stage/stage.h"
#include "towpath/stage/step.h"
#include "towpath/worker/protocol.h"

namespace towpath {

// The steps of one stage, run one behind the other in this process: what a step puts out is at once
// the next one's input, in private memory. One lease for the whole chain; rows are counted and
// rejected per step.
class Chain {
 public:
  // `last` takes the batches of the last step, the rejects of all, and the parts that the first
  // step names. Makes the steps; what a constructor throws comes out.
  Chain(const std::string& stage, const std::vector<Step>& steps,
        const std::vector<Outputs::Named>& outputs, BatchConsumer& last);
  ~Chain();
  Chain(const Chain&) = delete;

  // `token`: of a source, where it goes on; of a sink, where its output is cut back to.
  void open(Services& services, std::optional<std::string_view> token);
  // One batch through all steps; `rows_in` of them belong to this worker.
  void process(const Batch& in, int64_t rows_in);
  // The input of `port` has ended: flushes step after step. True: call again.
  bool finish(int port);
  Source::Read read();
  int wait_fd() const;  // of the source
  // What its stages keep, into a file that is on the disk then; and back, before the first batch.
  void save(const std::string& path);
  void restore(const std::string& path);
  std::string prepare(uint64_t epoch);
  void apply(uint64_t epoch);
  void commit(uint64_t epoch);
  void close();
  void discard();

  std::optional<int> next_port();
  uint64_t state_bytes() const;  // of all steps together
  // Per step, since the last call.
  std::vector<StepCounts> take_counts();

 private:
  class Link;
  void flush_from(size_t step);

  std::vector<std::unique_ptr<Link>> links_;
  BatchConsumer& last_;
  size_t finishing_ = 0;  // the step whose finish() comes next
};

}  // namespace towpath
