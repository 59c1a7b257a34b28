#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>

#include "towpath/base/error.h"
#include "towpath/message/batch_data.h"
#include "towpath/message/codec.h"

namespace towpath {
namespace {

constexpr size_t kAlignment = 64;
constexpr int64_t kMaxDifference = std::numeric_limits<uint32_t>::max();
// Where positions are counted from is rounded down to a multiple of this, so that rows in any order
// share it.
constexpr int64_t kBaseStep = int64_t{1} << 31;

size_t aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

bool reaches(int64_t base, int64_t position) {
  return position >= base && position - base <= kMaxDifference;
}

int64_t base_of(int64_t position) { return position - position % kBaseStep; }

// Places buffers one behind the other and names them in the head.
class Placer {
 public:
  Placer(BatchBuilder::Layout& layout, Encoder& head) : layout_(layout), head_(head) {}
  void none() { head_.nil(); }
  void place(const void* data, size_t size) {
    const size_t at = aligned(end_);
    head_.array(3);
    head_.unsigned_integer(0);
    head_.unsigned_integer(at);
    head_.unsigned_integer(size);
    if (size != 0) layout_.pieces.push_back({at, static_cast<const char*>(data), size});
    end_ = at + size;
  }
  void place(const Buffer& buffer) { place(buffer.data(), buffer.size()); }
  void place_if(bool wanted, const Buffer& buffer) { wanted ? place(buffer) : none(); }
  size_t end() const { return end_; }

