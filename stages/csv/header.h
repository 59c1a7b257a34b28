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

}  // namespace csv
