#include "stages/core/merge.h"

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
      .example("core.merge: [day, country]");
}

Merge::Merge(const Settings& settings)
    : key_(settings.input(), RowKey::ascending(settings.get_strings("by"))),
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

TOWPATH_STAGE(Merge)

}  // namespace towpath::core
