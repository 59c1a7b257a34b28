#include "towpath/stage/file_sink.h"

#include <charconv>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

void FileSink::open(Services& services, std::optional<std::string_view> position) {
  uint64_t byte = 0;
  std::string_view mark;
  if (position) {
    const char* const first = position->data();
    const char* const end = first + position->size();
    const auto [stop, error] = std::from_chars(first, end, byte);
    expect(error == std::errc() && stop != end && *stop == ' ',
           format("\"{}\" is no position in a file", *position));
    mark = {stop + 1, end};
  }
  services.note_unfinished({file_.partial_path()});
  file_.open(byte, mark);
  if (byte == 0) begin(file_.buffer());
}

void FileSink::write(const Batch& in, Outputs& rejects) {
  for (int64_t number = 0; number < in.rows(); ++number) {
    const size_t before = file_.buffer().size();
    try {
      row(in, number, file_.buffer());
    } catch (const Invalid& problem) {
      file_.buffer().resize(before);
      rejects.reject(in, number, problem.what());
      continue;
    }
    file_.written();
  }
}

std::string FileSink::prepare(uint64_t, Outputs&) {
  const uint64_t byte = file_.sync();
  return format("{} {}", byte, file_.mark());
}

// A file is visible at its end only.
void FileSink::commit(uint64_t) {}
void FileSink::close() { file_.publish(); }
void FileSink::discard() { file_.discard(); }

}  // namespace towpath
