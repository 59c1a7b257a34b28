#include "towpath/coordinator/rejects.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/write_all.h"
#include "towpath/message/json.h"

namespace towpath {

std::string RejectFile::part(int stage) const {
  return folder_.file(format("rejects/{}.jsonl", stage));
}

void RejectFile::add(int stage, const Batch& rejects) {
  UniqueFd& file = files_[stage];
  if (!file) {
    file.reset(::open(part(stage).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!file) throw_errno(format("open({})", part(stage)));
  }
  std::string text;
  for (int64_t row = 0; row < rejects.rows(); ++row) {
    text += '{';
    for (size_t column = 0; column < rejects.schema().size(); ++column) {
      if (column != 0) text += ',';
      append_json_string(text, rejects.schema()[column].name);
      text += ':';
      text += to_json(rejects.value(row, column));
    }
    text += "}\n";
  }
  if (count_ == 0 && rejects.rows() > 0) {
    const std::string_view name = rejects.strings("file")[0];
    if (!name.empty()) first_ = format("{}:{}: ", name, rejects.ints("line")[0]);
    first_ += format("stage \"{}\": {}", rejects.strings("stage")[0], rejects.strings("reason")[0]);
  }
  count_ += rejects.rows();
  write_all(file.get(), text, part(stage));
}

void RejectFile::finish() {
  files_.clear();
  if (count_ > 0) {
    std::ofstream whole(path(), std::ios::binary);
    for (const PlanStage& stage : plan_.stages) {
      std::ifstream piece(part(stage.id), std::ios::binary);
      if (piece && piece.peek() != std::ifstream::traits_type::eof()) whole << piece.rdbuf();
    }
    whole.flush();
    if (!whole) throw Error(format("{} can't be written", path()));
  }
  std::error_code ignored;  // the parts are in the whole
  std::filesystem::remove_all(folder_.file("rejects"), ignored);
}

}  // namespace towpath
