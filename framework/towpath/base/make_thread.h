#pragma once
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

// A thread that runs that. SystemError: the system refuses one more; says whose, and the way out.
template <class F>
std::thread make_thread(std::string_view whose, F run) {
  try {
    return std::thread(std::move(run));
  } catch (const std::system_error& error) {
    throw SystemError(format("a thread of {} can't be made", whose), error.code().value());
  }
}

}  // namespace towpath
