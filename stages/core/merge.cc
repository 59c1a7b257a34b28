#include "stages/core/merge.h"

#include <numeric>

#include "stages/core/row_store.h"

namespace towpath::core {

StageSpec Merge::describe() {
  return StageSpec("core.merge")
      .summary("Puts inputs that are each in the order of a key together in that order.")
      .reads("by")
      .field(field("by", FieldKind::kColumns).must().about("The key's columns, ascending."))
      .main_field("by")
      .keeps_input()
      .one_worker()
      .stateful()
      .example("core.merge: [day, country]");
}

Merge::Merge(const Settings& settings)
    : schema_(settings.input()),
      key_(schema_, RowKey::ascending(settings.get_strings("by"))),
      ports_(settings.context().inputs.size()) {}

void Merge::process(const Batch& in, Outputs& out) {
  if (in.rows() == 0) return;
  Port& port = ports_.at(static_cast<size_t>(in.port()));
  port.batches.push_back(own_copy(in));
  if (port.batches.size() == 1) find_head(port);
  put_ready(out.main());
}

bool Merge::finish(int port, Outputs& out) {
  ports_.at(static_cast<size_t>(port)).ended = true;
  put_ready(out.main());
  return false;
}

std::optional<int> Merge::next_port() {
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (!ports_[i].ended && ports_[i].batches.empty()) return static_cast<int>(i);
  }
  return std::nullopt;
}

void Merge::find_head(Port& port) {
  if (port.row == port.batches.front().rows()) {
    port.batches.pop_front();
    port.row = 0;
    if (port.batches.empty()) return;
  }
  key_.bind(port.batches.front());
  port.head.clear();
  key_.append(port.row, port.head);
}

// As long as every input that has not ended shows its next row, the least of them is the next of
// all.
void Merge::put_ready(Output& out) {
  const std::vector<ColumnBuilder*> columns = bind_all(out);
  while (!next_port()) {
    Port* least = nullptr;
    for (Port& port : ports_) {
      if (port.batches.empty()) continue;
      if (least == nullptr || port.head < least->head) least = &port;
    }
    if (least == nullptr) return;
    put_row(least->batches.front(), least->row++, out, columns);
    find_head(*least);
  }
}

uint64_t Merge::state_bytes() const {
  uint64_t bytes = 0;
  for (const Port& port : ports_) {
    for (const Batch& batch : port.batches) bytes += batch.bytes();
  }
  return bytes;
}

// All inputs stand in the first partition: of each, whether it has ended, and the rows that wait.
void Merge::save(int partition, Encoder& out) {
  if (partition != 0) return;
  for (const Port& port : ports_) {
    out.boolean(port.ended);
    RowStore waiting(schema_);
    int64_t first = port.row;
    for (const Batch& batch : port.batches) {
      std::vector<int32_t> rows(static_cast<size_t>(batch.rows() - first));
      std::iota(rows.begin(), rows.end(), static_cast<int32_t>(first));
      waiting.add(batch, rows);
      first = 0;
    }
    waiting.seal();
    std::vector<uint32_t> all(waiting.size());
    std::iota(all.begin(), all.end(), 0u);
    waiting.save(all, out);
  }
}

void Merge::restore(int partition, Decoder& in) {
  if (partition != 0) return;
  for (Port& port : ports_) {
    port.ended = in.boolean();
    RowStore waiting(schema_);
    waiting.load(in);
    waiting.seal();
    port.batches.assign(waiting.batches().begin(), waiting.batches().end());
    port.row = 0;
    if (!port.batches.empty()) find_head(port);
  }
}

TOWPATH_STAGE(Merge)

}  // namespace towpath::core
