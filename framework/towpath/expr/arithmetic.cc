#include <cmath>
#include <limits>

#include "towpath/expr/kernels.h"
#include "towpath/expr/operators.h"

// + - * / // % and minus. Integers are exact or fail; // and % floor, as in Python.

namespace towpath::expr {
namespace {

constexpr Fault kOverflow{"integer overflow", false};
constexpr Fault kDivision{"division by zero", false};
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

struct Add {
  static bool checked(int64_t a, int64_t b, int64_t* out) {
    return __builtin_add_overflow(a, b, out);
  }
  static double of(double a, double b) { return a + b; }
};
struct Subtract {
  static bool checked(int64_t a, int64_t b, int64_t* out) {
    return __builtin_sub_overflow(a, b, out);
  }
  static double of(double a, double b) { return a - b; }
};
struct Multiply {
  static bool checked(int64_t a, int64_t b, int64_t* out) {
    return __builtin_mul_overflow(a, b, out);
  }
  static double of(double a, double b) { return a * b; }
};
struct Divide {
  static double of(double a, double b) { return a / b; }
};
struct FloorDivide {
  static int64_t of(int64_t a, int64_t b) {
    if (b == -1) return a == kLeast ? 0 : -a;
    const int64_t quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
  }
  static bool overflows(int64_t a, int64_t b) { return a == kLeast && b == -1; }
  static double of(double a, double b) {
    const double rest = std::fmod(a, b);
    double quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
    if (quotient == 0) return std::copysign(0.0, a / b);
    const double floored = std::floor(quotient);
    return quotient - floored > 0.5 ? floored + 1 : floored;
  }
};
struct Modulo {
  static int64_t of(int64_t a, int64_t b) {
    if (b == -1) return 0;  // also of the smallest int, where the machine would trap
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
  static bool overflows(int64_t, int64_t) { return false; }
  static double of(double a, double b) {
    const double rest = std::fmod(a, b);
    if (rest == 0) return std::copysign(0.0, b);
    return (b < 0) != (rest < 0) ? rest + b : rest;
  }
};

// Calls `loop` with the values of both arguments.
template <class T, class Loop>
void with_both(Node& self, Loop loop) {
  with_values<T>(self.arg(0),
                 [&](auto a) { with_values<T>(self.arg(1), [&](auto b) { loop(a, b); }); });
}

template <class Operation>
void checked_ints(Node& self, const Chunk& chunk) {
  with_both<int64_t>(self, [&](auto a, auto b) {
    int64_t* out = self.fixed<int64_t>(chunk.rows);
    bool any = false;
    for (int64_t i = 0; i < chunk.rows; ++i) any |= Operation::checked(a[i], b[i], &out[i]);
    if (!any) return;
    fail_where(self, chunk.rows, kOverflow, [&](int64_t i) {
      int64_t unused;
      return Operation::checked(a[i], b[i], &unused);
    });
  });
}

template <class Operation>
void divided_ints(Node& self, const Chunk& chunk) {
  with_both<int64_t>(self, [&](auto a, auto b) {
    int64_t* out = self.fixed<int64_t>(chunk.rows);
    bool zero = false, overflow = false;
    for (int64_t i = 0; i < chunk.rows; ++i) {
      const int64_t divisor = b[i];
      zero |= divisor == 0;
      overflow |= Operation::overflows(a[i], divisor);
      out[i] = Operation::of(a[i], divisor == 0 ? 1 : divisor);
    }
    if (zero) fail_where(self, chunk.rows, kDivision, [&](int64_t i) { return b[i] == 0; });
    if (overflow) {
      fail_where(self, chunk.rows, kOverflow,
                 [&](int64_t i) { return Operation::overflows(a[i], b[i]); });
    }
  });
}

template <class Operation>
void floats(Node& self, const Chunk& chunk) {
  with_both<double>(self, [&](auto a, auto b) {
    fill<double>(self, chunk.rows, [&](int64_t i) { return Operation::of(a[i], b[i]); });
  });
}

template <class Operation>
void divided_floats(Node& self, const Chunk& chunk) {
  with_both<double>(self, [&](auto a, auto b) {
    double* out = self.fixed<double>(chunk.rows);
    bool zero = false;
    for (int64_t i = 0; i < chunk.rows; ++i) {
      zero |= b[i] == 0;
      out[i] = Operation::of(a[i], b[i]);
    }
    if (zero) fail_where(self, chunk.rows, kDivision, [&](int64_t i) { return b[i] == 0; });
  });
}

void negate_ints(Node& self, const Chunk& chunk) {
  const auto a = many<int64_t>(self.arg(0));
  int64_t* out = self.fixed<int64_t>(chunk.rows);
  bool any = false;
  for (int64_t i = 0; i < chunk.rows; ++i) any |= __builtin_sub_overflow(int64_t{0}, a[i], &out[i]);
  if (any) fail_where(self, chunk.rows, kOverflow, [&](int64_t i) { return a[i] == kLeast; });
}

void negate_floats(Node& self, const Chunk& chunk) {
  const auto a = many<double>(self.arg(0));
  fill<double>(self, chunk.rows, [&](int64_t i) { return -a[i]; });
}

}  // namespace

Node::Kernel arithmetic_kernel(Operator operation, Type type) {
  const bool ints = type == Type::kInt;
  switch (operation) {
    case Operator::kAdd:
      return ints ? checked_ints<Add> : floats<Add>;
    case Operator::kSubtract:
      return ints ? checked_ints<Subtract> : floats<Subtract>;
    case Operator::kMultiply:
      return ints ? checked_ints<Multiply> : floats<Multiply>;
    case Operator::kDivide:
      return divided_floats<Divide>;
    case Operator::kFloorDivide:
      return ints ? divided_ints<FloorDivide> : divided_floats<FloorDivide>;
    case Operator::kModulo:
      return ints ? divided_ints<Modulo> : divided_floats<Modulo>;
  }
  return nullptr;
}

Node::Kernel negate_kernel(Type type) { return type == Type::kInt ? negate_ints : negate_floats; }

}  // namespace towpath::expr
