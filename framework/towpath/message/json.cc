#include "towpath/message/json.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/message/codec.h"

namespace towpath {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void append_base64(std::string& out, std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    unsigned group = 0;
    for (size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<uint8_t>(bytes[at + i]) : 0u);
    }
    for (size_t i = 0; i < 4; ++i) {
      out += i <= count ? kDigits[group >> (18 - 6 * i) & 63] : '=';
    }
  }
}

// Length of the UTF-8 sequence at the front, or 0 when it is none; then `bad` is how many bytes one
// replacement character stands for: the longest beginning of a sequence, as Unicode recommends.
size_t utf8_length(std::string_view text, size_t& bad) {
  const auto at = [text](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
  const unsigned first = at(0);
  bad = 1;
  size_t length = 0;
  unsigned low = 0x80, high = 0xbf;  // what the second byte may be
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;  // no surrogates
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  }
  for (size_t i = 1; i < length; ++i) {
    if (at(i) < low || at(i) > high) return 0;
    low = 0x80;
    high = 0xbf;
    bad = i + 1;
  }
  return length;
}

void append_json(std::string& out, const Object& value) {
  if (value.is_nil()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_int()) {
    format_to(std::back_inserter(out), "{}", value.as_int());
  } else if (value.is_uint()) {
    format_to(std::back_inserter(out), "{}", value.as_uint());
  } else if (value.is_float()) {
    if (std::isfinite(value.as_float())) {
      append_float(out, value.as_float());
    } else {
      out += "null";
    }
  } else if (value.is_string()) {
    append_json_string(out, value.as_string());
  } else if (value.is_binary()) {
    out += '"';
    append_base64(out, value.as_binary());
    out += '"';
  } else if (value.is_array()) {
    out += '[';
    for (bool first = true; const Object& each : value.as_array()) {
      if (!std::exchange(first, false)) out += ',';
      append_json(out, each);
    }
    out += ']';
  } else {
    out += '{';
    for (bool first = true; const auto& [key, each] : value.as_map()) {
      if (!std::exchange(first, false)) out += ',';
      append_json_string(out, key.is_string() ? key.as_string() : to_json(key));
      out += ':';
      append_json(out, each);
    }
    out += '}';
  }
}

// Builds an Object from the parser's events, without a tree of the parser's own in between.
class Builder {
 public:
  using Json = nlohmann::json;
  Object take() { return std::move(root_); }

  bool null() { return put(Object()); }
  bool boolean(bool value) { return put(Object(value)); }
  bool number_integer(int64_t value) { return put(Object(value)); }
  bool number_unsigned(uint64_t value) { return put(Object(value)); }
  bool number_float(double value, const std::string&) { return put(Object(value)); }
  bool string(std::string& value) { return put(Object(std::move(value))); }
  bool binary(Json::binary_t&) { return false; }
  bool start_array(size_t) { return open(Object(Object::Array{})); }
  bool start_object(size_t) { return open(Object(Object::Map{})); }
  bool end_array() { return close(); }
  bool end_object() { return close(); }
  bool key(std::string& name) {
    keys_.back() = std::move(name);
    return true;
  }
  bool parse_error(size_t byte, const std::string&, const Json::exception& error) {
    // nlohmann's text is "[json.exception.parse_error.101] parse error at line 1, column 2:
    // <what>".
    std::string_view what = error.what();
    if (const size_t at = what.find(": "); at != what.npos) what.remove_prefix(at + 2);
    throw Invalid(format("not JSON at byte {}: {}", byte, what));
  }

 private:
  bool put(Object value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_array()) {
      open_.back().as_array().push_back(std::move(value));
    } else {
      open_.back().as_map().emplace_back(Object(std::move(keys_.back())), std::move(value));
    }
    return true;
  }
  bool open(Object container) {
    if (open_.size() >= kMaxDepth) {
      throw Invalid(format("JSON is nested deeper than {}", kMaxDepth));
    }
    open_.push_back(std::move(container));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    Object done = std::move(open_.back());
    if (done.is_map()) keep_last(done.as_map());
    open_.pop_back();
    keys_.pop_back();
    return put(std::move(done));
  }

  // Of several entries with one key the last counts, at the place of the first.
  static void keep_last(Object::Map& map) {
    std::unordered_map<std::string_view, size_t> places;
    Object::Map kept;
    kept.reserve(map.size());  // the views into its keys stay
    for (auto& [key, value] : map) {
      if (const auto known = places.find(key.as_string()); known != places.end()) {
        kept[known->second].second = std::move(value);
        continue;
      }
      kept.emplace_back(std::move(key), std::move(value));
      places.emplace(kept.back().first.as_string(), kept.size() - 1);
    }
    map = std::move(kept);
  }

  Object root_;
  std::vector<Object> open_;
  std::vector<std::string> keys_;  // of each open map, the key whose value comes next
};

}  // namespace

std::string to_json(const Object& value) {
  std::string out;
  append_json(out, value);
  return out;
}

Object from_json(std::string_view text) {
  Builder builder;
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

std::string show_float(double value) {
  std::string out;
  append_float(out, value);
  return out;
}

void append_float(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "nan";
    return;
  }
  const double size = std::fabs(value);
  const bool plain = size == 0 || (size >= 1e-6 && size < 1e21);
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  out.append(digits, end.ptr);
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  size_t done = 0;  // what stands before is written
  for (size_t at = 0; at < text.size();) {
    const auto c = static_cast<uint8_t>(text[at]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++at;
      continue;
    }
    size_t bad = 0;
    if (c >= 0x80) {
      if (const size_t length = utf8_length(text.substr(at), bad); length != 0) {
        at += length;
        continue;
      }
    }
    out.append(text, done, at - done);
    if (c >= 0x80) {
      out += "\xef\xbf\xbd";
      at += bad;
    } else {
      static constexpr std::string_view kShort = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
      out += '\\';
      if (const size_t letter = kShort.find(text[at]); letter != kShort.npos) {
        out += kLetters[letter];
      } else {
        out += "u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
      }
      ++at;
    }
    done = at;
  }
  out.append(text, done, text.size() - done);
  out += '"';
}

}  // namespace towpath
