#include "towpath/coordinator/unchanged.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/input/glob.h"
#include "towpath/worker/input_list.h"

namespace towpath {

namespace {

// Of the files that the sources found when the run was begun, and of the stages' own.
void check_files(const RecordedRun& run, const std::string& inputs) {
  constexpr int kShown = 5;
  std::string changed;
  int count = 0;
  std::error_code none;  // of a run without files
  for (const auto& list : std::filesystem::directory_iterator(inputs, none)) {
    for (const FoundFile& was :
         load_input_list(list.path().string()).value_or(std::vector<FoundFile>())) {
      const std::optional<FoundFile> is = look_at_file(was.path);
      if (is && is->size == was.size && is->modified == was.modified) continue;
      if (++count > kShown) continue;
      changed += format("\n  {}: ", was.path);
      if (!is) {
        changed += "is gone";
      } else if (is->size != was.size) {
        changed += format("has {} bytes, and had {}", is->size, was.size);
      } else {
        changed += "was written since";
      }
    }
  }
  if (count == 0) return;
  if (count > kShown) changed += format("\n  and {} more", count - kShown);
  throw Invalid(format(
      "what run {} reads has changed since it was begun, and it can only go on as it was:{}\n"
      "  put that back, or begin anew: towpath run {}",
      run.id, changed, run.config));
}

void check_config(const RecordedRun& run) {
  std::ifstream file(run.config, std::ios::binary);
  if (!file) {
    throw Invalid(
        format("{} can't be read, and run {} is to go on as it says; paths are relative to the "
               "folder where the run was begun",
               run.config, run.id));
  }
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text == run.config_text) return;
  std::istringstream old_lines(run.config_text), new_lines(text);
  std::string was, is;
  for (int line = 1;; ++line) {
    const bool had = static_cast<bool>(std::getline(old_lines, was));
    const bool has = static_cast<bool>(std::getline(new_lines, is));
    if (had && has && was == is) continue;
    throw Invalid(format(
        "{}:{}: it has changed since run {} was begun, which can only go on as it was\n- {}\n+ {}\n"
        "  put that back, or begin anew: towpath run {}",
        run.config, line, run.id, had ? was : "(the end)", has ? is : "(the end)", run.config));
  }
}

}  // namespace

void check_unchanged(const RecordedRun& run, const std::string& inputs) {
  check_config(run);
  check_files(run, inputs);
}

}  // namespace towpath
