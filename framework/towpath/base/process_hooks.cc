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
        format("{}: towpath::init(argc, argv) must be the first statement of main, and comes "
               "before this",
               what));
  }
  return filled;
}

}  // namespace towpath
