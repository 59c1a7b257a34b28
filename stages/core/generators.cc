#include "stages/core/generators.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/json.h"

namespace towpath::core {
namespace {

__extension__ typedef unsigned __int128 Wide;

// splitmix64's finisher: the n-th number of a stream needs none before it.
// Source: https://prng.di.unimi.it/splitmix64.c
constexpr uint64_t kStep = 0x9e3779b97f4a7c15;
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class Stream {
 public:
  Stream(uint64_t seed, std::string_view column) : key_(mix(seed + kStep)) {
    for (const char c : column) key_ = mix(key_ + kStep + static_cast<unsigned char>(c));
  }
  uint64_t at(int64_t row) const { return mix(key_ + kStep * static_cast<uint64_t>(row)); }

 private:
  uint64_t key_;
};

// A number below `limit` from 64 random bits; 0 stands for 2^64.
uint64_t below(uint64_t bits, uint64_t limit) {
  return limit == 0 ? bits : static_cast<uint64_t>((Wide{bits} * limit) >> 64);
}

class Sequence final : public Generator {
 public:
  explicit Sequence(int64_t start) : start_(static_cast<uint64_t>(start)) {}
  Type type() const override { return Type::kInt; }
  void put(int64_t first, int64_t count, ColumnBuilder& out) const override {
    for (int64_t row = first; row < first + count; ++row) {
      out.put_int(static_cast<int64_t>(start_ + static_cast<uint64_t>(row)));
    }
  }

 private:
  uint64_t start_;
};

// Whole numbers from `low` on, also as days and as microseconds.
class Whole final : public Generator {
 public:
  Whole(Stream stream, Type type, int64_t low, uint64_t values, int64_t step)
      : stream_(stream), type_(type), low_(low), values_(values), step_(step) {}
  Type type() const override { return type_; }
  void put(int64_t first, int64_t count, ColumnBuilder& out) const override {
    for (int64_t row = first; row < first + count; ++row) {
      const uint64_t offset = below(stream_.at(row), values_) * static_cast<uint64_t>(step_);
      const int64_t value = static_cast<int64_t>(static_cast<uint64_t>(low_) + offset);
      if (type_ == Type::kDate) {
        out.put_date(static_cast<int32_t>(value));
      } else {
        out.put_int(value);
      }
    }
  }

 private:
  Stream stream_;
  Type type_;
  int64_t low_;
  uint64_t values_;
  int64_t step_;
};

// With digits: whole numbers of the last digit, divided once, so 0.1 is the float nearest to 0.1.
class Real final : public Generator {
 public:
  Real(Stream stream, double low, double high, std::optional<int64_t> digits)
      : stream_(stream), low_(low), high_(high), scale_(digits ? std::pow(10, *digits) : 0) {
    if (scale_ == 0) return;
    // 1.1 * 100 is a little more than 110: what is nearly whole is meant to be.
    const auto whole = [](double x) { return std::abs(x - std::round(x)) < 1e-6; };
    const double least = low * scale_;
    const double most = high * scale_;
    low_ = whole(least) ? std::round(least) : std::ceil(least);
    high_ = whole(most) ? std::round(most) : std::floor(most);
  }
  bool is_empty() const { return low_ > high_; }
  Type type() const override { return Type::kFloat; }
  void put(int64_t first, int64_t count, ColumnBuilder& out) const override {
    const auto values = static_cast<uint64_t>(high_ - low_) + 1;
    for (int64_t row = first; row < first + count; ++row) {
      const uint64_t bits = stream_.at(row);
      if (scale_ == 0) {
        out.put_float(low_ + (high_ - low_) * (static_cast<double>(bits >> 11) * 0x1p-53));
      } else {
        out.put_float((low_ + static_cast<double>(below(bits, values))) / scale_);
      }
    }
  }

 private:
  Stream stream_;
  double low_, high_;  // with digits: of the last digit
  double scale_;       // 0: no digits given
};

class Coin final : public Generator {
 public:
  Coin(Stream stream, double share) : stream_(stream), share_(share) {}
  Type type() const override { return Type::kBool; }
  void put(int64_t first, int64_t count, ColumnBuilder& out) const override {
    for (int64_t row = first; row < first + count; ++row) {
      out.put_bool(static_cast<double>(stream_.at(row) >> 11) * 0x1p-53 < share_);
    }
  }

