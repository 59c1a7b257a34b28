#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "towpath/base/clock.h"

namespace towpath {

// "512MiB", "1GB", "64k", "4096" → bytes. KiB, MiB, GiB, TiB are powers of 1024; kB, MB, GB, TB of
// 1000; a bare k, M, G, T is of 1024. Throws Invalid that shows the forms allowed.
uint64_t parse_bytes(std::string_view text);

// "250ms", "60s", "5m", "2h", "1d" → milliseconds; a bare number is seconds. Throws Invalid.
Millis parse_duration(std::string_view text);

// 1536 → "1.5 KiB"; for people.
std::string show_bytes(uint64_t bytes);
// 83456 ms → "1m23s"; for people.
std::string show_duration(Millis time);
// 1234567 → "1,234,567".
std::string show_count(int64_t count);

// The known name nearest to `word` by edit distance, or empty if none is near enough to be meant.
std::string_view nearest(std::string_view word, const std::string_view* first,
                         const std::string_view* last);

}  // namespace towpath
