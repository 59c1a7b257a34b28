#include "towpath/base/quantity.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

// Splits "12.5MiB" into number and unit and returns their product; the unit may be empty.
double parse_quantity(std::string_view text, const Unit* first, const Unit* last,
                      std::string_view forms) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  const Unit* found =
      std::find_if(first, last, [unit](const Unit& known) { return known.name == unit; });
  if (error != std::errc{} || found == last || !(number >= 0) || std::isinf(number)) {
    throw Invalid(format("\"{}\" is not {}", text, forms));
  }
  return number * found->factor;
}

}  // namespace

uint64_t parse_bytes(std::string_view text) {
  constexpr double k = 1024, m = k * k, g = m * k, t = g * k;
  static constexpr Unit kUnits[] = {{"", 1},     {"B", 1},    {"k", k},    {"K", k},
                                    {"M", m},    {"G", g},    {"T", t},    {"KiB", k},
                                    {"MiB", m},  {"GiB", g},  {"TiB", t},  {"kB", 1e3},
                                    {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}};
  const double bytes = parse_quantity(text, std::begin(kUnits), std::end(kUnits),
                                      "a size; write bytes, or a number with KiB, MiB or GiB");
  if (bytes >= 9e18) throw Invalid(format("\"{}\" is larger than any memory", text));
  return static_cast<uint64_t>(bytes);
}

Millis parse_duration(std::string_view text) {
  static constexpr Unit kUnits[] = {{"", 1e3},   {"ms", 1},     {"s", 1e3},
                                    {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
  const double millis = parse_quantity(text, std::begin(kUnits), std::end(kUnits),
                                       "a duration; write a number with ms, s, m, h or d");
  if (millis >= 9e15) throw Invalid(format("\"{}\" is too long", text));
  return Millis{static_cast<int64_t>(millis)};
}

std::string show_bytes(uint64_t bytes) {
  static constexpr std::string_view kNames[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  // What would round to 1024.0 is one of the next unit.
  while (value >= (unit == 0 ? 1024 : 1023.95) && unit + 1 < std::size(kNames)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? format("{} B", bytes) : format("{:.1f} {}", value, kNames[unit]);
}

std::string show_duration(Millis time) {
  const int64_t ms = time.count();
  if (ms < 60'000) return format("{:.1f}s", static_cast<double>(ms) / 1000);
  const int64_t s = ms / 1000;
  if (s < 3600) return format("{}m{:02}s", s / 60, s % 60);
  return format("{}h{:02}m", s / 3600, s / 60 % 60);
}

std::string show_count(int64_t count) {
  std::string digits = format("{}", count);
  for (size_t at = digits.size(); at > 3 + (count < 0 ? 1u : 0u);) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string_view nearest(std::string_view word, const std::string_view* first,
                         const std::string_view* last) {
  // Damerau-Levenshtein with adjacent swaps ("fitler" is one step from "filter").
  auto distance = [](std::string_view a, std::string_view b) {
    std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
      for (size_t j = 1; j <= b.size(); ++j) {
        const size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
        d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost});
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
          d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
      }
    }
    return d[a.size()][b.size()];
  };
  if (word.size() > 64) return {};
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (; first != last; ++first) {
    const size_t d = distance(word, *first);
    if (d < best_distance) {
      best_distance = d;
      best = *first;
    }
  }
  return best;
}

}  // namespace towpath
