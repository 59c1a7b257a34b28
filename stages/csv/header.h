#pragma once
#include <string>
#include <vector>

#include "stages/csv/scanner.h"
#include "towpath/stage/file_reader.h"

namespace csv {

// Passes over a byte order mark and `skip` lines; returns the lines passed.
int64_t pass_preface(towpath::TextWindow& window, int64_t skip);

// The columns' names as a header names them; one without name is called by its place, c1, c2, …
std::vector<std::string> names_of(std::span<const Cell> cells);
// The names of columns that nothing names: c1, c2, …
std::vector<std::string> numbered(size_t count);
// The name that comes twice, or null.
const std::string* find_twice(const std::vector<std::string>& names);

// Whether a file with this first record seems to end its lines in CR alone; kEndsInCr says so. In a
// row a CR may be a part of a cell; in a header it is none.
bool lines_end_in_cr(const Records& first, bool is_header);
inline constexpr const char* kEndsInCr =
    "its lines end in CR alone, as on old Macs, which ends no line here; convert it with tr '\\r' "
    "'\\n' < IN > OUT";

}  // namespace csv
