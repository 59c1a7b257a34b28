#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "towpath/message/column.h"

namespace towpath::core {

// Makes one column of made-up rows. A value depends on the seed, the column's name and the row's
// number alone: any piece of the rows can be made by itself, and a column more changes no other
// column.
class Generator {
 public:
  virtual ~Generator() = default;
  virtual Type type() const = 0;
  // The most bytes that one value takes.
  virtual size_t width() const { return 8; }
  // Appends the values of rows [first, first + count), counted from 0.
  virtual void put(int64_t first, int64_t count, ColumnBuilder& out) const = 0;

  // Of a text like `int(0, 20)`: a name, then arguments set apart by commas or blanks, in quotes
  // when they hold such. Throws Invalid that names the column and shows the form wanted.
  static std::unique_ptr<Generator> parse(std::string_view column, std::string_view text,
                                          uint64_t seed);
  // The forms there are, one a line; for help.
  static std::string_view forms();
};

}  // namespace towpath::core
