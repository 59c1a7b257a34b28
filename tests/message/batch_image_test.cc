#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/message/batch.h"
#include "towpath/message/codec.h"

using namespace towpath;

namespace {

Schema every_type() {
  return {{"bool", Type::kBool},     {"int", Type::kInt},      {"float", Type::kFloat},
          {"string", Type::kString}, {"date", Type::kDate},    {"timestamp", Type::kTimestamp},
          {"binary", Type::kBinary}, {"object", Type::kObject}};
}

BatchBuilder filled(int rows) {
  BatchBuilder builder(every_type());
  for (int i = 0; i < rows; ++i) {
    if (i % 7 == 3) {
      builder.add_row_without_position();
    } else {
      builder.add_row({i % 5 == 0 ? "one.txt" : "two.txt", i, 12 * i});
    }
    for (size_t c = 0; c < builder.schema().size(); ++c) {
      ColumnBuilder& column = builder.column(c);
      if ((i + static_cast<int>(c)) % 9 == 0) {
        column.put_null();
      } else if (column.type() == Type::kBool) {
        column.put_bool(i % 2 == 0);
      } else if (column.type() == Type::kFloat) {
        column.put_float(i / 3.0);
      } else if (column.type() == Type::kDate) {
        column.put_date(i);
      } else if (column.type() == Type::kObject) {
        column.put_text(to_bytes(Object(Object::Array{i, "text"})));
      } else if (is_variable(column.type())) {
        column.put_text(std::string(static_cast<size_t>(i % 13), 'x'));
      } else {
        column.put_int(i);
      }
    }
  }
  builder.set_partitions(std::vector<uint8_t>(static_cast<size_t>(rows), 5));
  return builder;
}

// Memory of exactly that size, aligned as an arena block, so that ASan sees a step beyond it.
class Image {
 public:
  explicit Image(size_t size)
      : size_(size), data_(static_cast<char*>(std::aligned_alloc(64, (size + 63) / 64 * 64))) {}
  Image(const Image& other, size_t size) : Image(size) {
    std::memcpy(data(), other.data(), std::min(size, other.size()));
  }
  ~Image() { std::free(data_); }
  char* data() { return data_ + slack(); }  // its end is the end of the allocation
  const char* data() const { return data_ + slack(); }
  size_t size() const { return size_; }
  std::span<const char> bytes() const { return {data(), size_}; }