 private:
  Stream stream_;
  double share_;
};

class Choice final : public Generator {
 public:
  Choice(Stream stream, std::vector<std::string> texts)
      : stream_(stream), texts_(std::move(texts)) {}
  Type type() const override { return Type::kString; }
  size_t width() const override {
    size_t most = 0;
    for (const std::string& text : texts_) most = std::max(most, text.size());
    return most + 4;
  }
  void put(int64_t first, int64_t count, ColumnBuilder& out) const override {
    for (int64_t row = first; row < first + count; ++row) {
      out.put_text(texts_[below(stream_.at(row), texts_.size())]);
    }
  }

 private:
  Stream stream_;
  std::vector<std::string> texts_;
};

// Words one can say, all different: a number written in syllables.
std::vector<std::string> vocabulary(int64_t size) {
  constexpr std::string_view kConsonants = "bdfghklmnprstv";
  constexpr std::string_view kVowels = "aeiou";
  constexpr int64_t kSyllables = static_cast<int64_t>(kConsonants.size() * kVowels.size());
  std::vector<std::string> words;
  for (int64_t i = 0; i < size; ++i) {
    std::string word;
    for (int64_t rest = i + kSyllables; rest > 0; rest /= kSyllables) {
      const auto syllable = static_cast<size_t>(rest % kSyllables);
      word += kConsonants[syllable % kConsonants.size()];
      word += kVowels[syllable / kConsonants.size()];
    }
    words.push_back(std::move(word));
  }
  return words;
}

// Texts of some words. The words at the front of the vocabulary are much more frequent than those
// at its end, as in language.
class Words final : public Generator {
 public:
  Words(Stream stream, int64_t least, int64_t most, int64_t words)
      : stream_(stream), least_(least), most_(most), words_(vocabulary(words)) {
    for (const std::string& word : words_) longest_ = std::max(longest_, word.size());
  }
  Type type() const override { return Type::kString; }
  size_t width() const override { return static_cast<size_t>(most_) * (longest_ + 1) + 4; }
  void put(int64_t first, int64_t count, ColumnBuilder& out) const override {
    for (int64_t row = first; row < first + count; ++row) {
      const uint64_t bits = stream_.at(row);
      const auto more = below(bits, static_cast<uint64_t>(most_ - least_ + 1));
      Buffer& text = out.text();
      for (uint64_t i = 0; i < static_cast<uint64_t>(least_) + more; ++i) {
        if (i > 0) text.push(' ');
        const uint64_t pick = mix(bits + kStep * (i + 1));
        // The product of two uniform numbers: small ones are likely.
        const std::string& word = words_[below(pick * kStep, below(pick, words_.size()) + 1)];
        text.append(word.data(), word.size());
      }
      out.end_text();
    }
  }

 private:
  Stream stream_;
  int64_t least_, most_;
  std::vector<std::string> words_;
  size_t longest_ = 0;
};

// ── the text ──

struct Form {
  std::string_view name, shown;
  size_t least, most;  // arguments
};
constexpr Form kForms[] = {
    {"sequence", "sequence(first = 1)", 0, 1},
    {"int", "int(least, most)", 2, 2},
    {"float", "float(least, most, digits)", 2, 3},
    {"bool", "bool(share of true = 0.5)", 0, 1},
    {"choice", "choice(text, text, ...)", 1, 10000},
    {"date", "date(first day, number of days)", 2, 2},
    {"timestamp", "timestamp(first, number of seconds)", 2, 2},
    {"word", "word(different words = 1000)", 0, 1},
    {"words", "words(least, most, different words = 1000)", 2, 3},
};

bool is_separator(char c) { return c == ',' || c == ' ' || c == '\t' || c == '\n'; }

class Parser {
 public:
  Parser(std::string_view column, std::string_view text) : column_(column), text_(text) {
    const size_t open = text.find('(');
    std::string_view name = text.substr(0, open);
    while (!name.empty() && is_separator(name.back())) name.remove_suffix(1);
    for (const Form& form : kForms) {
      if (form.name == name) form_ = &form;
    }
    if (form_ == nullptr) {
      fail(format("there is no \"{}\"; it can be\n{}", name, Generator::forms()));
    }
    if (open != text.npos) read_arguments(text.substr(open + 1));
    if (arguments_.size() < form_->least || arguments_.size() > form_->most) {
      fail("the number of arguments is wrong");
    }
  }

  const Form& form() const { return *form_; }
  const std::vector<std::string>& arguments() const { return arguments_; }
  bool has(size_t i) const { return i < arguments_.size(); }

  template <class T>
  T number(size_t i, T least, T most) const {
    const std::string& word = arguments_[i];
    T value{};
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size()) {
      fail(format("\"{}\" is not {} number", word, std::is_integral_v<T> ? "a whole" : "a"));
    }
    if (!(value >= least && value <= most)) {
      fail(format("{} is not between {} and {}", word, least, most));
    }
    return value;
  }

