#include "stages/csv/scanner.h"

#include <algorithm>
#include <bit>
#include <cstring>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace csv {

using towpath::kMaxRecord;

std::string text_of(const Cell& cell) {
  if (!cell.doubled) return std::string(cell.raw());
  std::string text;
  unquote(cell, [&text](std::string_view piece) { text += piece; });
  return text;
}

uint64_t Scanner::marks_of(const char* block) const {
#ifdef __SSE2__
  const __m128i delimiter = _mm_set1_epi8(delimiter_);
  const __m128i newline = _mm_set1_epi8('\n');
  uint64_t marks = 0;
  for (size_t i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * i));
    const __m128i found =
        _mm_or_si128(_mm_cmpeq_epi8(bytes, delimiter), _mm_cmpeq_epi8(bytes, newline));
    marks |= static_cast<uint64_t>(static_cast<uint16_t>(_mm_movemask_epi8(found))) << (16 * i);
  }
#else
  uint64_t marks = 0;
  for (int i = 0; i < 64; ++i) {
    marks |= static_cast<uint64_t>(block[i] == delimiter_ || block[i] == '\n') << i;
  }
#endif
  // What lies behind the text is not of it.
  const auto left = end_ - block;
  return left >= 64 ? marks : marks & ((uint64_t{1} << left) - 1);
}

void Scanner::aim(const char* at) {
  if (at - block_ >= 64) {
    block_ = at;
    marks_ = marks_of(at);
  } else {
    marks_ &= ~uint64_t{0} << (at - block_);
  }
}

const char* Scanner::next_mark() {
  while (marks_ == 0) {
    block_ += 64;
    if (block_ >= end_) {
      block_ = end_;
      return end_;
    }
    marks_ = marks_of(block_);
  }
  return block_ + std::countr_zero(marks_);
}

Scanner::Result Scanner::bad(const char* problem, size_t at) {
  problem_ = problem;
  length_ = at;
  return Result::kBad;
}

Scanner::Result Scanner::scan(std::string_view text, bool last, const Known& known) {
  const char* at = text.data();
  if (at != next_ || at + text.size() != end_) {
    end_ = at + text.size();
    block_ = at;
    marks_ = text.empty() ? 0 : marks_of(at);
  }
  next_ = nullptr;  // only a record's end may be gone on from
  cells_.clear();
  lines_ = 1;
  for (;;) {
    Cell& cell = cells_.emplace_back();
    const char* mark;
    if (at != end_ && *at == '"') {
      cell = {.data = at + 1, .size = 0, .quoted = true, .doubled = false};
      const char* quote = at + 1;
      for (;;) {
        const char* const from = quote;
        quote =
            static_cast<const char*>(std::memchr(quote, '"', static_cast<size_t>(end_ - quote)));
        if (quote == nullptr) {
          if (!last) return Result::kIncomplete;
          return bad("a quoted cell is never closed", text.size());
        }
        if (from < text.data() + known.until) {
          const auto* newline =
              static_cast<const char*>(std::memchr(from, '\n', static_cast<size_t>(quote - from)));
          if (newline != nullptr && newline < text.data() + known.until) {
            return bad(known.problem, known.until);
          }
        }
        if (quote + 1 == end_ || quote[1] != '"') break;
        cell.doubled = true;
        quote += 2;
      }
      cell.size = static_cast<size_t>(quote - cell.data);
      if (quote + 1 == end_ && !last) return Result::kIncomplete;
      lines_ += std::count(cell.data, quote, '\n');
      aim(quote + 1);
      mark = next_mark();
      const bool carriage_return =
          mark == quote + 2 && quote[1] == '\r' && (mark == end_ || *mark == '\n');
      if (mark != quote + 1 && !carriage_return) {
        if (mark == end_ && !last) return Result::kIncomplete;
        return bad("text follows the closing quote of a cell",
                   static_cast<size_t>(quote - text.data()));
      }
    } else {
      mark = next_mark();
      cell = {
          .data = at, .size = static_cast<size_t>(mark - at), .quoted = false, .doubled = false};
    }
    if (mark == end_) {
      if (!last) return Result::kIncomplete;
      length_ = text.size();
      break;
    }
    pass_mark();
    if (*mark == '\n') {
      length_ = static_cast<size_t>(mark + 1 - text.data());
      next_ = mark + 1;
      break;
    }
    at = mark + 1;
  }
  Cell& final_cell = cells_.back();
  if (!final_cell.quoted && final_cell.raw().ends_with('\r')) --final_cell.size;
  return Result::kRecord;
}

bool Records::next() {
  bool last = false;
  for (;;) {
    const std::string_view text = window_.text();
    if (text.empty()) {
      if (!window_.grow()) return false;
      continue;
    }
    const uint64_t begin = window_.byte();
    const size_t until = bad_until_ > begin ? static_cast<size_t>(bad_until_ - begin) : 0;
    const Scanner::Result result = scanner_.scan(text, last, {.until = until, .problem = bad_});
    if (result == Scanner::Result::kIncomplete && text.size() <= kMaxRecord) {
      last = !window_.grow();
      continue;
    }
    problem_ = nullptr;
    // What is bad past the limit shows or not as the window happens to lie: it is too long in any
    // case.
    if (result == Scanner::Result::kIncomplete || scanner_.length() > kMaxRecord) {
      problem_ = "the record, or a quoted cell in it, is longer than 64 MiB";
    } else if (result == Scanner::Result::kBad) {
      problem_ = bad_ = scanner_.problem();
      bad_until_ = begin + scanner_.length();
    }
    return true;
  }
}

std::string_view Records::raw() const {
  const std::string_view text = window_.text();
  std::string_view raw = text.substr(0, problem_ ? text.find('\n') : scanner_.length());
  if (raw.ends_with('\n')) raw.remove_suffix(1);
  if (raw.ends_with('\r')) raw.remove_suffix(1);
  return raw;
}

bool Records::ends_in_lf() const {
  const std::string_view text = window_.text();
  return problem_ ? text.find('\n') != text.npos : text[scanner_.length() - 1] == '\n';
}

bool Records::has_lone_cr() const {
  if (problem_) return raw().find('\r') != std::string_view::npos;
  const std::span<const Cell> cells = scanner_.cells();
  for (const Cell& cell : cells) {
    std::string_view text = cell.raw();
    if (&cell == &cells.back()) {
      while (text.ends_with('\r')) text.remove_suffix(1);  // before CR LF, too
    }
    if (!cell.quoted && text.find('\r') != text.npos) return true;
  }
  return false;
}

void Records::pass() {
  if (problem_) {
    window_.skip_line();
  } else {
    window_.consume(scanner_.length());
  }
}

}  // namespace csv
