#pragma once
#include <string>
#include <string_view>

#include "towpath/message/object.h"

namespace towpath {

// Object ↔ JSON text. Binary is written as a base64 string; invalid UTF-8 is replaced by U+FFFD, so the
// result is always valid JSON. Numbers without point or exponent that fit become integers. Map keys that
// are not strings are written as their JSON text.
std::string to_json(const Object& value);
Object from_json(std::string_view text);  // Invalid names the byte and what was expected there

// The text of a float as every writer prints it: the shortest that reads back the same, "nan", "inf".
std::string show_float(double value);
void append_float(std::string& out, double value);

// Appends `text` as a JSON string with quotes and escapes, replacing invalid UTF-8.
void append_json_string(std::string& out, std::string_view text);

// ISO forms, as writers print them and casts read them: 2024-02-29, 2024-02-29T12:30:00Z with a fraction
// when there is one ("…:00.25Z"). Reading also takes a space for T, no Z, and ±hh:mm. False: not such a text.
void append_date(std::string& out, int32_t days);
void append_timestamp(std::string& out, int64_t micros);
bool read_date(std::string_view text, int32_t& days);
bool read_timestamp(std::string_view text, int64_t& micros);

}  // namespace towpath
