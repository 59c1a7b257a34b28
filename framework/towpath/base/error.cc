#include "towpath/base/error.h"

#include <cerrno>
#include <cstring>

#include "towpath/base/format.h"
#include "towpath/base/way_out.h"

namespace towpath {

SystemError::SystemError(std::string_view call, int error_number)
    : Error(format("{}: {}{}", call, std::strerror(error_number), way_out(call, error_number))),
      error_number_(error_number) {}

Bug::Bug(std::string_view what, std::source_location where)
    : Error(format("{}:{}: bug: {}", where.file_name(), where.line(), what)) {}

void throw_errno(std::string_view call) { throw SystemError(call, errno); }

}  // namespace towpath
