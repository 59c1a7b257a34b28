#pragma once
#include <deque>
#include <string>
#include <vector>

#include "stages/core/row_key.h"
#include "towpath/stage/stage.h"

namespace towpath::core {

// Puts several inputs, each in the order of its key, together into one in that order. The planner
// puts it behind the members of a keyed pool; of equal keys, those of the first input come first.
//
// It asks for the input whose next row it needs, so it holds little more than a batch of each.
class Merge final : public Stage, public Stateful {
 public:
  static StageSpec describe();
  explicit Merge(const Settings& settings);
  void process(const Batch& in, Outputs& out) override;
  bool finish(int port, Outputs& out) override;
  std::optional<int> next_port() override;
  uint64_t state_bytes() const override;
  void save(int partition, Encoder& out) override;
  void restore(int partition, Decoder& in) override;

 private:
  struct Port {
    std::deque<Batch> batches;
    int64_t row = 0;   // the next one, in the first batch
    std::string head;  // its key
    bool ended = false;
  };
  void find_head(Port& port);
  void put_ready(Output& out);

  const Schema schema_;
  RowKey key_;
  std::vector<Port> ports_;
};

}  // namespace towpath::core
