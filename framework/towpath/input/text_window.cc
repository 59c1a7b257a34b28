#include "towpath/input/text_window.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {
constexpr size_t kFirstCapacity = 256 << 10;
}

bool TextWindow::grow() {
  if (ended_) return false;
  const size_t held = end_ - begin_;
  if (capacity_ == 0 || held > capacity_ / 2) {
    const size_t capacity = std::max(kFirstCapacity, capacity_ * 2);
    std::unique_ptr<char[], Free> larger(static_cast<char*>(std::malloc(capacity + kPadding)));
    if (!larger) throw std::bad_alloc();
    if (held > 0) std::memcpy(larger.get(), buffer_.get() + begin_, held);
    buffer_ = std::move(larger);
    capacity_ = capacity;
  } else if (held > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, held);
  }
  begin_ = 0;
  end_ = held;
  // Filled to the brim: so a record that needs many grow() is not scanned again for each small
  // piece.
  while (end_ < capacity_ && !ended_) {
    const size_t count = file_->read(buffer_.get() + end_, capacity_ - end_);
    end_ += count;
    ended_ = count == 0;
  }
  std::memset(buffer_.get() + end_, 0, kPadding);
  return end_ > held;
}

void TextWindow::seek(uint64_t byte) {
  expect(byte >= byte_, "a window only moves forward");
  if (byte - byte_ <= end_ - begin_) return consume(static_cast<size_t>(byte - byte_));
  begin_ = end_ = 0;
  file_->seek(byte);
  byte_ = byte;
}

void TextWindow::skip_line() {
  for (;;) {
    const std::string_view rest = text();
    const size_t newline = rest.find('\n');
    if (newline != rest.npos) return consume(newline + 1);
    consume(rest.size());
    if (!grow()) return;
  }
}

void pass_byte_order_mark(TextWindow& window) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (window.at_end()) return;
  const std::string_view text = window.text();
  if (text.starts_with(kByteOrderMark)) {
    window.consume(kByteOrderMark.size());
  } else if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    const std::string& path = window.file().path();
    throw Invalid(
        format("{0}: the file is UTF-16, as its first bytes say, but UTF-8 is read; convert "
               "it with iconv -f UTF-16 -t UTF-8",
               path));
  }
}

std::optional<Line> next_line(TextWindow& window) {
  std::string_view text = window.text();
  size_t newline = text.find('\n');
  while (newline == text.npos && text.size() <= kMaxRecord) {
    const size_t searched = text.size();
    if (!window.grow()) break;
    text = window.text();
    newline = text.find('\n', searched);
  }
  text = window.text();
  const size_t length = std::min(newline, text.size());
  if (length > kMaxRecord) {
    return Line{.text = text.substr(0, kMaxRecord), .byte = window.byte(), .too_long = true};
  }
  if (text.empty()) return std::nullopt;
  Line line{.text = text.substr(0, length), .byte = window.byte()};
  if (newline == text.npos) {
    window.consume(length);
  } else {
    if (line.text.ends_with('\r')) line.text.remove_suffix(1);
    window.consume(length + 1);
  }
  return line;
}

}  // namespace towpath
