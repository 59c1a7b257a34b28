#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "towpath/message/batch.h"
#include "towpath/message/object.h"
#include "towpath/message/type.h"

// Rows as people write them in tests: names and values, one object a row.

namespace towpath {

using ObjectRow = std::vector<std::pair<std::string, Object>>;
using ObjectRows = std::vector<ObjectRow>;

// Puts one value: nil is null, dates and timestamps are ISO text. Throws Invalid that names the
// column when the value is of another type.
void put_object(ColumnBuilder& column, const Field& field, const Object& value);

// The rows as a batch; a column that a row leaves out is null. Row i gets the position
// file:first_line + i, byte first_line + i - 1. Throws Invalid for a column that the schema does
// not have.
Batch batch_of_rows(const Schema& schema, std::span<const ObjectRow> rows, std::string_view file,
                    int64_t first_line = 1);

// Row `row` with all columns in order; dates and timestamps as ISO text.
ObjectRow object_row(const Batch& batch, int64_t row);

// {"qty":2,"day":"2024-02-29"}; for messages.
std::string show_row(const ObjectRow& row);

}  // namespace towpath
