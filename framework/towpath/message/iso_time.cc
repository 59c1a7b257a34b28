#include <charconv>

#include "towpath/message/json.h"

// Dates and timestamps as ISO 8601 text, declared in json.h.

namespace towpath {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

struct Civil {
  int64_t year;
  unsigned month, day;
};

// Howard Hinnant's algorithms: https://howardhinnant.github.io/date_algorithms.html. (std::chrono's
// own end at the year 32767.)
constexpr Civil civil_of(int64_t days) {
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const auto day_of_era = static_cast<unsigned>(days - era * 146'097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned shifted = (5 * day_of_year + 2) / 153;
  const unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1};
}

constexpr int64_t days_of(const Civil& civil) {
  const int64_t year = civil.year - (civil.month <= 2);
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto year_of_era = static_cast<unsigned>(year - era * 400);
  const unsigned shifted = civil.month > 2 ? civil.month - 3 : civil.month + 9;
  const unsigned day_of_year = (153 * shifted + 2) / 5 + civil.day - 1;
  const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

constexpr unsigned days_in(int64_t year, unsigned month) {
  constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

void append_digits(std::string& out, uint64_t number, int width) {
  char digits[20];
  for (int i = width - 1; i >= 0; --i, number /= 10)
    digits[i] = static_cast<char>('0' + number % 10);
  out.append(digits, static_cast<size_t>(width));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes exactly `width` digits from the front.
bool take_digits(std::string_view& text, size_t width, int64_t& number) {
  if (text.size() < width) return false;
  number = 0;
  for (size_t i = 0; i < width; ++i) {
    if (!is_digit(text[i])) return false;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(width);
  return true;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text[0] != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// A date from the front. Years without sign have four digits, with sign four to seven.
bool take_date(std::string_view& text, int64_t& days) {
  const bool negative = take(text, '-');
  size_t width = 4;
  if (negative || take(text, '+')) {
    for (width = 0; width < text.size() && is_digit(text[width]);) ++width;
    if (width < 4 || width > 7) return false;
  }
  int64_t year, month, day;
  if (!take_digits(text, width, year) || !take(text, '-') || !take_digits(text, 2, month) ||
      !take(text, '-') || !take_digits(text, 2, day)) {
    return false;
  }
  if (negative) year = -year;
  if (month < 1 || month > 12 || day < 1 || day > days_in(year, static_cast<unsigned>(month))) {
    return false;
  }
  days = days_of({year, static_cast<unsigned>(month), static_cast<unsigned>(day)});
  return true;
}

// ":30", ".25": what may follow a minute; in microseconds. `finer`: digits that
// count were behind them, and are dropped.
bool take_seconds(std::string_view& text, int64_t& micros, bool& finer) {
  micros = 0;
  if (!take(text, ':')) return true;
  int64_t second;
  if (!take_digits(text, 2, second) || second > 59) return false;
  micros = second * kMicrosPerSecond;
  if (!take(text, '.')) return true;
  if (text.empty() || !is_digit(text[0])) return false;
  for (int64_t unit = kMicrosPerSecond / 10; !text.empty() && is_digit(text[0]); unit /= 10) {
    finer |= unit == 0 && text[0] != '0';
    micros += (text[0] - '0') * unit;
    text.remove_prefix(1);
  }
  return true;
}

// "Z", "+02:00", or nothing; in minutes.
bool take_zone(std::string_view& text, int64_t& minutes) {
  minutes = 0;
  if (text.empty() || take(text, 'Z')) return true;
  const bool west = text[0] == '-';
  if (!west && text[0] != '+') return false;
  text.remove_prefix(1);
  int64_t hour, minute;
  if (!take_digits(text, 2, hour) || !take(text, ':') || !take_digits(text, 2, minute) ||
      hour > 23 || minute > 59) {
    return false;
  }
  minutes = west ? -(hour * 60 + minute) : hour * 60 + minute;
  return true;
}

void append_civil(std::string& out, int64_t days) {
  const Civil civil = civil_of(days);
  const auto year = static_cast<uint64_t>(civil.year < 0 ? -civil.year : civil.year);
  if (civil.year < 0 || year > 9999) out += civil.year < 0 ? '-' : '+';
  int width = 4;
  for (uint64_t limit = 10'000; year >= limit; limit *= 10) ++width;
  append_digits(out, year, width);
  out += '-';
  append_digits(out, civil.month, 2);
  out += '-';
  append_digits(out, civil.day, 2);
}

}  // namespace

void append_date(std::string& out, int32_t days) { append_civil(out, days); }

void append_timestamp(std::string& out, int64_t micros) {
  int64_t days = micros / kMicrosPerDay;
  int64_t rest = micros % kMicrosPerDay;
  if (rest < 0) {
    rest += kMicrosPerDay;
    --days;
  }
  append_civil(out, days);
  const auto seconds = static_cast<uint64_t>(rest / kMicrosPerSecond);
  auto fraction = static_cast<uint64_t>(rest % kMicrosPerSecond);
  out += 'T';
  append_digits(out, seconds / 3600, 2);
  out += ':';
  append_digits(out, seconds / 60 % 60, 2);
  out += ':';
  append_digits(out, seconds % 60, 2);
  if (fraction != 0) {
    int width = 6;
    for (; fraction % 10 == 0; fraction /= 10) --width;
    out += '.';
    append_digits(out, fraction, width);
  }
  out += 'Z';
}

bool read_date(std::string_view text, int32_t& days) {
  int64_t found;
  if (!take_date(text, found) || !text.empty() || !std::in_range<int32_t>(found)) return false;
  days = static_cast<int32_t>(found);
  return true;
}

bool read_timestamp(std::string_view text, int64_t& micros, bool* finer) {
  int64_t days, hour, minute, rest, zone;
  bool dropped = false;
  if (!take_date(text, days) || (!take(text, 'T') && !take(text, ' ')) ||
      !take_digits(text, 2, hour) || hour > 23 || !take(text, ':') ||
      !take_digits(text, 2, minute) || minute > 59 || !take_seconds(text, rest, dropped) ||
      !take_zone(text, zone) || !text.empty() || (dropped && finer == nullptr)) {
    return false;
  }
  rest += (hour * 60 + minute - zone) * 60 * kMicrosPerSecond;
  int64_t sum;
  // The first day in range begins before the range does: its product overflows, its sum doesn't.
  const int64_t shift = days < 0 ? 1 : 0;
  if (__builtin_mul_overflow(days + shift, kMicrosPerDay, &sum) ||
      __builtin_add_overflow(sum, rest - shift * kMicrosPerDay, &sum)) {
    return false;
  }
  if (finer != nullptr) *finer = dropped;
  micros = sum;
  return true;
}

}  // namespace towpath
