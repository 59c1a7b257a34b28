#include <malloc.h>

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <random>

#include "stages/core/group.h"
#include "stages/core/merge.h"
#include "stages/core/sort.h"
#include "stages/core/top.h"
#include "towpath/stage/object_rows.h"

// What a stage says of its state's size, beside what the heap says.

namespace towpath::core {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kHeapIsMeasured = false;
#else
constexpr bool kHeapIsMeasured = true;
#endif

size_t heap() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

const Schema kInput = {{"k", Type::kInt}, {"name", Type::kString}};

// Rows with keys all over the place; `serial` makes names different.
Batch rows(int64_t first, int64_t count, size_t name_size) {
  static std::mt19937 random(5);
  BatchBuilder builder(kInput);
  for (int64_t i = first; i < first + count; ++i) {
    builder.add_row({"in", i + 1, i * 100});
    builder.column(0).put_int(static_cast<int64_t>(random()));
    std::string name = std::to_string(i);
    name.resize(name_size, 'x');
    builder.column(1).put_text(name);
  }
  return builder.to_batch();
}

class Nowhere final : public BatchConsumer {
 public:
  int64_t rows = 0;
  void consume(int, BatchBuilder& batch) override { rows += batch.rows(); }
  void part(std::string_view) override {}
};

// Feeds 40 batches of 5000 rows, then flushes. Before the flush the state must be what the heap
// has grown by, within a tenth or what else the stage was given to expect; the flush must take no
// more than was counted, and leave nothing.
template <class T>
void check(Object::Map fields, Schema output, size_t name_size, double most_above) {
  Settings::Context context;
  context.inputs = {kInput};
  context.output = output;
  auto stage = std::make_unique<T>(Settings(Object(std::move(fields)), context));
  Nowhere nowhere;
  Outputs out("stage", {{"", std::move(output)}}, 4096, nowhere);
  const size_t before = heap();
  const size_t empty = stage->state_bytes();
  for (int i = 0; i < 40; ++i) {
    const Batch batch = rows(i * 5000, 5000, name_size);
    out.begin(batch);
    stage->process(batch, out);
    out.flush();
  }
  const size_t state = stage->state_bytes(), grown = heap() - before;
  CAPTURE(state, grown);
  CHECK(state > 5'000'000);
  if (kHeapIsMeasured) {
    CHECK(static_cast<double>(state) > static_cast<double>(grown) * 0.9);
    CHECK(static_cast<double>(state) < static_cast<double>(grown) * most_above);
  }
  size_t peak = 0;
  for (bool more = true; more;) {
    out.begin();
    more = stage->finish(0, out);
    peak = std::max(peak, heap() - before);
    out.flush();
  }
  if (kHeapIsMeasured) {
    CHECK(static_cast<double>(peak) < static_cast<double>(state) * 1.1 + (4 << 20));
    CHECK(heap() - before < 4 << 20);
  }
  CHECK(stage->state_bytes() < empty + 100'000);
  CHECK(nowhere.rows > 0);
}

}  // namespace

TEST_CASE("State: sort counts what its rows take and what its flush will") {
  check<Sort>({{"by", Object::Array{"k"}}}, kInput, 40, 1.5);
  check<Sort>({{"by", Object::Array{"name desc"}}}, kInput, 10, 1.8);
}

TEST_CASE("State: group counts keys and aggregates") {
  check<Group>({{"by", Object::Array{"name"}}, {"aggregates", Object::Map{{"n", "count()"}}}},
               {{"name", Type::kString}, {"n", Type::kInt}}, 40, 1.5);
  check<Group>({{"by", Object::Array{"k"}},
                {"aggregates", Object::Map{{"names", "distinct(name)"}, {"least", "min(name)"}}}},
               {{"k", Type::kInt}, {"names", Type::kInt}, {"least", Type::kString}}, 40, 1.5);
}

TEST_CASE("State: top counts its rows twice because it will copy them") {
  check<Top>({{"n", 1'000'000}, {"by", Object::Array{"k"}}}, kInput, 40, 2.8);
  check<Top>({{"n", 50'000}, {"by", Object::Array{"k desc"}}}, kInput, 100, 2.8);
}

TEST_CASE("State: merge counts the batches that wait") {
  Settings::Context context;
  context.inputs = {kInput, kInput};
  Merge merge(Settings(Object(Object::Map{{"by", Object::Array{"k"}}}), context));
  Nowhere nowhere;
  Outputs out("stage", {{"", kInput}}, 4096, nowhere);
  CHECK(merge.state_bytes() == 0);
  const Batch batch = rows(0, 5000, 40).leased(0, "", 0);
  out.begin(batch);
  merge.process(batch, out);
  out.flush();
  CHECK(merge.state_bytes() >= 5000 * 48);
  CHECK(merge.state_bytes() < 5000 * 80);
  merge.finish(1, out);
  merge.finish(0, out);
  out.flush();
  CHECK(nowhere.rows == 5000);
  CHECK(merge.state_bytes() == 0);
}

}  // namespace towpath::core
