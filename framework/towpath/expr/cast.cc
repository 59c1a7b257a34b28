#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "towpath/base/ascii.h"
#include "towpath/base/format.h"
#include "towpath/expr/calendar.h"
#include "towpath/expr/functions.h"
#include "towpath/expr/kernels.h"
#include "towpath/expr/operators.h"
#include "towpath/message/codec.h"
#include "towpath/message/json.h"

// int() float() string() bool() date() timestamp(). Texts are read as a whole, ASCII white space
// around them aside. int(float) cuts towards zero. A timestamp as a number is its seconds since
// 1970 (int: floored).

namespace towpath::expr {
namespace {

constexpr Fault kNotInt{"not an integer", true};
constexpr Fault kIntRange{"out of an int's range", true};
constexpr Fault kNotFloat{"not a number", true};
constexpr Fault kFloatRange{"out of a float's range", true};
constexpr Fault kNotBool{"neither true nor false", true};
constexpr Fault kNotDate{"not a date", true};
constexpr Fault kNotTimestamp{"not a timestamp", true};
constexpr Fault kFinerTime{"finer than a microsecond, which no timestamp is", true};
constexpr Fault kTimeRange{"timestamp out of range", false};
constexpr Fault kNull{"", false};  // no fault: the result is null

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kWhite = " \t\n\v\f\r";
  const size_t first = text.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

template <class Number>
std::errc read_number(std::string_view text, Number& out) {
  text = trimmed(text);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{}) return error;
  return end == text.data() + text.size() ? std::errc{} : std::errc::invalid_argument;
}

// Each converts one value; null, or what is wrong with it.
template <class From, class To>
const Fault* convert(From, To&);

template <>
const Fault* convert(int64_t from, double& to) {
  to = static_cast<double>(from);
  return nullptr;
}
template <>
const Fault* convert(double from, int64_t& to) {
  if (!(from >= -0x1p63 && from < 0x1p63)) {
    to = 0;
    return &kIntRange;  // NaN as well
  }
  to = static_cast<int64_t>(from);
  return nullptr;
}
template <>
const Fault* convert(std::string_view from, int64_t& to) {
  const std::errc error = read_number(from, to);
  if (error == std::errc{}) return nullptr;
  to = 0;
  return error == std::errc::result_out_of_range ? &kIntRange : &kNotInt;
}
template <>
const Fault* convert(std::string_view from, double& to) {
  const std::errc error = read_number(from, to);
  if (error == std::errc{}) return nullptr;
  to = 0;
  return error == std::errc::result_out_of_range ? &kFloatRange : &kNotFloat;
}
template <>
const Fault* convert(bool from, int64_t& to) {
  to = from ? 1 : 0;
  return nullptr;
}
template <>
const Fault* convert(bool from, double& to) {
  to = from ? 1 : 0;
  return nullptr;
}
template <>
const Fault* convert(int64_t from, bool& to) {
  to = from != 0;
  return nullptr;
}
template <>
const Fault* convert(double from, bool& to) {
  to = from != 0;
  return std::isnan(from) ? &kNotBool : nullptr;
}
template <>
const Fault* convert(std::string_view from, bool& to) {
  const std::string_view word = trimmed(from);
  to = same_letters(word, "true") || word == "1";
  return to || same_letters(word, "false") || word == "0" ? nullptr : &kNotBool;
}
const Fault* days_to_micros(int64_t days, int64_t& to) {
  return __builtin_mul_overflow(days, kDay, &to) ? &kTimeRange : nullptr;
}
template <>
const Fault* convert(int32_t from, int64_t& to) {
  return days_to_micros(from, to);
}
int32_t day_of(int64_t micros) { return static_cast<int32_t>(floor_divide(micros, kDay)); }
template <>
const Fault* convert(int64_t from, int32_t& to) {
  to = day_of(from);
  return nullptr;
}
template <>
const Fault* convert(std::string_view from, int32_t& to) {
  from = trimmed(from);
  if (read_date(from, to)) return nullptr;
  int64_t micros = 0;
  bool finer;  // of no interest to the day
  const bool is_time = read_timestamp(from, micros, &finer);
  to = is_time ? day_of(micros) : 0;
  return is_time ? nullptr : &kNotDate;
}
const Fault* text_to_timestamp(std::string_view from, int64_t& to) {
  from = trimmed(from);
  int32_t days = 0;
  bool finer = false;
  if (read_timestamp(from, to, &finer) && !finer) return nullptr;
  if (!finer && read_date(from, days)) return days_to_micros(days, to);
  to = 0;
  return finer ? &kFinerTime : &kNotTimestamp;
}
const Fault* seconds_to_timestamp(int64_t from, int64_t& to) {
  return __builtin_mul_overflow(from, kSecond, &to) ? &kTimeRange : nullptr;
}
const Fault* fraction_to_timestamp(double from, int64_t& to) {
  const double micros = std::round(from * 1e6);
  const Fault* fault = convert(micros, to);
  return fault == nullptr ? nullptr : &kTimeRange;
}
const Fault* timestamp_to_seconds(int64_t from, int64_t& to) {
  to = floor_divide(from, kSecond);
  return nullptr;
}
const Fault* timestamp_to_fraction(int64_t from, double& to) {
  to = static_cast<double>(from) / 1e6;
  return nullptr;
}

// An object that holds a value which can be read as a number.
template <class To>
const Fault* object_to(std::string_view from, To& to) {
  using Kind = Decoder::Kind;
  constexpr bool kInts = std::is_same_v<To, int64_t>;
  to = 0;
  Decoder value(from);
  switch (value.peek()) {
    case Kind::kNil:
      return &kNull;
    case Kind::kString:
      return convert(value.string(), to);
    case Kind::kBool:
      return convert(value.boolean(), to);
    case Kind::kInt:
    case Kind::kUint: {
      const Object number = value.object();  // beyond int64's range it stays unsigned
      if constexpr (kInts) {
        if (number.is_uint()) return &kIntRange;
        to = number.as_int();
      } else {
        to = number.as_float();
      }
      return nullptr;
    }
    case Kind::kFloat:
      if constexpr (kInts) {
        return convert(value.real(), to);
      } else {
        to = value.real();
        return nullptr;
      }
    default:
      return kInts ? &kNotInt : &kNotFloat;
  }
}
const Fault* object_to_date(std::string_view from, int32_t& to) {
  to = 0;
  Decoder value(from);
  if (value.peek() == Decoder::Kind::kNil) return &kNull;
  return value.peek() == Decoder::Kind::kString ? convert(value.string(), to) : &kNotDate;
}
template <>
const Fault* object_to(std::string_view from, bool& to) {
  using Kind = Decoder::Kind;
  to = false;
  Decoder value(from);
  const Kind kind = value.peek();
  if (kind == Kind::kNil) return &kNull;
  if (kind == Kind::kBool) {
    to = value.boolean();
    return nullptr;
  }
  if (kind == Kind::kString) return convert(value.string(), to);
  int64_t integer = 0;
  const Fault* fault = object_to(from, integer);
  to = integer != 0;
  return fault == nullptr ? nullptr : &kNotBool;
}
const Fault* object_to_timestamp(std::string_view from, int64_t& to) {
  to = 0;
  Decoder value(from);
  if (value.peek() == Decoder::Kind::kNil) return &kNull;
  if (value.peek() == Decoder::Kind::kString) return text_to_timestamp(value.string(), to);
  if (value.peek() == Decoder::Kind::kFloat) return fraction_to_timestamp(value.real(), to);
  int64_t seconds = 0;
  if (object_to(from, seconds) != nullptr) return &kNotTimestamp;
  return seconds_to_timestamp(seconds, to);
}

template <class From, class To, const Fault* (*one)(From, To&)>
void cast_values(Node& self, const Chunk& chunk) {
  const auto from = many<From>(self.arg(0));
  auto faulty = [&](int64_t i, const Fault* fault) {
    if (self.out.is_null(i)) return;
    if (fault == &kNull) {
      self.set_null(i);
    } else {
      self.fail(i, *fault);
    }
  };
  if constexpr (std::is_same_v<To, bool>) {
    uint64_t* bits = self.bits(chunk.rows);
    for (int64_t i = 0; i < chunk.rows; ++i) {
      bool value = false;
      if (const Fault* fault = one(from[i], value)) faulty(i, fault);
      const uint64_t bit = uint64_t{1} << (i % 64);
      bits[i / 64] = (i % 64 == 0 ? 0 : bits[i / 64] & ~bit) | (value ? bit : 0);
    }
  } else {
    To* out = self.fixed<To>(chunk.rows);
    for (int64_t i = 0; i < chunk.rows; ++i) {
      // A null object has no bytes to decode.
      if constexpr (std::is_same_v<From, std::string_view>) {
        if (self.out.is_null(i)) {
          out[i] = 0;
          continue;
        }
      }
      if (const Fault* fault = one(from[i], out[i])) faulty(i, fault);
    }
  }
}

void write(std::string& out, bool value) { out += value ? "true" : "false"; }
void write(std::string& out, int64_t value) { format_to(std::back_inserter(out), "{}", value); }
void write(std::string& out, double value) { append_float(out, value); }
void write(std::string& out, int32_t days) { append_date(out, days); }

template <class From>
void to_text(Node& self, const Chunk& chunk) {
  const auto from = many<From>(self.arg(0));
  std::string shown;
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    shown.clear();
    write(shown, from[i]);
    out.put(shown);
  });
}

