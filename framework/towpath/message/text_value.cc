#include "towpath/message/text_value.h"

#include <charconv>

#include "towpath/base/ascii.h"
#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/json.h"

namespace towpath {
namespace {

template <class T>
bool read_number(std::string_view text, T& value) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, value);
  return error == std::errc() && stop == end && !text.empty();
}

constexpr unsigned bit(Type type) { return 1u << static_cast<unsigned>(type); }

enum class NumberForm { kNone, kInt, kFloat };

// Of a text that reads as a number: kNone where its value alone would not say how it was written.
NumberForm form_of(std::string_view text) {
  const size_t first = text.starts_with('-') ? 1 : 0;
  size_t digits = 0;
  while (first + digits < text.size() && text[first + digits] >= '0' &&
         text[first + digits] <= '9') {
    ++digits;
  }
  if (digits > 1 && text[first] == '0') return NumberForm::kNone;
  if (first + digits < text.size()) {
    // Words as "inf" or "nan" may be names.
    return text.find_first_not_of("+-.0123456789eE") == text.npos ? NumberForm::kFloat
                                                                  : NumberForm::kNone;
  }
  return NumberForm::kInt;
}

}  // namespace

bool read_bool(std::string_view text, bool& value) {
  value = same_letters(text, "true");
  return value || same_letters(text, "false");
}

bool read_int(std::string_view text, int64_t& value) { return read_number(text, value); }
bool read_float(std::string_view text, double& value) { return read_number(text, value); }

bool TextValue::read(Type type, std::string_view from) {
  null = false;
  switch (type) {
    case Type::kBool:
      return read_bool(from, boolean);
    case Type::kInt:
      return read_int(from, integer);
    case Type::kFloat:
      return read_float(from, real);
    case Type::kDate:
      return read_date(from, days);
    case Type::kTimestamp:
      return read_timestamp(from, integer);
    case Type::kString:
    case Type::kBinary:
      text = from;
      return true;
    case Type::kObject:
      break;
  }
  throw Bug("a text is not an object");
}

void TextValue::put(ColumnBuilder& column) const {
  if (null) return column.put_null();
  switch (column.type()) {
    case Type::kBool:
      return column.put_bool(boolean);
    case Type::kInt:
    case Type::kTimestamp:
      return column.put_int(integer);
    case Type::kFloat:
      return column.put_float(real);
    case Type::kDate:
      return column.put_date(days);
    case Type::kString:
    case Type::kBinary:
    case Type::kObject:
      return column.put_text(text);
  }
}

std::string misfit(std::string_view column, std::string_view text, Type type) {
  constexpr size_t kShown = 100;
  return misfit_of(
      column, format("\"{}\"{}", text.substr(0, kShown), text.size() > kShown ? "…" : ""), type);
}

std::string misfit_of(std::string_view column, std::string_view shown, Type type) {
  if (type == Type::kTimestamp) {
    std::string_view text = shown;
    if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
    int64_t micros;
    if (bool finer; read_timestamp(text, micros, &finer) && finer) {
      return format("{}: {} is finer than a microsecond, which no timestamp is; a string keeps it",
                    column, shown);
    }
  }
  const bool vowel = type == Type::kInt || type == Type::kObject;
  return format("{}: {} is not {} {}", column, shown, vowel ? "an" : "a", type_name(type));
}

void TypeGuess::look(std::string_view text) {
  constexpr unsigned kNumbers = bit(Type::kInt) | bit(Type::kFloat);
  if (!seen_) open_ = kNumbers | bit(Type::kBool) | bit(Type::kDate) | bit(Type::kTimestamp);
  seen_ = true;
  if (open_ & bit(Type::kBool) && text != "true" && text != "false") open_ &= ~bit(Type::kBool);
  if (open_ & kNumbers) {
    const NumberForm form = form_of(text);
    int64_t integer;
    double real;
    const bool is_int = form == NumberForm::kInt && read_int(text, integer);
    if (!is_int) open_ &= ~bit(Type::kInt);
    if (!is_int && (form != NumberForm::kFloat || !read_float(text, real))) open_ &= ~kNumbers;
  }
  int32_t days;
  if (open_ & bit(Type::kDate) && !read_date(text, days)) open_ &= ~bit(Type::kDate);
  int64_t micros;
  if (open_ & bit(Type::kTimestamp) && !read_timestamp(text, micros)) {
    open_ &= ~bit(Type::kTimestamp);
  }
}

Type TypeGuess::type() const {
  for (const Type type : {Type::kBool, Type::kInt, Type::kFloat, Type::kDate, Type::kTimestamp}) {
    if (open_ & bit(type)) return type;
  }
  return Type::kString;
}

}  // namespace towpath
