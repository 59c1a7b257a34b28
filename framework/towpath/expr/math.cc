#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

#include "towpath/base/format.h"
#include "towpath/expr/functions.h"
#include "towpath/expr/kernels.h"
#include "towpath/expr/operators.h"

// abs round floor ceil min max pow sqrt log exp. round, floor and ceil keep the type of their
// argument.

namespace towpath::expr {
namespace {

constexpr Fault kOverflow{"integer overflow", false};
constexpr Fault kNegative{"the argument is negative", true};
constexpr Fault kNotPositive{"the argument is not positive", true};
constexpr Fault kDivision{"division by zero", false};
constexpr Fault kNotReal{"no real result", false};

constexpr std::array<double, 23> kPowers = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                            1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                            1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Rounds the shortest decimal text of x, so that 2.675 gives 2.68 though its bits stand just below.
double round_text(double x, int64_t digits) {
  char buffer[40];
  const auto written =
      std::to_chars(buffer, buffer + sizeof buffer, std::fabs(x), std::chars_format::scientific);
  std::string kept;  // the digits, without point
  const char* at = buffer;
  for (; at != written.ptr && *at != 'e'; ++at) {
    if (*at != '.') kept += *at;
  }
  ++at;
  if (*at == '+') ++at;
  int64_t exponent = 0;  // of the first digit
  std::from_chars(at, written.ptr, exponent);
  const int64_t keep = exponent + 1 + digits;
  if (keep < 0) return std::copysign(0.0, x);
  if (keep >= static_cast<int64_t>(kept.size())) return x;
  const auto count = static_cast<size_t>(keep);
  const bool up = kept[count] >= '5';
  kept.resize(count);
  if (up) {
    size_t i = count;
    while (i > 0 && kept[i - 1] == '9') kept[--i] = '0';
    if (i > 0) {
      ++kept[i - 1];
    } else {
      kept = '1' + kept;
      ++exponent;
    }
  }
  if (kept.empty()) return std::copysign(0.0, x);
  const std::string text = format("{}.{}e{}", kept[0], std::string_view(kept).substr(1), exponent);
  double rounded = 0;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return std::copysign(rounded, x);
}

// The float nearest to x rounded in decimal, half away from zero.
double round_decimal(double x, int64_t digits) {
  if (digits == 0) return std::round(x);
  if (!std::isfinite(x) || digits > 400) return x;
  if (digits < -400) return std::copysign(0.0, x);
  const auto size = static_cast<size_t>(std::abs(digits));
  if (size < kPowers.size()) {
    const double power = kPowers[size];
    const double scaled = std::fabs(digits > 0 ? x * power : x / power);
    const double whole = std::trunc(scaled);
    const double fraction = scaled - whole;
    // Scaling errs by half a unit in the last place, as x itself did: nearer to a tie the text
    // decides.
    if (scaled < 1e15 && std::fabs(fraction - 0.5) > scaled * 0x1p-50) {
      const double rounded = fraction > 0.5 ? whole + 1 : whole;
      return std::copysign(digits > 0 ? rounded / power : rounded * power, x);
    }
  }
  return round_text(x, digits);
}

// Half away from zero to a multiple of 10^-digits. True: overflow.
bool round_int(int64_t x, int64_t digits, int64_t& out) {
  out = x;
  if (digits >= 0) return false;
  out = 0;
  if (digits < -19) return false;
  if (digits == -19) return x >= 5'000'000'000'000'000'000 || x <= -5'000'000'000'000'000'000;
  const auto power = static_cast<int64_t>(kPowers[static_cast<size_t>(-digits)]);
  const int64_t rest = x % power;
  out = x - rest;
  if (std::abs(rest) < power - std::abs(rest)) return false;
  return __builtin_add_overflow(out, rest > 0 ? power : -power, &out);
}

void abs_ints(Node& self, const Chunk& chunk) {
  const auto x = many<int64_t>(self.arg(0));
  int64_t* out = self.fixed<int64_t>(chunk.rows);
  bool any = false;
  for (int64_t i = 0; i < chunk.rows; ++i) {
    const int64_t sign = x[i] >> 63;
    any |= __builtin_sub_overflow(x[i] ^ sign, sign, &out[i]);
  }
  if (any) fail_where(self, chunk.rows, kOverflow, [&](int64_t i) { return x[i] == INT64_MIN; });
}

template <double (*function)(double)>
void map_floats(Node& self, const Chunk& chunk) {
  const auto x = many<double>(self.arg(0));
  fill<double>(self, chunk.rows, [&](int64_t i) { return function(x[i]); });
}
double abs_of(double x) { return std::fabs(x); }
double round_of(double x) { return std::round(x); }
double floor_of(double x) { return std::floor(x); }
double ceil_of(double x) { return std::ceil(x); }
double exp_of(double x) { return std::exp(x); }

void square_root(Node& self, const Chunk& chunk) {
  const auto x = many<double>(self.arg(0));
  double* out = self.fixed<double>(chunk.rows);
  bool any = false;
  for (int64_t i = 0; i < chunk.rows; ++i) {
    any |= x[i] < 0;
    out[i] = std::sqrt(x[i]);
  }
  if (any) fail_where(self, chunk.rows, kNegative, [&](int64_t i) { return x[i] < 0; });
}

void logarithm(Node& self, const Chunk& chunk) {
  const auto x = many<double>(self.arg(0));
  double* out = self.fixed<double>(chunk.rows);
  bool any = false;
  for (int64_t i = 0; i < chunk.rows; ++i) {
    any |= x[i] <= 0;
    out[i] = std::log(x[i]);
  }
  if (any) fail_where(self, chunk.rows, kNotPositive, [&](int64_t i) { return x[i] <= 0; });
}

void power(Node& self, const Chunk& chunk) {
  with_values<double>(self.arg(0), [&](auto x) {
    with_values<double>(self.arg(1), [&](auto y) {
      double* out = self.fixed<double>(chunk.rows);
      bool any = false;
      for (int64_t i = 0; i < chunk.rows; ++i) {
        out[i] = std::pow(x[i], y[i]);
        any |= !std::isfinite(out[i]);
      }
      if (!any) return;
      fail_where(self, chunk.rows, kDivision, [&](int64_t i) { return x[i] == 0 && y[i] < 0; });
      fail_where(self, chunk.rows, kNotReal, [&](int64_t i) {
        return std::isnan(out[i]) && !std::isnan(x[i]) && !std::isnan(y[i]);
      });
    });
  });
}

void round_floats(Node& self, const Chunk& chunk) {
  with_values<double>(self.arg(0), [&](auto x) {
    with_values<int64_t>(self.arg(1), [&](auto digits) {
      fill<double>(self, chunk.rows, [&](int64_t i) { return round_decimal(x[i], digits[i]); });
    });
  });
}

void round_ints(Node& self, const Chunk& chunk) {
  with_values<int64_t>(self.arg(0), [&](auto x) {
    with_values<int64_t>(self.arg(1), [&](auto digits) {
      int64_t* out = self.fixed<int64_t>(chunk.rows);
      bool any = false;
      for (int64_t i = 0; i < chunk.rows; ++i) any |= round_int(x[i], digits[i], out[i]);
      if (!any) return;
      fail_where(self, chunk.rows, kOverflow, [&](int64_t i) {
        int64_t unused;
        return round_int(x[i], digits[i], unused);
      });
    });
  });
}

// The least or greatest argument; NaN when one is NaN.
template <class T, bool least>
void extreme(Node& self, const Chunk& chunk) {
  T* out = self.fixed<T>(chunk.rows);
  with_values<T>(self.arg(0), [&](auto x) {
    for (int64_t i = 0; i < chunk.rows; ++i) out[i] = x[i];
  });
  for (size_t k = 1; k < self.args.size(); ++k) {
    with_values<T>(self.arg(k), [&](auto x) {
      for (int64_t i = 0; i < chunk.rows; ++i) {
        const T value = x[i];
        const bool better = least ? value < out[i] : value > out[i];
        out[i] = better || value != value ? value : out[i];
      }
    });
  }
}

template <bool least>
void extreme_text(Node& self, const Chunk& chunk) {
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    std::string_view best = self.arg(0).text_at(i);
    for (size_t k = 1; k < self.args.size(); ++k) {
      const std::string_view value = self.arg(k).text_at(i);
      if (least ? value < best : value > best) best = value;
    }
    out.put(best);
  });
}

