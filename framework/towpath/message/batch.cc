#include "towpath/message/batch.h"

#include <algorithm>
#include <limits>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/batch_data.h"
#include "towpath/message/codec.h"
#include "towpath/message/json.h"

namespace towpath {

namespace {

constexpr int64_t kVersion = 1;
// Positions stay far from the ends of int64, so that adding a difference never overflows.
constexpr int64_t kMaxPosition = int64_t{1} << 62;

// Reads the places of buffers out of a head, and checks each.
class BufferReader {
 public:
  BufferReader(Decoder& head, std::span<const std::span<const char>> blocks, size_t head_at)
      : head_(head), blocks_(blocks), head_at_(head_at) {}

  // The next buffer, or a null pointer for nil.
  std::span<const char> next() {
    if (head_.peek() == Decoder::Kind::kNil) {
      head_.nil();
      return {};
    }
    head_.array(3);
    const uint64_t block = head_.unsigned_integer();
    const uint64_t offset = head_.unsigned_integer();
    const uint64_t length = head_.unsigned_integer();
    if (block >= blocks_.size()) throw Invalid(format("a buffer lies in block {}", block));
    const size_t size = block == 0 ? head_at_ : blocks_[block].size();
    if (offset > size || length > size - offset) {
      throw Invalid(
          format("a buffer of {} bytes at {} passes the end of its block", length, offset));
    }
    const char* data = blocks_[block].data() + offset;
    if (offset % 64 != 0 || reinterpret_cast<uintptr_t>(data) % 8 != 0) {
      throw Invalid(format("a buffer at {} is not aligned", offset));
    }
    bytes_ += length;
    return {data, static_cast<size_t>(length)};
  }
  // The next buffer as `count` values of T, which it must hold at least; null for nil.
  template <class T>
  const T* next_values(int64_t count) {
    const std::span<const char> buffer = next();
    if (buffer.data() == nullptr) return nullptr;
    if (buffer.size() / sizeof(T) < static_cast<size_t>(count)) {
      throw Invalid(
          format("a buffer of {} bytes is too short for {} values", buffer.size(), count));
    }
    return reinterpret_cast<const T*>(buffer.data());
  }
  size_t bytes() const { return bytes_; }

