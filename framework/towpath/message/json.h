#pragma once
#include <string>
#include <string_view>

#include "towpath/message/object.h"

namespace towpath {

// Object ↔ JSON text. Binary is written as a base64 string; invalid UTF-8 is replaced by U+FFFD, so
// the result is always valid JSON. Numbers without point or exponent that fit become integers; nan
// and the infinities, which JSON lacks, are written as null. Map keys that are not strings are
// written as their JSON text. Reading keeps the last of equal keys, and refuses values nested
// deeper than kMaxDepth.
std::string to_json(const Object& value);
Object from_json(std::string_view text);  // Invalid names the byte and what was expected there

// The text of a float as every writer prints it: the shortest that reads back the same, in plain
// digits from 1e-6 up to 1e21 and with an exponent elsewhere: "3", "0.1", "100000", "1e+21"; also
// "-0", "nan", "inf", "-inf". JavaScript and canonical JSON (RFC 8785) write numbers so.
std::string show_float(double value);
void append_float(std::string& out, double value);

// Appends `text` as a JSON string with quotes and escapes, replacing invalid UTF-8.
void append_json_string(std::string& out, std::string_view text);

// ISO forms, as writers print them and casts read them: 2024-02-29, 2024-02-29T12:30:00Z with a
// fraction when there is one ("…:00.25Z"). The calendar is the proleptic Gregorian; a year outside
// 0000 to 9999 has a sign ("+12024-01-01"). Reading also takes a space for T, no seconds, no Z, and
// ±hh:mm. False: not such a text, no such day or time, out of the type's range, or finer than a
// microsecond (zeros behind them don't count); the value is untouched. Given `finer`, what is finer
// is dropped, and `finer` says whether anything was.
void append_date(std::string& out, int32_t days);
void append_timestamp(std::string& out, int64_t micros);
bool read_date(std::string_view text, int32_t& days);
bool read_timestamp(std::string_view text, int64_t& micros, bool* finer = nullptr);

}  // namespace towpath
