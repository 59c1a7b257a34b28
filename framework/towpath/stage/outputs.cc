#include "towpath/stage/outputs.h"

#include <algorithm>
#include <numeric>

#include "towpath/base/format.h"
#include "towpath/message/json.h"

namespace towpath {
namespace {

// One value of a row as JSON. Long text is shortened first: a frame of 6 MB is not encoded to be
// thrown away.
void append_value(std::string& out, const Batch& in, int64_t row, size_t index) {
  const Column& column = in.column(index);
  if (column.is_null(row)) {
    out += "null";
  } else if (column.type == Type::kString) {
    append_json_string(out, column.text_at(row).substr(0, kMaxRaw));
  } else if (column.type == Type::kBinary) {
    const std::string_view bytes = column.text_at(row).substr(0, kMaxRaw);
    out += to_json(Object(Object::Binary{std::string(bytes)}));
  } else {
    out += to_json(in.value(row, index));
  }
}

std::string row_as_json(const Batch& in, int64_t row) {
  std::string json = "{";
  for (size_t i = 0; i < in.schema().size() && json.size() <= kMaxRaw; ++i) {
    if (i > 0) json += ',';
    append_json_string(json, in.schema()[i].name);
    json += ':';
    append_value(json, in, row, i);
  }
  json += '}';
  return json;
}

// The first kMaxRaw bytes, without half a UTF-8 character at the end.
std::string_view shortened(std::string_view raw) {
  if (raw.size() <= kMaxRaw) return raw;
  size_t size = kMaxRaw;
  for (int i = 0; i < 3 && (static_cast<unsigned char>(raw[size]) & 0xc0) == 0x80; ++i) --size;
  return raw.substr(0, size);
}

bool is_range(std::span<const int32_t> rows) {
  bool range = true;
  for (size_t i = 1; i < rows.size(); ++i) range &= rows[i] == rows[i - 1] + 1;
  return range;
}

}  // namespace

const Schema& reject_schema() {
  static const Schema schema = {{"stage", Type::kString},  {"file", Type::kString},
                                {"line", Type::kInt},      {"byte", Type::kInt},
                                {"reason", Type::kString}, {"raw", Type::kString}};
  return schema;
}

// ── Output ──

Output::Output(Outputs& owner, int number, Schema schema)
    : owner_(owner),
      number_(number),
      staged_(std::move(schema)),
      index_(staged_.schema()),
      bound_(staged_.schema().size()) {
  const Schema& fields = staged_.schema();
  empty_bytes_ = 256;
  row_bytes_ = 16 + (fields.size() + 7) / 8;  // its origin, and a bit of validity for each column
  for (size_t i = 0; i < fields.size(); ++i) {
    empty_bytes_ +=
        fields[i].name.size() + 32 + size_t{3} * 64;  // its line in the head; buffers are aligned
    if (is_variable(fields[i].type)) {
      row_bytes_ += sizeof(int32_t);
      texts_.push_back(&staged_.column(i));
    } else {
      row_bytes_ += std::max<size_t>(1, value_size(fields[i].type));
    }
  }
}

bool Output::full() const {
  return static_cast<uint64_t>(staged_.rows()) >= owner_.batch_rows_ ||
         staged_bytes() >= kBatchBytes;
}

void Output::cut_if_full() {
  if (!owner_.held_ && full() && staged_.whole()) owner_.cut(*this);
}

int64_t Output::at(const SourcePosition& position) {
  cut_if_full();
  staged_.add_row(position);
  const int64_t number = staged_.rows() - 1;
  cut_if_full();  // the row is whole already if its columns were put first
  return number;
}

int64_t Output::from(int64_t in_row) {
  if (owner_.in_ == nullptr) throw Bug("Output::from() without a batch in process");
  cut_if_full();
  staged_.add_row_from(*owner_.in_, in_row);
  const int64_t number = staged_.rows() - 1;
  cut_if_full();
  return number;
}

int64_t Output::row() {
  cut_if_full();
  staged_.add_row_without_position();
  const int64_t number = staged_.rows() - 1;
  cut_if_full();
  return number;
}

ColumnBuilder& Output::builder(std::string_view name) {
  const int index = index_.find(name);
  return bind(name,
              index < 0 ? std::nullopt : std::optional(schema()[static_cast<size_t>(index)].type));
}

ColumnBuilder& Output::bind(std::string_view name, std::optional<Type> type) {
  const int found = index_.find(name);
  if (found < 0) {
    throw Bug(format("stage \"{}\" writes column \"{}\", which its output does not have: {}",
                     owner_.stage_, name, show_schema(schema())));
  }
  const auto index = static_cast<size_t>(found);
  const Type has = schema()[index].type;
  if (type ? *type != has : !is_variable(has)) {
    throw Bug(format("stage \"{}\" writes column \"{}\" as {}, but it is {}", owner_.stage_, name,
                     type ? type_name(*type) : "text", type_name(has)));
  }
  if (!bound_[index]) {
    bound_[index] = true;
    linked_to_ = nullptr;
  }
  return staged_.column(index);
}

void Output::reset() {
  bound_.assign(bound_.size(), false);
  linked_to_ = nullptr;
  linked_ = Batch();
}

void Output::make_links(const Batch& in) {
  linked_ = in;
  linked_to_ = &in.schema();
  links_.clear();
  for (size_t i = 0; i < in.schema().size(); ++i) {
    const int found = index_.find(in.schema()[i].name);
    if (found < 0) continue;
    const auto to = static_cast<size_t>(found);
    if (bound_[to] || in.schema()[i].type != schema()[to].type) continue;
    links_.push_back({&in.column(i), &staged_.column(to)});
  }
}

// How many of the rows can be staged before the next cut; at least one.
size_t Output::fitting(const Batch& in, std::span<const int32_t> rows) const {
  const uint64_t staged = static_cast<uint64_t>(staged_.rows());
  const uint64_t room = staged < owner_.batch_rows_ ? owner_.batch_rows_ - staged : 1;
  const size_t most = static_cast<size_t>(std::min<uint64_t>(rows.size(), room));
  size_t bytes = staged_bytes();
  const bool a_part_of_in = rows.size() <= static_cast<size_t>(in.rows());
  if (a_part_of_in && bytes + in.bytes() + most * row_bytes_ < kBatchBytes) return most;
  for (size_t i = 0; i < most; ++i) {
    bytes += row_bytes_;
    for (const Link& link : links_) {
      if (link.from->offsets != nullptr) bytes += link.from->text_at(rows[i]).size();
    }
    if (bytes >= kBatchBytes) return i + 1;
  }
  return most;
}

void Output::append(const Batch& in, std::span<const int32_t> rows) {
  staged_.add_rows_from(in, rows);
  if (is_range(rows)) {
    const auto count = static_cast<int64_t>(rows.size());
    for (const Link& link : links_) link.to->append(*link.from, rows.front(), count);
  } else {
    for (const Link& link : links_) link.to->append(*link.from, rows);
  }
}

void Output::forward(const Batch& in, std::span<const int32_t> rows) {
  link(in);
  // The stage puts the other columns for all these rows at once, so they can't be cut apart here.
  const bool together = owner_.held_ || links_.size() < schema().size();
  while (!rows.empty()) {
    cut_if_full();
    size_t count = rows.size();
    if (!together) {
      count = fitting(in, rows);
    } else if (staged_.rows() > 0 && !owner_.held_ && fitting(in, rows) < count &&
               staged_.whole()) {
      owner_.cut(*this);
    }
    append(in, rows.first(count));
    rows = rows.subspan(count);
  }
  cut_if_full();
}

void Output::forward_row(const Batch& in, int64_t row) {
  link(in);
  cut_if_full();
  staged_.add_row_from(in, row);
  for (const Link& link : links_) link.to->append_row(*link.from, row);
  cut_if_full();
}

// ── Outputs ──

Outputs::Outputs(std::string stage, std::vector<Named> outputs, uint64_t batch_rows,
                 BatchConsumer& consumer)
    : stage_(std::move(stage)),
      batch_rows_(std::max<uint64_t>(1, batch_rows)),
      consumer_(consumer),
      rejects_(*this, kRejects, reject_schema()),
      marks_(outputs.size() + 1) {
  for (Named& each : outputs) {
    const int number = static_cast<int>(outputs_.size());
    names_.push_back(std::move(each.name));
    outputs_.emplace_back(new Output(*this, number, std::move(each.schema)));
  }
}

Output& Outputs::operator[](size_t number) {
  if (number >= outputs_.size()) throw Bug(format("stage \"{}\" has no output {}", stage_, number));
  return *outputs_[number];
}

Output& Outputs::operator[](std::string_view name) {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) throw Bug(format("stage \"{}\" has no output \"{}\"", stage_, name));
  return *outputs_[static_cast<size_t>(found - names_.begin())];
}

