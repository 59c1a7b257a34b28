#include "stages/core/print.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "towpath/message/codec.h"
#include "towpath/message/json.h"

namespace towpath::core {
namespace {

constexpr size_t kHeldRows = 200;

// What is not written yet, and how the table goes on: text, rows held back, widths.
using Kept = std::tuple<std::string, std::vector<std::vector<std::string>>, std::vector<size_t>>;

std::string show(const Batch& in, int64_t row, size_t column) {
  const Object value = in.value(row, column);
  if (value.is_nil()) return {};
  if (value.is_string()) return value.as_string();
  if (value.is_binary()) return value.as_binary();
  if (value.is_float()) return show_float(value.as_float());
  return to_json(value);
}

// What would break a line or a cell, as escapes.
void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        out += c;
    }
  }
}

// In characters of UTF-8.
size_t width(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool is_number(Type type) { return type == Type::kInt || type == Type::kFloat; }

}  // namespace

StageSpec Print::describe() {
  return StageSpec("print")
      .summary("Writes rows to standard output.")
      .field(choice_field("format", {"table", "tsv", "json"})
                 .default_value("table")
                 .about("Aligned columns, tab-separated values with a header, or a JSON object a "
                        "row."))
      .main_field("format")
      .example("print: {}")
      .example("print: json");
}

Print::Print(const Settings& settings)
    : format_(settings.get_string("format")), schema_(settings.input()) {}

void Print::open(Services&, std::optional<std::string_view> position) {
  if (position) std::tie(text_, held_, widths_) = from_bytes<Kept>(*position);
  if (format_ != "tsv" || position) return;
  for (size_t i = 0; i < schema_.size(); ++i) {
    if (i > 0) text_ += '\t';
    append_escaped(text_, schema_[i].name);
  }
  text_ += '\n';
}

void Print::write(const Batch& in, Outputs&) {
  for (int64_t row = 0; row < in.rows(); ++row) {
    if (format_ == "json") {
      add_json(in, row);
    } else if (format_ == "tsv") {
      add_tsv(in, row);
    } else {
      add_to_table(in, row);
    }
  }
  flush();
}

// Not written yet: when an epoch falls must not be seen in a table.
std::string Print::prepare(uint64_t, Outputs&) { return to_bytes(Kept(text_, held_, widths_)); }

void Print::close() {
  show_held_rows();
  flush();
}

void Print::discard() {
  held_.clear();
  text_.clear();
}

void Print::add_json(const Batch& in, int64_t row) {
  Object::Map object;
  for (size_t i = 0; i < schema_.size(); ++i) {
    object.emplace_back(schema_[i].name, in.value(row, i));
  }
  text_ += to_json(object);
  text_ += '\n';
}

void Print::add_tsv(const Batch& in, int64_t row) {
  for (size_t i = 0; i < schema_.size(); ++i) {
    if (i > 0) text_ += '\t';
    append_escaped(text_, show(in, row, i));
  }
  text_ += '\n';
}

void Print::add_to_table(const Batch& in, int64_t row) {
  std::vector<std::string> cells(schema_.size());
  for (size_t i = 0; i < schema_.size(); ++i) append_escaped(cells[i], show(in, row, i));
  if (!widths_.empty()) {
    show_line(cells);
    return;
  }
  held_.push_back(std::move(cells));
  if (held_.size() == kHeldRows) show_held_rows();
}

void Print::show_held_rows() {
  if (format_ != "table" || !widths_.empty() || schema_.empty()) return;
  std::vector<std::string> header;
  for (const Field& field : schema_) header.push_back(field.name);
  held_.insert(held_.begin(), std::move(header));
  widths_.assign(schema_.size(), 0);
  for (const auto& cells : held_) {
    for (size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], width(cells[i]));
  }
  for (const auto& cells : held_) show_line(cells);
  held_.clear();
}

// Numbers stand at the right; nothing is padded behind the last cell.
void Print::show_line(const std::vector<std::string>& cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    const size_t used = width(cells[i]);
    const std::string padding(widths_[i] > used ? widths_[i] - used : 0, ' ');
    if (i > 0) text_ += "  ";
    if (is_number(schema_[i].type)) {
      text_ += padding + cells[i];
    } else {
      text_ += cells[i];
      if (i + 1 < cells.size()) text_ += padding;
    }
  }
  text_ += '\n';
}

void Print::flush() {
  for (std::string_view rest = text_; !rest.empty();) {
    const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {  // a terminal that another program made non-blocking
      pollfd ready{STDOUT_FILENO, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (errno == EPIPE) {
      throw Closed("the reader of standard output has gone, so the rest can't be printed");
    } else if (errno != EINTR) {
      throw_errno("write(standard output)");
    }
  }
  text_.clear();
}

TOWPATH_STAGE(Print)

}  // namespace towpath::core