void timestamp_to_text(Node& self, const Chunk& chunk) {
  const auto from = many<int64_t>(self.arg(0));
  std::string shown;
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    shown.clear();
    append_timestamp(shown, from[i]);
    out.put(shown);
  });
}

void text_to_text(Node& self, const Chunk& chunk) {
  const auto from = many<std::string_view>(self.arg(0));
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) { out.put(from[i]); });
}

// A string as itself, all else as its JSON text.
void object_to_text(Node& self, const Chunk& chunk) {
  const auto from = many<std::string_view>(self.arg(0));
  fill_text(self, chunk.rows, [&](TextWriter& out, int64_t i) {
    Decoder value(from[i]);
    const auto kind = value.peek();
    if (kind == Decoder::Kind::kNil) {
      self.set_null(i);
      out.end_row();
    } else if (kind == Decoder::Kind::kString) {
      out.put(value.string());
    } else {
      out.put(to_json(value.object()));
    }
  });
}

Node::Kernel to_int(Type from) {
  switch (from) {
    case Type::kBool:
      return cast_values<bool, int64_t, convert<bool, int64_t>>;
    case Type::kFloat:
      return cast_values<double, int64_t, convert<double, int64_t>>;
    case Type::kString:
      return cast_values<std::string_view, int64_t, convert<std::string_view, int64_t>>;
    case Type::kTimestamp:
      return cast_values<int64_t, int64_t, timestamp_to_seconds>;
    case Type::kObject:
      return cast_values<std::string_view, int64_t, object_to<int64_t>>;
    default:
      return nullptr;
  }
}

