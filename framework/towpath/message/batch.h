#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "towpath/message/column.h"
#include "towpath/message/object.h"
#include "towpath/message/type.h"

// A batch is rows in columns: the unit that is leased. It lies as an image in one piece of memory
// (an arena block, or a few bytes in a message): 64-byte aligned buffers first, then a head, one
// MessagePack map
//
//   {"v": 1, "rows": n, "columns": [[name, type, validity, values, text], …],
//    "origin": nil or [[[name, line, byte], …], entries, index, file, line, byte], "partitions": p}
//
// in which each buffer is nil or [block, offset, length]; block 0 is the image itself, block k the
// k-th of the batch's further blocks. Everything a reader's memory safety rests on is checked when
// a batch is opened: a bad image is Invalid. A span's first byte must be aligned to 8 (arena blocks
// are aligned to a page).
//
// Every row knows its source position: the file, line and byte it was made from.
//
// Threads    a batch is immutable: any number of threads may read it.

namespace towpath {

struct SourcePosition {
  std::string_view file;  // empty: the row comes from no single place (a sum over many)
  int64_t line = 0;       // from 1; 0: unknown
  int64_t byte = 0;       // from 0: where the record begins, in the uncompressed text
};

inline constexpr int kPartitions = 64;

// Where the rows of a batch come from: a table of positions and, for each row, the table's entry.
// Batch::position() checks index and file as it reads them; whoever reads these by himself must do
// so too.
struct Origins {
  struct File {
    std::string name;
    int64_t line = 0;  // positions are stored as differences from these
    int64_t byte = 0;
  };
  std::vector<File> files;
  const int32_t* index = nullptr;  // per row: its entry, -1 for none; null: row i has entry i
  const int32_t* file = nullptr;   // per entry: position in `files`; null: all are 0
  const uint32_t* line = nullptr;
  const uint32_t* byte = nullptr;
  int64_t entries = 0;  // 0: no row has a position
};

class Batch {
 public:
  Batch() = default;  // no rows, no columns

  // Opens the image in `blocks[0]` whose head starts at `head_at` and runs to the end of that span;
  // further blocks hold forwarded columns. `keep` is held as long as any copy of the batch lives.
  static Batch open(std::span<const std::span<const char>> blocks, size_t head_at,
                    std::shared_ptr<const void> keep);

  int64_t rows() const;
  const Schema& schema() const;
  int port() const { return port_; }                   // which input of the stage
  std::string_view cursor() const { return cursor_; }  // empty, or what the last part named
  int64_t first_row() const { return first_row_; }     // number of row 0 on its edge
  size_t bytes() const;                                // of the columns' buffers

  bool has(std::string_view column) const;
  const Column& column(size_t index) const;
  const Column& column(std::string_view name) const;  // Invalid: names the columns there are
  BoolColumn bools(std::string_view name) const;      // each Invalid when the type differs
  IntColumn ints(std::string_view name) const;
  FloatColumn floats(std::string_view name) const;
  StringColumn strings(std::string_view name) const;  // string or binary
  DateColumn dates(std::string_view name) const;
  TimestampColumn timestamps(std::string_view name) const;

  SourcePosition position(int64_t row) const;
  const Origins& origins() const;
  // Partition of the row by the key its edge is partitioned by, 0 to 63; 0 when it is not.
  int partition(int64_t row) const;
  bool has_partitions() const;  // its writer (or with_partitions) has set them
  // One value as an Object: date and timestamp as ISO text, object as itself, null as nil.
  Object value(int64_t row, size_t column) const;

  // The same rows with these partitions, one a row: for a reader whose key the edge's writer did
  // not hash.
  Batch with_partitions(std::vector<uint8_t> partitions) const;
  // The same rows as they are leased: on a port, from a cursor.
  Batch leased(int port, std::string cursor, int64_t first_row) const;

 private:
  friend class BatchBuilder;
  struct Data;
  const Data& data() const;
  const Column& typed(std::string_view name, Type type) const;

  std::shared_ptr<const Data> data_;
  int port_ = 0;
  int64_t first_row_ = 0;
  std::string cursor_;
};

// Builds a batch in private memory, then writes its image.
class BatchBuilder {
 public:
  explicit BatchBuilder(Schema schema);

  const Schema& schema() const { return schema_; }
  ColumnBuilder& column(size_t index) { return columns_[index]; }
  const ColumnBuilder& column(size_t index) const { return columns_[index]; }
  int64_t rows() const { return rows_; }
  size_t bytes() const;     // staged so far, about what the image will take
  size_t capacity() const;  // bytes of memory held, whether rows are staged in them or not

  // Begins a row; its columns are put before or after, in any order.
  void add_row(const SourcePosition& position);
  void add_row_from(const Batch& in, int64_t row);  // keeps the position of that row
  void add_row_without_position();
  // Begins rows for each one named, with their positions.
  void add_rows_from(const Batch& in, std::span<const int32_t> rows);

  // True when every column has a value for every row: only then the batch may be cut here.
  bool whole() const;
  void truncate(int64_t rows);  // drops the rows behind, in all columns
  void clear();                 // keeps the memory

  // Adds the partition of each row, by XXH3 (seed 0) of the key columns: computed by whoever owns
  // the hash.
  void set_partitions(std::span<const uint8_t> partitions);

  // Where an image puts everything. Bug if a column lacks rows. Valid until the builder changes.
  struct Layout {
    struct Piece {
      size_t at;
      const char* data;
      size_t size;
    };
    std::vector<Piece> pieces;
    size_t head_at = 0;
    size_t size = 0;
    std::string head;
  };
  Layout layout() const;
  void write(const Layout& layout, char* image) const;  // `layout.size` bytes at `image`
  Batch to_batch() const;  // a batch in memory of its own: for steps in one process, and for tests

 private:
  bool add_positions(const Origins& origins, std::span<const int32_t> rows);
  int32_t entry_for(const Origins& origins, uint64_t serial, int32_t entry);
  int32_t file_of(std::string_view name, int64_t line, int64_t byte);
  void add_entry(int32_t file, int64_t line, int64_t byte);
  void add_row_of(int32_t entry);  // -1: without position

  Schema schema_;
  std::vector<ColumnBuilder> columns_;
  int64_t rows_ = 0;
  Buffer partitions_;

  // The origin table being built; see Origins.
  std::vector<Origins::File> files_;
  std::unordered_map<std::string, int32_t> latest_file_;  // name → its entry in files_ added last
  Buffer index_, file_, line_, byte_;                     // file_ only when there are several files
  int64_t entries_ = 0;
  bool indexed_ = false;  // false: row i has entry i, or there is no entry at all
  // What the last entry was made from, so that neighbours share it: batch, entry and file there,
  // file here.
  uint64_t last_in_ = 0;
  int32_t last_in_entry_ = -1;
  int32_t last_in_file_ = -1;
  int32_t last_file_ = -1;
};

}  // namespace towpath