 private:
  BatchBuilder::Layout& layout_;
  Encoder& head_;
  size_t end_ = 0;
};

void place_column(const Column& column, Placer& placer) {
  const auto rows = static_cast<size_t>(column.rows);
  const size_t bitmap = (rows + 7) / 8;
  column.has_nulls() ? placer.place(column.validity, bitmap) : placer.none();
  if (is_variable(column.type)) {
    placer.place(column.offsets, (rows + 1) * sizeof(int32_t));
    placer.place(column.bytes, static_cast<size_t>(column.offsets[rows]));
  } else {
    placer.place(column.values,
                 column.type == Type::kBool ? bitmap : rows * value_size(column.type));
    placer.none();
  }
}

}  // namespace

BatchBuilder::BatchBuilder(Schema schema) : schema_(std::move(schema)) {
  columns_.reserve(schema_.size());
  for (const Field& field : schema_) columns_.emplace_back(field.type);
}

size_t BatchBuilder::bytes() const {
  size_t bytes = partitions_.size() + index_.size() + file_.size() + line_.size() + byte_.size();
  for (const ColumnBuilder& column : columns_) bytes += column.bytes();
  return bytes;
}

size_t BatchBuilder::capacity() const {
  size_t bytes = partitions_.capacity() + index_.capacity() + file_.capacity() + line_.capacity() +
                 byte_.capacity();
  for (const ColumnBuilder& column : columns_) bytes += column.capacity();
  return bytes;
}

// ── rows and where they come from ──

void BatchBuilder::add_row(const SourcePosition& position) {
  if (position.file.empty()) {
    add_row_of(-1);
    return;
  }
  const int64_t line = std::max<int64_t>(position.line, 0);
  const int64_t byte = std::max<int64_t>(position.byte, 0);
  const Origins::File* last = last_file_ < 0 ? nullptr : &files_[static_cast<size_t>(last_file_)];
  const bool same = last != nullptr && last->name == position.file && reaches(last->line, line) &&
                    reaches(last->byte, byte);
  last_in_ = 0;
  add_entry(same ? last_file_ : file_of(position.file, line, byte), line, byte);
  add_row_of(static_cast<int32_t>(entries_ - 1));
}

void BatchBuilder::add_row_without_position() { add_row_of(-1); }

void BatchBuilder::add_row_from(const Batch& in, int64_t row) {
  if (in.data_ == nullptr) {
    add_row_of(-1);
    return;
  }
  const Origins& origins = in.data_->origins;
  const int32_t entry = origins.index != nullptr ? origins.index[row] : static_cast<int32_t>(row);
  if (in.data_->serial == last_in_ && entry == last_in_entry_) {
    add_row_of(static_cast<int32_t>(entries_ - 1));
  } else {
    add_row_of(entry_for(origins, in.data_->serial, entry));
  }
}

void BatchBuilder::add_rows_from(const Batch& in, std::span<const int32_t> rows) {
  if (in.data_ != nullptr && add_positions(in.data_->origins, rows)) return;
  for (const int32_t row : rows) add_row_from(in, row);
}

// Adds rows in one go, where they and the rows before are of one file and each has its own entry:
// as they come from a reader, through a filter.
bool BatchBuilder::add_positions(const Origins& origins, std::span<const int32_t> rows) {
  if (rows.empty() || indexed_ || entries_ != rows_ || files_.size() > 1) return false;
  if (origins.index != nullptr || origins.files.size() != 1 || origins.file != nullptr)
    return false;
  const Origins::File& base = origins.files[0];
  if (base.line != base_of(base.line) || base.byte != base_of(base.byte)) return false;
  if (!files_.empty() &&
      (files_[0].line != base.line || files_[0].byte != base.byte || files_[0].name != base.name)) {
    return false;
  }
  int32_t before = -1;  // rows that ascend are in range when the last is, and no two are the same
  for (const int32_t row : rows) {
    if (row <= before) return false;
    before = row;
  }
  if (before >= origins.entries) return false;
  last_file_ = file_of(base.name, base.line, base.byte);
  const size_t bytes = rows.size() * sizeof(uint32_t);
  char* line = line_.extend(bytes);
  char* byte = byte_.extend(bytes);
  for (const int32_t row : rows) {
    std::memcpy(line, origins.line + row, sizeof(uint32_t));
    std::memcpy(byte, origins.byte + row, sizeof(uint32_t));
    line += sizeof(uint32_t);
    byte += sizeof(uint32_t);
  }
  rows_ += static_cast<int64_t>(rows.size());
  entries_ = rows_;
  last_in_ = 0;
  return true;
}

// An entry of our own for one of a batch's, or -1 if that one names no place.
int32_t BatchBuilder::entry_for(const Origins& origins, uint64_t serial, int32_t entry) {
  if (entry < 0 || entry >= origins.entries) return -1;
  const int32_t file = origins.file != nullptr ? origins.file[entry] : 0;
  if (file < 0 || static_cast<size_t>(file) >= origins.files.size()) return -1;
  const Origins::File& base = origins.files[static_cast<size_t>(file)];
  const int64_t line = base.line + origins.line[entry];
  const int64_t byte = base.byte + origins.byte[entry];
  // Names are compared only where the batch or the file changes.
  int32_t own = last_file_;
  if (serial != last_in_ || file != last_in_file_ ||
      !reaches(files_[static_cast<size_t>(own)].line, line) ||
      !reaches(files_[static_cast<size_t>(own)].byte, byte)) {
    own = file_of(base.name, line, byte);
  }
  add_entry(own, line, byte);
  last_in_ = serial;
  last_in_entry_ = entry;
  last_in_file_ = file;
  return static_cast<int32_t>(entries_ - 1);
}

int32_t BatchBuilder::file_of(std::string_view name, int64_t line, int64_t byte) {
  const auto [found, fresh] = latest_file_.try_emplace(std::string(name), 0);
  if (!fresh) {
    const Origins::File& file = files_[static_cast<size_t>(found->second)];
    if (reaches(file.line, line) && reaches(file.byte, byte)) return found->second;
  }
  found->second = static_cast<int32_t>(files_.size());
  files_.push_back({std::string(name), base_of(line), base_of(byte)});
  if (files_.size() == 2) {  // until now, every entry was of the one file
    for (int64_t i = 0; i < entries_; ++i) file_.push(int32_t{0});
  }
  return found->second;
}

void BatchBuilder::add_entry(int32_t file, int64_t line, int64_t byte) {
  expect(entries_ < std::numeric_limits<int32_t>::max() - 1, "too many rows in a batch");
  const Origins::File& base = files_[static_cast<size_t>(file)];
  line_.push(static_cast<uint32_t>(line - base.line));
  byte_.push(static_cast<uint32_t>(byte - base.byte));
  if (files_.size() > 1) file_.push(file);
  last_file_ = file;
  if (!indexed_ && entries_ != rows_) {  // rows without position came first
    for (int64_t i = 0; i < rows_; ++i) index_.push(int32_t{-1});
    indexed_ = true;
  }
  ++entries_;
}

void BatchBuilder::add_row_of(int32_t entry) {
  if (!indexed_ && entries_ > 0 && entry != rows_) {
    for (int32_t i = 0; i < rows_; ++i) index_.push(i);
    indexed_ = true;
  }
  if (indexed_) index_.push(entry);
  ++rows_;
}

// ── taking back ──

bool BatchBuilder::whole() const {
  return std::all_of(columns_.begin(), columns_.end(),
                     [this](const ColumnBuilder& column) { return column.rows() == rows_; });
}

void BatchBuilder::truncate(int64_t rows) {
  for (ColumnBuilder& column : columns_) column.truncate(rows);
  if (rows >= rows_) return;
  rows_ = rows;
  if (rows_ == 0) {
    files_.clear();
    latest_file_.clear();
    file_.clear();
    last_file_ = -1;
    indexed_ = false;
  }
  if (indexed_) {
    // Entries are numbered as their first rows came: what stands behind the last row kept is
    // dropped.
    index_.resize(static_cast<size_t>(rows_) * sizeof(int32_t));
    entries_ = 0;
    for (int64_t row = rows_ - 1; row >= 0 && entries_ == 0; --row) {
      int32_t entry;
      std::memcpy(&entry, index_.data() + static_cast<size_t>(row) * sizeof entry, sizeof entry);
      entries_ = entry + 1;
    }
  } else {
    index_.clear();
    entries_ = std::min(entries_, rows_);
  }
  const size_t bytes = static_cast<size_t>(entries_) * sizeof(int32_t);
  line_.resize(bytes);
  byte_.resize(bytes);
  if (files_.size() > 1) file_.resize(bytes);
  last_in_ = 0;
  if (partitions_.size() > static_cast<size_t>(rows_)) {
    partitions_.resize(static_cast<size_t>(rows_));
  }
}

void BatchBuilder::clear() { truncate(0); }

void BatchBuilder::set_partitions(std::span<const uint8_t> partitions) {
  expect(static_cast<int64_t>(partitions.size()) == rows_, "one partition a row");
  partitions_.clear();
  partitions_.append(partitions.data(), partitions.size());
}

// ── the image ──

BatchBuilder::Layout BatchBuilder::layout() const {
  expect(whole(), "a batch is cut in the middle of a row");
  expect(partitions_.size() == 0 || static_cast<int64_t>(partitions_.size()) == rows_,
         "partitions were set before the last row");
  Layout layout;
  Encoder head;
  Placer placer(layout, head);
  layout.pieces.reserve(columns_.size() * 3 + 5);
  head.map(5);
  head.string("v");
  head.integer(1);
  head.string("rows");
  head.integer(rows_);
  head.string("columns");
  head.array(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    head.array(5);
    head.string(schema_[i].name);
    head.integer(static_cast<int64_t>(schema_[i].type));
    place_column(columns_[i].view(), placer);
  }
  head.string("origin");
  if (entries_ == 0) {
    head.nil();
  } else {
    head.array(6);
    head.array(files_.size());
    for (const Origins::File& file : files_) {
      head.array(3);
      head.string(file.name);
      head.integer(file.line);
      head.integer(file.byte);
    }
    head.integer(entries_);
    placer.place_if(indexed_, index_);
    placer.place_if(files_.size() > 1, file_);
    placer.place(line_);
    placer.place(byte_);
  }
  head.string("partitions");
  placer.place_if(partitions_.size() != 0, partitions_);

  layout.head_at = aligned(placer.end());
  layout.head = head.take();
  layout.size = layout.head_at + layout.head.size();
  return layout;
}

void BatchBuilder::write(const Layout& layout, char* image) const {
  size_t end = 0;
  for (const Layout::Piece& piece : layout.pieces) {
    std::memset(image + end, 0, piece.at - end);
    std::memcpy(image + piece.at, piece.data, piece.size);
    end = piece.at + piece.size;
  }
  std::memset(image + end, 0, layout.head_at - end);
  layout.head.copy(image + layout.head_at, layout.head.size());
}

Batch BatchBuilder::to_batch() const {
  const Layout placed = layout();
  const std::shared_ptr<char> image(
      static_cast<char*>(std::aligned_alloc(kAlignment, aligned(placed.size))), &std::free);
  if (image == nullptr) throw std::bad_alloc();
  write(placed, image.get());
  const std::span<const char> block(image.get(), placed.size);
  return Batch::open({&block, 1}, placed.head_at, image);
}

}  // namespace towpath
