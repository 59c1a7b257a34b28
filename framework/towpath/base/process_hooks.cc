#include "towpath/base/process_hooks.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

ProcessHooks filled;

}  // namespace

void set_process_hooks(const ProcessHooks& hooks) { filled = hooks; }

const ProcessHooks& process_hooks(std::string_view what) {
  if (filled.keep_folder == nullptr) {
    throw Invalid(
        format("{}: towpath::init(argc, argv), the first statement of main, must come before it. "
               "What is global is made before main, and in each child anew: make it in main, and "
               "pass it to children as an argument",
               what));
  }
  return filled;
}

}  // namespace towpath