Node::Kernel to_float(Type from) {
  switch (from) {
    case Type::kBool:
      return cast_values<bool, double, convert<bool, double>>;
    case Type::kInt:
      return cast_values<int64_t, double, convert<int64_t, double>>;
    case Type::kString:
      return cast_values<std::string_view, double, convert<std::string_view, double>>;
    case Type::kTimestamp:
      return cast_values<int64_t, double, timestamp_to_fraction>;
    case Type::kObject:
      return cast_values<std::string_view, double, object_to<double>>;
    default:
      return nullptr;
  }
}

Node::Kernel to_string(Type from) {
  switch (from) {
    case Type::kBool:
      return to_text<bool>;
    case Type::kInt:
      return to_text<int64_t>;
    case Type::kFloat:
      return to_text<double>;
    case Type::kDate:
      return to_text<int32_t>;
    case Type::kTimestamp:
      return timestamp_to_text;
    case Type::kBinary:
      return text_to_text;
    case Type::kObject:
      return object_to_text;
    default:
      return nullptr;
  }
}

Node::Kernel to_bool(Type from) {
  switch (from) {
    case Type::kInt:
      return cast_values<int64_t, bool, convert<int64_t, bool>>;
    case Type::kFloat:
      return cast_values<double, bool, convert<double, bool>>;
    case Type::kString:
      return cast_values<std::string_view, bool, convert<std::string_view, bool>>;
    case Type::kObject:
      return cast_values<std::string_view, bool, object_to<bool>>;
    default:
      return nullptr;
  }
}

Node::Kernel to_date(Type from) {
  switch (from) {
    case Type::kTimestamp:
      return cast_values<int64_t, int32_t, convert<int64_t, int32_t>>;
    case Type::kString:
      return cast_values<std::string_view, int32_t, convert<std::string_view, int32_t>>;
    case Type::kObject:
      return cast_values<std::string_view, int32_t, object_to_date>;
    default:
      return nullptr;
  }
}

Node::Kernel to_timestamp(Type from) {
  switch (from) {
    case Type::kInt:
      return cast_values<int64_t, int64_t, seconds_to_timestamp>;
    case Type::kFloat:
      return cast_values<double, int64_t, fraction_to_timestamp>;
    case Type::kString:
      return cast_values<std::string_view, int64_t, text_to_timestamp>;
    case Type::kDate:
      return cast_values<int32_t, int64_t, convert<int32_t, int64_t>>;
    case Type::kObject:
      return cast_values<std::string_view, int64_t, object_to_timestamp>;
    default:
      return nullptr;
  }
}

template <Type to>
NodePtr bind_cast(Call& call) {
  if (call.args[0]->untyped) call.typer.coerce(call.args[0], to);
  const Type from = call.type(0);
  if (from == to) return std::move(call.args[0]);
  const Node::Kernel kernel = cast_kernel(from, to);
  if (kernel == nullptr) {
    fail_at(call.span, format("{} can't be made of {}", with_article(to), with_article(from)),
            from == Type::kDate ? "year, month, day and date_diff take dates" : "");
  }
  return call.make(to, kernel);
}

constexpr Function kFunctions[] = {
    {"int", "int(x)", 1, 1, bind_cast<Type::kInt>},
    {"float", "float(x)", 1, 1, bind_cast<Type::kFloat>},
    {"string", "string(x)", 1, 1, bind_cast<Type::kString>},
    {"bool", "bool(x)", 1, 1, bind_cast<Type::kBool>},
    {"date", "date(x)", 1, 1, bind_cast<Type::kDate>},
    {"timestamp", "timestamp(x)", 1, 1, bind_cast<Type::kTimestamp>},
};

}  // namespace

Node::Kernel cast_kernel(Type from, Type to) {
  switch (to) {
    case Type::kInt:
      return to_int(from);
    case Type::kFloat:
      return to_float(from);
    case Type::kString:
      return to_string(from);
    case Type::kBool:
      return to_bool(from);
    case Type::kDate:
      return to_date(from);
    case Type::kTimestamp:
      return to_timestamp(from);
    default:
      return nullptr;
  }
}

std::span<const Function> cast_functions() { return kFunctions; }

}  // namespace towpath::expr