 private:
  Decoder& head_;
  const std::span<const std::span<const char>> blocks_;
  const size_t head_at_;
  size_t bytes_ = 0;
};

// True when offsets only grow: with the first and the last in bounds, so is every value.
bool ascending(const int32_t* offsets, int64_t rows) {
  int64_t row = 0;
  bool bad = false;
  for (; row + 16 <= rows; row += 16) {  // a fixed count, so that -O2 makes it a vector loop
    int descents = 0;
    for (int i = 0; i < 16; ++i) descents |= offsets[row + i + 1] < offsets[row + i];
    bad |= descents != 0;
  }
  for (; row < rows; ++row) bad |= offsets[row + 1] < offsets[row];
  return !bad;
}

Column read_column(Field& field, Decoder& head, BufferReader& buffers, int64_t rows) {
  head.array(5);
  field.name = head.string();
  const int64_t type = head.integer();
  if (type < 0 || type > static_cast<int64_t>(Type::kObject)) {
    throw Invalid(format("column \"{}\" has type {}, which does not exist", field.name, type));
  }
  field.type = static_cast<Type>(type);
  Column column;
  column.type = field.type;
  column.rows = rows;
  const int64_t bitmap_bytes = (rows + 7) / 8;
  column.validity = buffers.next_values<uint8_t>(bitmap_bytes);
  switch (field.type) {
    case Type::kBool:
      column.values = buffers.next_values<uint8_t>(bitmap_bytes);
      break;
    case Type::kInt:
    case Type::kFloat:
    case Type::kTimestamp:
      column.values = buffers.next_values<int64_t>(rows);
      break;
    case Type::kDate:
      column.values = buffers.next_values<int32_t>(rows);
      break;
    case Type::kString:
    case Type::kBinary:
    case Type::kObject:
      column.offsets = buffers.next_values<int32_t>(rows + 1);
      break;
  }
  const std::span<const char> text = buffers.next();
  if (column.offsets != nullptr) {
    const int32_t last = column.offsets[rows];
    if (column.offsets[0] < 0 || last < 0 || static_cast<size_t>(last) > text.size() ||
        !ascending(column.offsets, rows)) {
      throw Invalid(format("column \"{}\" has offsets out of order", field.name));
    }
    column.bytes = text.data();
  } else if (column.values == nullptr && (rows > 0 || is_variable(field.type))) {
    throw Invalid(format("column \"{}\" has no values", field.name));
  }
  return column;
}

int64_t read_position(Decoder& head) {
  const int64_t position = head.integer();
  if (position < 0 || position > kMaxPosition) {
    throw Invalid(format("{} is no source position", position));
  }
  return position;
}

Origins read_origins(Decoder& head, BufferReader& buffers, int64_t rows) {
  Origins origins;
  if (head.peek() == Decoder::Kind::kNil) {
    head.nil();
    return origins;
  }
  head.array(6);
  size_t files = head.array();
  origins.files.reserve(std::min<size_t>(files, 64));
  for (; files > 0; --files) {
    head.array(3);
    std::string name(head.string());
    const int64_t line = read_position(head);
    origins.files.push_back({std::move(name), line, read_position(head)});
  }
  origins.entries = head.integer();
  if (origins.entries < 0 || origins.entries > std::numeric_limits<int32_t>::max()) {
    throw Invalid(format("a batch has {} source positions", origins.entries));
  }
  origins.index = buffers.next_values<int32_t>(rows);
  origins.file = buffers.next_values<int32_t>(origins.entries);
  origins.line = buffers.next_values<uint32_t>(origins.entries);
  origins.byte = buffers.next_values<uint32_t>(origins.entries);
  if (origins.entries > 0 && (!origins.line || !origins.byte)) {
    throw Invalid("a batch lacks its source positions");
  }
  return origins;
}

}  // namespace

Batch Batch::open(std::span<const std::span<const char>> blocks, size_t head_at,
                  std::shared_ptr<const void> keep) {
  if (blocks.empty() || head_at > blocks[0].size()) throw Invalid("a batch lies outside its block");
  Decoder head({blocks[0].data() + head_at, blocks[0].size() - head_at});
  BufferReader buffers(head, blocks, head_at);
  auto data = std::make_shared<Data>();
  data->keep = std::move(keep);

  // The head's keys stand in a fixed order: rows are known before the columns that must hold them.
  const auto key = [&head](std::string_view wanted) {
    if (head.string() != wanted) throw Invalid(format("the head of a batch lacks \"{}\"", wanted));
  };
  if (head.map() != 5) throw Invalid("the head of a batch has other keys than its version's");
  key("v");
  if (const int64_t version = head.integer(); version != kVersion) {
    throw Invalid(format("a batch has version {}; this is version {}", version, kVersion));
  }
  key("rows");
  data->rows = head.integer();
  if (data->rows < 0 || data->rows >= std::numeric_limits<int32_t>::max()) {
    throw Invalid(format("a batch of {} rows", data->rows));
  }
  key("columns");
  size_t columns = head.array();
  for (data->columns.reserve(std::min<size_t>(columns, 64)); columns > 0; --columns) {
    Field field;
    data->columns.push_back(read_column(field, head, buffers, data->rows));
    data->schema.push_back(std::move(field));
  }
  if (const Field* twice = find_twice(data->schema)) {
    throw Invalid(format("a batch has two columns \"{}\"", twice->name));
  }
  data->bytes = buffers.bytes();
  key("origin");
  data->origins = read_origins(head, buffers, data->rows);
  key("partitions");
  data->partitions = buffers.next_values<uint8_t>(data->rows);

  Batch batch;
  batch.data_ = std::move(data);
  return batch;
}

const Batch::Data& Batch::data() const {
  static const Data kNone;
  return data_ ? *data_ : kNone;
}

int64_t Batch::rows() const { return data().rows; }
const Schema& Batch::schema() const { return data().schema; }
size_t Batch::bytes() const { return data().bytes; }
const Origins& Batch::origins() const { return data().origins; }

bool Batch::has(std::string_view column) const { return find_field(schema(), column) >= 0; }

const Column& Batch::column(size_t index) const {
  expect(index < data().columns.size(), "no such column");
  return data().columns[index];
}

const Column& Batch::column(std::string_view name) const {
  const int at = find_field(schema(), name);
  if (at < 0) throw Invalid(format("no column \"{}\"; there are {}", name, show_schema(schema())));
  return data().columns[static_cast<size_t>(at)];
}

const Column& Batch::typed(std::string_view name, Type type) const {
  const Column& found = column(name);
  if (found.type != type) {
    throw Invalid(
        format("column \"{}\" is {}, not {}", name, type_name(found.type), type_name(type)));
  }
  return found;
}

BoolColumn Batch::bools(std::string_view name) const {
  return BoolColumn(typed(name, Type::kBool));
}
IntColumn Batch::ints(std::string_view name) const { return IntColumn(typed(name, Type::kInt)); }
FloatColumn Batch::floats(std::string_view name) const {
  return FloatColumn(typed(name, Type::kFloat));
}
StringColumn Batch::strings(std::string_view name) const {
  const Column& found = column(name);
  return StringColumn(found.type == Type::kBinary ? found : typed(name, Type::kString));
}
DateColumn Batch::dates(std::string_view name) const {
  return DateColumn(typed(name, Type::kDate));
}
TimestampColumn Batch::timestamps(std::string_view name) const {
  return TimestampColumn(typed(name, Type::kTimestamp));
}

SourcePosition Batch::position(int64_t row) const {
  const Origins& origins = data().origins;
  const int64_t entry = origins.index != nullptr ? origins.index[row] : row;
  if (entry < 0 || entry >= origins.entries) return {};
  const auto file = static_cast<size_t>(origins.file != nullptr ? origins.file[entry] : 0);
  if (file >= origins.files.size()) return {};
  const Origins::File& base = origins.files[file];
  return {base.name, base.line + origins.line[entry], base.byte + origins.byte[entry]};
}

bool Batch::has_partitions() const { return data().partitions != nullptr; }

int Batch::partition(int64_t row) const {
  const uint8_t* partitions = data().partitions;
  return partitions == nullptr ? 0 : partitions[row] % kPartitions;
}

Object Batch::value(int64_t row, size_t index) const {
  const Column& from = column(index);
  if (from.is_null(row)) return {};
  std::string text;
  switch (from.type) {
    case Type::kBool:
      return from.bool_at(row);
    case Type::kInt:
      return from.int_at(row);
    case Type::kFloat:
      return from.float_at(row);
    case Type::kString:
      return from.text_at(row);
    case Type::kBinary:
      return Object::Binary{std::string(from.text_at(row))};
    case Type::kDate:
      append_date(text, from.date_at(row));
      return text;
    case Type::kTimestamp:
      append_timestamp(text, from.int_at(row));
      return text;
    case Type::kObject:
      return Decoder(from.text_at(row)).object();
  }
  return {};
}

Batch Batch::with_partitions(std::vector<uint8_t> partitions) const {
  expect(static_cast<int64_t>(partitions.size()) == rows(), "one partition a row");
  auto changed = std::make_shared<Data>(data());
  changed->own_partitions = std::move(partitions);
  changed->partitions = changed->own_partitions.data();
  Batch batch = *this;
  batch.data_ = std::move(changed);
  return batch;
}

Batch Batch::leased(int port, std::string cursor, int64_t first_row) const {
  Batch batch = *this;
  batch.port_ = port;
  batch.cursor_ = std::move(cursor);
  batch.first_row_ = first_row;
  return batch;
}

}  // namespace towpath