 private:
  size_t slack() const { return (64 - size_ % 64) % 64 / 8 * 8; }
  size_t size_;
  char* data_;
};

Batch open(const Image& image, size_t head_at) {
  const std::span<const char> block = image.bytes();
  return Batch::open({&block, 1}, head_at, nullptr);
}

// Touches every byte that a reader could reach.
uint64_t read_all(const Batch& batch) {
  uint64_t sum = 0;
  const int64_t rows = std::min<int64_t>(batch.rows(), 100'000);
  for (size_t c = 0; c < batch.schema().size(); ++c) {
    for (int64_t row = 0; row < rows; ++row) {
      try {
        sum += batch.value(row, c).kind().size();
      } catch (const Invalid&) {  // an object column's bytes may be anything
      }
    }
  }
  for (int64_t row = 0; row < rows; ++row) {
    const SourcePosition position = batch.position(row);
    for (const char c : position.file) sum += static_cast<uint8_t>(c);
    sum += static_cast<uint64_t>(position.line) + static_cast<uint64_t>(position.byte);
    sum += static_cast<uint64_t>(batch.partition(row));
  }
  BatchBuilder copy((Schema()));
  for (int64_t row = 0; row < std::min<int64_t>(rows, 50); ++row) copy.add_row_from(batch, row);
  return sum + copy.bytes();
}

}  // namespace

TEST_CASE("Batch image: every buffer is aligned to 64 bytes and gaps are zero") {
  const BatchBuilder builder = filled(100);
  const BatchBuilder::Layout layout = builder.layout();
  CHECK(layout.head_at % 64 == 0);
  CHECK(layout.size == layout.head_at + layout.head.size());
  size_t end = 0;
  Image image(layout.size);
  std::memset(image.data(), 0x55, layout.size);
  builder.write(layout, image.data());
  for (const auto& piece : layout.pieces) {
    CHECK(piece.at % 64 == 0);
    CHECK(piece.at >= end);
    for (; end < piece.at; ++end) REQUIRE(image.data()[end] == 0);
    end = piece.at + piece.size;
  }
  CHECK(end <= layout.head_at);
  CHECK(std::memcmp(image.data() + layout.head_at, layout.head.data(), layout.head.size()) == 0);
}

TEST_CASE("Batch image: the bytes staged are near those of the image") {
  const BatchBuilder builder = filled(5000);
  const size_t size = builder.layout().size;
  CHECK(builder.bytes() <= size);
  CHECK(builder.bytes() + 4096 >= size);
}

TEST_CASE("Batch image: the same rows give the same bytes however they came to be") {
  BatchBuilder direct = filled(200), again = filled(333);
  again.truncate(150);
  const Batch source = filled(200).to_batch();
  std::vector<int32_t> rows;
  for (int32_t row = 150; row < 200; ++row) rows.push_back(row);
  again.add_rows_from(source, rows);
  for (size_t c = 0; c < source.schema().size(); ++c) {
    again.column(c).append(source.column(c), rows);
  }
  again.set_partitions(std::vector<uint8_t>(200, 5));
  const auto image_of = [](const BatchBuilder& builder) {
    const auto layout = builder.layout();
    std::string image(layout.size, '\x55');
    builder.write(layout, image.data());
    return image;
  };
  CHECK(image_of(direct) == image_of(again));
}

TEST_CASE("Batch image: columns may lie in other blocks") {
  BatchBuilder builder({{"a", Type::kInt}});
  for (int i = 0; i < 4; ++i) {
    builder.add_row_without_position();
    builder.column(0).put_int(i * i);
  }
  const auto layout = builder.layout();
  Image other(layout.size);
  builder.write(layout, other.data());

  // A batch whose only column is forwarded: its image is a head that names block 1.
  Encoder head;
  head.map(5);
  head.string("v");
  head.integer(1);
  head.string("rows");
  head.integer(4);
  head.string("columns");
  head.array(1);
  head.array(5);
  head.string("b");
  head.integer(static_cast<int64_t>(Type::kInt));
  head.nil();
  head.array(3);
  head.integer(1);
  head.integer(0);
  head.integer(32);
  head.nil();
  head.string("origin");
  head.nil();
  head.string("partitions");
  head.nil();
  Image image(head.bytes().size());
  std::memcpy(image.data(), head.bytes().data(), image.size());
  const std::span<const char> blocks[] = {image.bytes(), other.bytes()};
  const Batch batch = Batch::open(blocks, 0, nullptr);
  CHECK(batch.ints("b")[3] == 9);
  CHECK(batch.bytes() == 32);
  CHECK_THROWS_AS(open(image, 0), Invalid);  // without the block
}

TEST_CASE("Batch image: one of no rows or no columns can be opened") {
  CHECK(BatchBuilder((Schema())).to_batch().rows() == 0);
  const Batch empty = BatchBuilder(every_type()).to_batch();
  CHECK(empty.rows() == 0);
  CHECK(empty.schema() == every_type());
  CHECK(empty.strings("string").rows() == 0);
  BatchBuilder rows((Schema()));
  rows.add_row({"a", 1, 1});
  CHECK(rows.to_batch().rows() == 1);
}

TEST_CASE("Batch image: a head outside the block or of another version is Invalid") {
  const BatchBuilder builder = filled(3);
  const auto layout = builder.layout();
  Image image(layout.size);
  builder.write(layout, image.data());
  CHECK(open(image, layout.head_at).rows() == 3);
  CHECK_THROWS_AS(open(image, layout.size + 1), Invalid);
  CHECK_THROWS_AS(open(image, layout.size), Invalid);
  CHECK_THROWS_AS(open(image, std::numeric_limits<size_t>::max()), Invalid);
  CHECK_THROWS_AS(Batch::open({}, 0, nullptr), Invalid);
  image.data()[layout.head_at + 3] = 2;  // {"v": 2
  CHECK_THROWS_WITH(open(image, layout.head_at), "a batch has version 2; this is version 1");
}

TEST_CASE("Batch image: a block that is not aligned is Invalid") {
  const BatchBuilder builder = filled(3);
  const auto layout = builder.layout();
  Image image(layout.size + 4);
  builder.write(layout, image.data() + 4);
  const std::span<const char> block = image.bytes().subspan(4);
  CHECK_THROWS_AS(Batch::open({&block, 1}, layout.head_at, nullptr), Invalid);
}

TEST_CASE("Batch image: cut off anywhere it is Invalid") {
  const BatchBuilder builder = filled(20);
  const auto layout = builder.layout();
  Image image(layout.size);
  builder.write(layout, image.data());
  for (size_t size = layout.head_at; size < layout.size; ++size) {
    const Image cut(image, size);
    CHECK_THROWS_AS(open(cut, layout.head_at), Invalid);
  }
}

TEST_CASE("Batch image: random damage never does worse than Invalid") {
  const BatchBuilder builder = filled(40);
  const auto layout = builder.layout();
  Image image(layout.size);
  builder.write(layout, image.data());
  std::mt19937 random(5);
  int opened = 0, refused = 0;
  for (int round = 0; round < 6'000; ++round) {
    Image damaged(image, layout.size);
    for (unsigned i = 0; i < 1 + random() % 4; ++i) {
      // In the head, where positions and sizes stand, or in offsets and positions before it.
      const size_t from = random() % 3 == 0 ? 0 : layout.head_at;
      const size_t at = from + random() % (layout.size - from);
      damaged.data()[at] = static_cast<char>(random() % 2 == 0 ? random() : random() % 4);
    }
    try {
      read_all(open(damaged, layout.head_at));
      ++opened;
    } catch (const Invalid&) {
      ++refused;
    }
  }
  CHECK(opened > 100);
  CHECK(refused > 100);
}