template <bool least>
NodePtr bind_extreme(Call& call) {
  switch (const Type type = call.want_same(0)) {
    case Type::kInt:
    case Type::kTimestamp:
      return call.make(type, extreme<int64_t, least>);
    case Type::kFloat:
      return call.make(type, extreme<double, least>);
    case Type::kDate:
      return call.make(type, extreme<int32_t, least>);
    case Type::kString:
    case Type::kBinary:
      return call.make(type, extreme_text<least>);
    default:
      call.wrong(0, "values that have an order");
  }
}

NodePtr bind_abs(Call& call) {
  if (call.want_number(0)) return call.make(Type::kInt, abs_ints);
  return call.make(Type::kFloat, map_floats<abs_of>);
}

NodePtr bind_round(Call& call) {
  const bool is_int = call.want_number(0);
  if (call.size() == 1) {
    if (is_int) return std::move(call.args[0]);
    return call.make(Type::kFloat, map_floats<round_of>);
  }
  call.want(1, Type::kInt);
  return is_int ? call.make(Type::kInt, round_ints) : call.make(Type::kFloat, round_floats);
}

template <double (*function)(double)>
NodePtr bind_whole(Call& call) {
  if (call.want_number(0)) return std::move(call.args[0]);
  return call.make(Type::kFloat, map_floats<function>);
}

template <Node::Kernel kernel>
NodePtr bind_floats(Call& call) {
  for (size_t i = 0; i < call.size(); ++i) call.want_number(i);
  call.want_from(0, Type::kFloat);
  return call.make(Type::kFloat, kernel);
}

constexpr Function kFunctions[] = {
    {"abs", "abs(x)", 1, 1, bind_abs},
    {"round", "round(x[, digits])", 1, 2, bind_round},
    {"floor", "floor(x)", 1, 1, bind_whole<floor_of>},
    {"ceil", "ceil(x)", 1, 1, bind_whole<ceil_of>},
    {"min", "min(a, b, …)", 2, kAnyNumber, bind_extreme<true>},
    {"max", "max(a, b, …)", 2, kAnyNumber, bind_extreme<false>},
    {"pow", "pow(x, y)", 2, 2, bind_floats<power>},
    {"sqrt", "sqrt(x)", 1, 1, bind_floats<square_root>},
    {"log", "log(x)", 1, 1, bind_floats<logarithm>},
    {"exp", "exp(x)", 1, 1, bind_floats<map_floats<exp_of>>},
};

}  // namespace

std::span<const Function> math_functions() { return kFunctions; }

}  // namespace towpath::expr
