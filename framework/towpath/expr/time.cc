#include <iterator>
#include <limits>
#include <string_view>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/expr/calendar.h"
#include "towpath/expr/functions.h"
#include "towpath/expr/kernels.h"

// year month day hour minute date_trunc date_diff. Times are UTC; weeks begin on Monday.

namespace towpath::expr {
namespace {

constexpr Fault kRange{"out of range", false};

enum class Unit : int64_t { kYear, kQuarter, kMonth, kWeek, kDay, kHour, kMinute, kSecond };
constexpr std::string_view kUnits[] = {"year", "quarter", "month",  "week",
                                       "day",  "hour",    "minute", "second"};
constexpr int64_t kMondayOffset = 3;  // 1970-01-01 was a Thursday

Unit unit_of(Call& call) {
  const std::string_view name = call.constant_text(0, "unit");
  for (size_t i = 0; i < std::size(kUnits); ++i) {
    if (kUnits[i] == name) return static_cast<Unit>(i);
  }
  const std::string_view near = nearest(name, std::begin(kUnits), std::end(kUnits));
  fail_at(call.args[0]->span, format("{}: no unit '{}'", call.name, name),
          near.empty() ? "units: year quarter month week day hour minute second"
                       : format("did you mean '{}'?", near));
}

int64_t micros_of(Unit unit) {
  return unit == Unit::kHour ? kHour : unit == Unit::kMinute ? kMinute : kSecond;
}

// The number of the unit that a day falls into, counted from a fixed one.
int64_t index_of_day(int64_t days, Unit unit) {
  switch (unit) {
    case Unit::kYear:
      return civil_of(days).year;
    case Unit::kQuarter: {
      const Civil civil = civil_of(days);
      return civil.year * 4 + (civil.month - 1) / 3;
    }
    case Unit::kMonth: {
      const Civil civil = civil_of(days);
      return civil.year * 12 + civil.month - 1;
    }
    case Unit::kWeek:
      return floor_divide(days + kMondayOffset, 7);
    default:
      return days;
  }
}

// The first day of that unit.
int64_t first_day(int64_t index, Unit unit) {
  switch (unit) {
    case Unit::kYear:
      return days_of({index, 1, 1});
    case Unit::kQuarter:
      return days_of({floor_divide(index, 4), (index - floor_divide(index, 4) * 4) * 3 + 1, 1});
    case Unit::kMonth:
      return days_of({floor_divide(index, 12), index - floor_divide(index, 12) * 12 + 1, 1});
    case Unit::kWeek:
      return index * 7 - kMondayOffset;
    default:
      return index;
  }
}

int64_t index_of_time(int64_t micros, Unit unit) {
  if (unit >= Unit::kHour) return floor_divide(micros, micros_of(unit));
  return index_of_day(floor_divide(micros, kDay), unit);
}

enum class Part { kYear, kMonth, kDay, kHour, kMinute };

int64_t part_of_day(int64_t days, Part part) {
  const Civil civil = civil_of(days);
  return part == Part::kYear ? civil.year : part == Part::kMonth ? civil.month : civil.day;
}

template <Part part>
void part_of_dates(Node& self, const Chunk& chunk) {
  const auto dates = many<int32_t>(self.arg(0));
  fill<int64_t>(self, chunk.rows, [&](int64_t i) { return part_of_day(dates[i], part); });
}

template <Part part>
void part_of_times(Node& self, const Chunk& chunk) {
  const auto times = many<int64_t>(self.arg(0));
  fill<int64_t>(self, chunk.rows, [&](int64_t i) {
    const int64_t days = floor_divide(times[i], kDay);
    if constexpr (part == Part::kHour) return (times[i] - days * kDay) / kHour;
    if constexpr (part == Part::kMinute) return (times[i] - days * kDay) / kMinute % 60;
    return part_of_day(days, part);
  });
}

void truncate_dates(Node& self, const Chunk& chunk) {
  const auto unit = static_cast<Unit>(self.number);
  const auto dates = many<int32_t>(self.arg(1));
  auto truncated = [&](int64_t i) { return first_day(index_of_day(dates[i], unit), unit); };
  bool any = false;
  fill<int32_t>(self, chunk.rows, [&](int64_t i) {
    const int64_t day = truncated(i);
    any |= day < std::numeric_limits<int32_t>::min();
    return static_cast<int32_t>(day);
  });
  if (!any) return;
  fail_where(self, chunk.rows, kRange,
             [&](int64_t i) { return truncated(i) < std::numeric_limits<int32_t>::min(); });
}

void truncate_times(Node& self, const Chunk& chunk) {
  const auto unit = static_cast<Unit>(self.number);
  const auto times = many<int64_t>(self.arg(1));
  int64_t* out = self.fixed<int64_t>(chunk.rows);
  auto overflows = [&](int64_t i, int64_t& result) {
    const int64_t index = index_of_time(times[i], unit);
    if (unit >= Unit::kHour) return __builtin_mul_overflow(index, micros_of(unit), &result);
    return __builtin_mul_overflow(first_day(index, unit), kDay, &result);
  };
  bool any = false;
  for (int64_t i = 0; i < chunk.rows; ++i) any |= overflows(i, out[i]);
  if (!any) return;
  int64_t unused;
  fail_where(self, chunk.rows, kRange, [&](int64_t i) { return overflows(i, unused); });
}

void difference_of_dates(Node& self, const Chunk& chunk) {
  const auto unit = static_cast<Unit>(self.number);
  with_values<int32_t>(self.arg(1), [&](auto from) {
    with_values<int32_t>(self.arg(2), [&](auto to) {
      fill<int64_t>(self, chunk.rows, [&](int64_t i) {
        return index_of_day(to[i], unit) - index_of_day(from[i], unit);
      });
    });
  });
}

void difference_of_times(Node& self, const Chunk& chunk) {
  const auto unit = static_cast<Unit>(self.number);
  with_values<int64_t>(self.arg(1), [&](auto from) {
    with_values<int64_t>(self.arg(2), [&](auto to) {
      fill<int64_t>(self, chunk.rows, [&](int64_t i) {
        return index_of_time(to[i], unit) - index_of_time(from[i], unit);
      });
    });
  });
}

template <Part part>
NodePtr bind_part(Call& call) {
  call.want_time(0);
  if (call.type(0) == Type::kTimestamp) return call.make(Type::kInt, part_of_times<part>);
  if constexpr (part == Part::kHour || part == Part::kMinute) call.wrong(0, "a timestamp");
  return call.make(Type::kInt, part_of_dates<part>);
}

NodePtr bind_truncate(Call& call) {
  const Unit unit = unit_of(call);
  call.want_time(1);
  const Type type = call.type(1);
  if (type == Type::kDate && unit >= Unit::kHour) {
    fail_at(call.span, format("date_trunc: a date has no {}s", kUnits[static_cast<size_t>(unit)]),
            format("write timestamp({})", call.typer.text(call.args[1]->span)));
  }
  NodePtr node = call.make(type, type == Type::kDate ? truncate_dates : truncate_times);
  node->number = static_cast<int64_t>(unit);
  return node;
}

// The number of units' boundaries between: from 23:59 to 00:01 is one day.
NodePtr bind_difference(Call& call) {
  const Unit unit = unit_of(call);
  call.want_time(1);
  call.want_time(2);
  if (call.type(1) != call.type(2) || unit >= Unit::kHour) call.want_from(1, Type::kTimestamp);
  const bool dates = call.type(1) == Type::kDate;
  NodePtr node = call.make(Type::kInt, dates ? difference_of_dates : difference_of_times);
  node->number = static_cast<int64_t>(unit);
  return node;
}

constexpr Function kFunctions[] = {
    {"year", "year(time)", 1, 1, bind_part<Part::kYear>},
    {"month", "month(time)", 1, 1, bind_part<Part::kMonth>},
    {"day", "day(time)", 1, 1, bind_part<Part::kDay>},
    {"hour", "hour(time)", 1, 1, bind_part<Part::kHour>},
    {"minute", "minute(time)", 1, 1, bind_part<Part::kMinute>},
    {"date_trunc", "date_trunc('month', time)", 2, 2, bind_truncate},
    {"date_diff", "date_diff('day', from, to)", 3, 3, bind_difference},
};

}  // namespace

std::span<const Function> time_functions() { return kFunctions; }

}  // namespace towpath::expr