void Outputs::reject(const Batch& in, int64_t row, std::string_view reason) {
  add_reject(in.position(row), reason, row_as_json(in, row));
  rejected_rows_.push_back(row);
}

void Outputs::reject(const SourcePosition& position, std::string_view raw,
                     std::string_view reason) {
  add_reject(position, reason, raw);
}

void Outputs::add_reject(const SourcePosition& position, std::string_view reason,
                         std::string_view raw) {
  rejects_.at(position);
  BatchBuilder& row = rejects_.staged_;
  row.column(0).put_text(stage_);
  if (position.file.empty()) {
    for (size_t i : {1u, 2u, 3u}) row.column(i).put_null();
  } else {
    row.column(1).put_text(position.file);
    row.column(2).put_int(position.line);
    row.column(3).put_int(position.byte);
  }
  row.column(4).put_text(shortened(reason));
  row.column(5).put_text(shortened(raw));
  ++rejected_;
}

bool Outputs::part_is_due() const {
  return cuts_since_part_ > 0 || rejects_.full() ||
         std::any_of(outputs_.begin(), outputs_.end(),
                     [](const auto& each) { return each->full(); });
}

void Outputs::part(std::string_view cursor) {
  expect(!held_, "part() from within RowStage::row()");
  cut_all();
  consumer_.part(cursor);
  cuts_since_part_ = 0;
}

