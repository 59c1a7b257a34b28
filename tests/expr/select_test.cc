#include "towpath/expr/select.h"

#include <catch2/catch.hpp>

#include "towpath/message/column.h"

using namespace towpath;

TEST_CASE("select_true: keeps exactly the rows that are true whatever the length") {
  uint64_t state = 3;
  for (const int64_t length : {0, 1, 7, 8, 63, 64, 65, 128, 1000, 4096}) {
    for (const int kind : {0, 1, 2, 3}) {  // all true, none, mixed, mixed with nulls
      ColumnBuilder column(Type::kBool);
      std::vector<int32_t> expected;
      for (int64_t i = 0; i < length; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const uint64_t random = state >> 40;
        const bool value = kind == 0 || (kind >= 2 && (random & 1) != 0);
        if (kind == 3 && (random & 6) == 0) {
          column.put_null();
          continue;
        }
        column.put_bool(value);
        if (value) expected.push_back(static_cast<int32_t>(i));
      }
      std::vector<int32_t> rows = {99};
      select_true(column.view(), rows);
      INFO(length << " rows of kind " << kind);
      CHECK(rows == expected);
    }
  }
}
