#pragma once
#include <string>

#include "towpath/input/partial_file.h"
#include "towpath/stage/stage.h"

namespace towpath {

// A sink that writes one file of text. It grows as `<path>.towpath.partial` and gets its name when
// the run is complete.
class FileSink : public Sink {
 public:
  explicit FileSink(const std::string& path) : file_(path) {}
  void open(Services& services, std::optional<std::string_view> position) final;
  void write(const Batch& in, Outputs& rejects) final;
  std::string prepare(uint64_t epoch, Outputs& rejects) final;
  void commit(uint64_t epoch) final;
  void close() final;
  void discard() final;

 protected:
  // Appends what stands before the first row.
  virtual void begin(std::string& out) { (void)out; }
  // Appends one row, with its line end. Invalid rejects it.
  virtual void row(const Batch& in, int64_t row, std::string& out) = 0;

 private:
  PartialFile file_;
};

}  // namespace towpath
