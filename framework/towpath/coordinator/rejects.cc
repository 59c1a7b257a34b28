#include "towpath/coordinator/rejects.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/write_all.h"
#include "towpath/message/json.h"

namespace towpath {

std::string RejectFile::part(int stage) const {
  return folder_.file(format("rejects/{}.jsonl", stage));
}

RejectFile::Part& RejectFile::open(int stage) {
  Part& it = parts_[stage];
  if (!it.fd) {
    it.fd.reset(::open(part(stage).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!it.fd) throw_errno(format("open({})", part(stage)));
  }
  return it;
}

uint64_t RejectFile::size(int stage) const {
  const auto it = parts_.find(stage);
  return it == parts_.end() ? 0 : it->second.bytes;
}

std::vector<uint64_t> RejectFile::sizes() const {
  std::vector<uint64_t> sizes(plan_.stages.size());
  for (const auto& [stage, part] : parts_) sizes[static_cast<size_t>(stage)] = part.bytes;
  return sizes;
}

std::vector<std::string> RejectFile::files() const {
  std::vector<std::string> files;
  for (const auto& [stage, ignored] : parts_) files.push_back(part(stage));
  return files;
}

void RejectFile::restore(const std::vector<uint64_t>& sizes) {
  parts_.clear();
  count_ = 0;
  for (const PlanStage& stage : plan_.stages) {
    const std::string path = part(stage.id);
    const auto number = static_cast<size_t>(stage.id);
    const uint64_t size = number < sizes.size() ? sizes[number] : 0;
    if (size == 0) {
      if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw_errno(format("unlink({})", path));
      continue;
    }
    Part& it = open(stage.id);
    const off_t had = ::lseek(it.fd.get(), 0, SEEK_END);
    if (had < static_cast<off_t>(size)) {
      throw Invalid(
          format("{} has {} bytes, fewer than the {} that were recorded", path, had, size));
    }
    if (::ftruncate(it.fd.get(), static_cast<off_t>(size)) != 0)
      throw_errno(format("ftruncate({}, {})", path, size));
    it.bytes = size;
    std::ifstream lines(path, std::ios::binary);
    count_ += std::count(std::istreambuf_iterator<char>(lines), {}, '\n');
  }
}

void RejectFile::add(int stage, const Batch& rejects) {
  Part& file = open(stage);
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
  write_all(file.fd.get(), text, part(stage));
  file.bytes += text.size();
}

void RejectFile::finish(bool keep_parts) {
  parts_.clear();
  if (count_ > 0) {
    std::ofstream whole(path(), std::ios::binary);
    for (const PlanStage& stage : plan_.stages) {
      std::ifstream piece(part(stage.id), std::ios::binary);
      if (piece && piece.peek() != std::ifstream::traits_type::eof()) whole << piece.rdbuf();
    }
    whole.flush();
    if (!whole) throw Error(format("{} can't be written", path()));
  }
  if (keep_parts) return;
  std::error_code ignored;  // the parts are in the whole
  std::filesystem::remove_all(folder_.file("rejects"), ignored);
}

}  // namespace towpath
