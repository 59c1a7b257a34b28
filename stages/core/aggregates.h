#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "towpath/expr/expression.h"
#include "towpath/message/codec.h"
#include "towpath/message/column.h"

namespace towpath::core {

// One aggregate of all groups; groups are numbers from 0. Nulls are passed over, as in SQL: of no
// values, count is 0 and all others are null.
//
// Sums       of integers are exact, however the values come; one that does not fit an int in the
//            end is a problem of its group. Floats are added in row order.
// Order      of min and max: as in row_key.h, so NaN is the greatest.
class Aggregate {
 public:
  // `argument` is the type of the call's argument; Invalid when the function does not take it.
  static std::unique_ptr<Aggregate> make(AggregateCall::Function function,
                                         std::optional<Type> argument);
  virtual ~Aggregate() = default;
  virtual void resize(uint32_t groups) = 0;  // new groups have seen nothing
  virtual void clear() = 0;                  // of all groups; gives the memory back
  virtual uint64_t bytes() const = 0;        // of memory held
  // Row rows[i] of the argument belongs to group groups[i]. For count() there is no argument.
  virtual void add(const Column* argument, std::span<const int32_t> rows,
                   std::span<const uint32_t> groups) = 0;
  // Why the group has no result; empty when it has.
  virtual std::string problem(uint32_t group) const {
    (void)group;
    return {};
  }
  virtual void put(uint32_t group, ColumnBuilder& out) const = 0;
  // The state of these groups, all at once; restore() takes as many groups, that have seen nothing.
  virtual void save(std::span<const uint32_t> groups, Encoder& out) const = 0;
  virtual void restore(std::span<const uint32_t> groups, Decoder& in) = 0;
};

}  // namespace towpath::core