  [[noreturn]] void fail(std::string_view why) const {
    std::string message = format("column \"{}\": {}: {}", column_, text_, why);
    if (form_ != nullptr) message += format("; wanted: {}", form_->shown);
    throw Invalid(message);
  }

 private:
  void read_arguments(std::string_view rest) {
    for (;;) {
      while (!rest.empty() && is_separator(rest.front())) rest.remove_prefix(1);
      if (rest.empty()) fail("a closing parenthesis is missing");
      if (rest.front() == ')') break;
      if (rest.front() == '\'' || rest.front() == '"') {
        const size_t end = rest.find(rest.front(), 1);
        if (end == rest.npos) fail("a closing quote is missing");
        arguments_.emplace_back(rest.substr(1, end - 1));
        rest.remove_prefix(end + 1);
      } else {
        size_t end = 0;
        while (end < rest.size() && rest[end] != ')' && !is_separator(rest[end])) ++end;
        arguments_.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end);
      }
    }
    rest.remove_prefix(1);
    while (!rest.empty() && is_separator(rest.front())) rest.remove_prefix(1);
    if (!rest.empty()) fail("text behind the closing parenthesis");
  }

  std::string_view column_, text_;
  const Form* form_ = nullptr;
  std::vector<std::string> arguments_;
};

constexpr int64_t kMostWords = 1'000'000;

}  // namespace

std::string_view Generator::forms() {
  static const std::string shown = [] {
    std::string text;
    for (const Form& form : kForms) text += format("  {}\n", form.shown);
    text.pop_back();
    return text;
  }();
  return shown;
}

std::unique_ptr<Generator> Generator::parse(std::string_view column, std::string_view text,
                                            uint64_t seed) {
  const Parser in(column, text);
  const Stream stream(seed, column);
  const std::string_view name = in.form().name;
  if (name == "sequence") {
    return std::make_unique<Sequence>(in.has(0) ? in.number<int64_t>(0, INT64_MIN, INT64_MAX) : 1);
  }
  if (name == "int") {
    const auto low = in.number<int64_t>(0, INT64_MIN, INT64_MAX);
    const auto high = in.number<int64_t>(1, low, INT64_MAX);
    const uint64_t values = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
    return std::make_unique<Whole>(stream, Type::kInt, low, values, 1);
  }
  if (name == "float") {
    constexpr double kMost = 1e15;  // with up to 3 digits still exact
    const double low = in.number<double>(0, -kMost, kMost);
    const double high = in.number<double>(1, low, kMost);
    std::optional<int64_t> digits;
    if (in.has(2)) {
      digits = in.number<int64_t>(2, 0, 15);
      const double scale = std::pow(10, *digits);
      if (std::max(std::abs(low), std::abs(high)) * scale > 0x1p53) {
        in.fail("a float does not hold that many digits");
      }
    }
    auto real = std::make_unique<Real>(stream, low, high, digits);
    if (real->is_empty()) in.fail("no number of that many digits lies between the two");
    return real;
  }
  if (name == "bool") {
    return std::make_unique<Coin>(stream, in.has(0) ? in.number<double>(0, 0, 1) : 0.5);
  }
  if (name == "choice") return std::make_unique<Choice>(stream, in.arguments());
  if (name == "date") {
    int32_t day = 0;
    if (!read_date(in.arguments()[0], day)) in.fail("the first day is not like 2024-12-31");
    const auto days = in.number<int64_t>(1, 1, 1'000'000);
    return std::make_unique<Whole>(stream, Type::kDate, day, static_cast<uint64_t>(days), 1);
  }
  if (name == "timestamp") {
    int64_t first = 0;
    if (!read_timestamp(in.arguments()[0], first)) {
      in.fail("the first is not like 2024-12-31T23:59:59Z");
    }
    const auto seconds = in.number<int64_t>(1, 1, 100'000'000'000);
    return std::make_unique<Whole>(stream, Type::kTimestamp, first, static_cast<uint64_t>(seconds),
                                   1'000'000);
  }
  if (name == "word") {
    const auto words = in.has(0) ? in.number<int64_t>(0, 1, kMostWords) : 1000;
    return std::make_unique<Choice>(stream, vocabulary(words));
  }
  const auto least = in.number<int64_t>(0, 0, 100'000);
  const auto most = in.number<int64_t>(1, least, 100'000);
  const auto words = in.has(2) ? in.number<int64_t>(2, 1, kMostWords) : 1000;
  return std::make_unique<Words>(stream, least, most, words);
}

}  // namespace towpath::core
