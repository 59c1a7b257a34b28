#include "towpath/config/number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include "towpath/base/format.h"

namespace towpath {
namespace {

bool all_of(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == text.npos;
}

constexpr std::string_view kDigits = "0123456789";

// 0x10, 0o17, 0b11: the decimal form, where there is one.
Number with_base(std::string_view digits, int base, std::string_view sign) {
  Number number{.kind = Number::Kind::kAmbiguous, .hint = "write it in decimal"};
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error == std::errc{} && end == digits.data() + digits.size()) {
    number.hint = format("write {}{} if you mean that", sign, value);
  } else if (error != std::errc::result_out_of_range) {
    number.kind = Number::Kind::kNone;
  }
  return number;
}

}  // namespace

Number read_number(std::string_view text) {
  std::string_view digits = text;
  std::string_view sign;
  if (digits.starts_with('-') || digits.starts_with('+')) {
    if (digits[0] == '-') sign = "-";
    digits.remove_prefix(1);
  }
  if (digits.empty() || (digits[0] != '.' && kDigits.find(digits[0]) == kDigits.npos)) return {};
  if (digits.size() > 2 && digits[0] == '0') {
    if (digits[1] == 'x' || digits[1] == 'X') return with_base(digits.substr(2), 16, sign);
    if (digits[1] == 'o') return with_base(digits.substr(2), 8, sign);
    if (digits[1] == 'b') return with_base(digits.substr(2), 2, sign);
  }
  if (all_of(digits, "0123456789_") && digits.find('_') != digits.npos) {
    std::string plain(digits);
    plain.erase(std::remove(plain.begin(), plain.end(), '_'), plain.end());
    return {.kind = Number::Kind::kAmbiguous, .hint = format("write {}{}", sign, plain)};
  }
  if (all_of(digits, kDigits)) {
    if (digits.size() > 1 && digits[0] == '0') {
      const std::string_view rest =
          digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1));
      return {.kind = Number::Kind::kAmbiguous,
              .hint = format("write {}{}, or quote it to make it text", sign, rest)};
    }
    const std::string signed_digits = std::string(sign) + std::string(digits);
    Number number{.kind = Number::Kind::kInt};
    const auto [end, error] = std::from_chars(
        signed_digits.data(), signed_digits.data() + signed_digits.size(), number.integer);
    if (error != std::errc{}) number.kind = Number::Kind::kTooLarge;
    number.real = static_cast<double>(number.integer);
    return number;
  }
  if (digits.size() > 1 && digits[0] == '0' && kDigits.find(digits[1]) != kDigits.npos) return {};
  Number number{.kind = Number::Kind::kFloat};
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number.real);
  if (end != digits.data() + digits.size() || error == std::errc::invalid_argument) return {};
  if (error != std::errc{}) number.kind = Number::Kind::kTooLarge;
  if (!sign.empty()) number.real = -number.real;
  return number;
}

}  // namespace towpath
