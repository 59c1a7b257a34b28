#pragma once
#include <fmt/format.h>

namespace towpath {

// The project's text formatting: fmt, because g++ 12 has no std::format. No other header names it.
using fmt::format;
using fmt::format_to;

}  // namespace towpath
