#include "towpath/message/batch.h"

#include <catch2/catch.hpp>

#include "towpath/base/error.h"
#include "towpath/message/codec.h"

using namespace towpath;

namespace {

BatchBuilder cities() {
  BatchBuilder builder({{"city", Type::kString}, {"people", Type::kInt}, {"open", Type::kBool}});
  const char* names[] = {"Ghent", "Bruges", "Leuven"};
  for (int i = 0; i < 3; ++i) {
    builder.add_row({"a.csv", i + 2, 10 * i});
    builder.column(0).put_text(names[i]);
    i == 1 ? builder.column(1).put_null() : builder.column(1).put_int(100 * i);
    builder.column(2).put_bool(i != 1);
  }
  return builder;
}

}  // namespace

TEST_CASE("Batch: what was built is read back") {
  const Batch batch = cities().to_batch();
  REQUIRE(batch.rows() == 3);
  CHECK(show_schema(batch.schema()) == "city:string, people:int, open:bool");
  CHECK(batch.strings("city")[1] == "Bruges");
  CHECK(batch.ints("people")[2] == 200);
  CHECK(batch.ints("people").is_null(1));
  CHECK_FALSE(batch.bools("open")[1]);
  CHECK(batch.value(1, 1).is_nil());
  CHECK(batch.value(2, 1) == Object(200));
  CHECK(batch.position(2).file == "a.csv");
  CHECK(batch.position(2).line == 4);
  CHECK(batch.position(2).byte == 20);
  CHECK(batch.partition(1) == 0);
}