void Outputs::begin(const Batch& in) {
  begin();
  in_ = &in;
}

void Outputs::begin() {
  in_ = nullptr;
  cuts_since_part_ = 0;
  rejected_rows_.clear();
  for (auto& each : outputs_) each->reset();
}

void Outputs::flush() {
  cut_all();
  begin();
}

void Outputs::cut_all() {
  for (auto& each : outputs_) cut(*each);
  cut(rejects_);
}

void Outputs::cut(Output& output) {
  BatchBuilder& staged = output.staged_;
  if (!staged.whole()) {
    for (size_t i = 0; i < staged.schema().size(); ++i) {
      if (staged.column(i).rows() == staged.rows()) continue;
      throw Bug(format("stage \"{}\" put {} values into column \"{}\" for {} rows", stage_,
                       staged.column(i).rows(), staged.schema()[i].name, staged.rows()));
    }
  }
  if (staged.rows() == 0) return;
  const bool too_long = static_cast<uint64_t>(staged.rows()) > batch_rows_;
  if (too_long || (staged.rows() > 1 && output.staged_bytes() > kImageBytes)) {
    cut_in_pieces(output);
  } else {
    consumer_.consume(output.number_, staged);
    ++cuts_since_part_;
  }
  staged.clear();
}

// What a stage staged by columns, or with one large row at its end, as batches within the limits.
void Outputs::cut_in_pieces(Output& output) {
  const Batch all = output.staged_.to_batch();
  BatchBuilder piece(all.schema());
  std::vector<int32_t> rows;
  for (int64_t first = 0; first < all.rows();) {
    size_t bytes = output.empty_bytes_;
    int64_t count = 0;
    while (first + count < all.rows() && static_cast<uint64_t>(count) < batch_rows_) {
      bytes += output.row_bytes_;
      for (size_t i = 0; i < all.schema().size(); ++i) {
        const Column& column = all.column(i);
        if (column.offsets != nullptr) bytes += column.text_at(first + count).size();
      }
      if (count > 0 && bytes > kImageBytes) break;
      ++count;
    }
    rows.resize(static_cast<size_t>(count));
    std::iota(rows.begin(), rows.end(), static_cast<int32_t>(first));
    piece.add_rows_from(all, rows);
    for (size_t i = 0; i < all.schema().size(); ++i)
      piece.column(i).append(all.column(i), first, count);
    consumer_.consume(output.number_, piece);
    ++cuts_since_part_;
    piece.clear();
    first += count;
  }
}

void Outputs::mark() {
  held_ = true;
  for (size_t i = 0; i < outputs_.size(); ++i) marks_[i] = outputs_[i]->staged_.rows();
  marks_.back() = rejects_.staged_.rows();
}

void Outputs::rollback() {
  expect(held_, "rollback() without mark()");
  for (size_t i = 0; i < outputs_.size(); ++i) outputs_[i]->staged_.truncate(marks_[i]);
  rejected_ -= rejects_.staged_.rows() - marks_.back();
  rejects_.staged_.truncate(marks_.back());
}

void Outputs::release() {
  held_ = false;
  for (auto& each : outputs_) each->cut_if_full();
  rejects_.cut_if_full();
}

}  // namespace towpath
