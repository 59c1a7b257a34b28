#pragma once
#include "towpath/base/unique_fd.h"
#include "towpath/stage/stage.h"

// Hands its rows to a program that embeds Towpath: writes every batch, as it comes, to the
// program's local socket. A program that reads slowly slows the pipeline down; one that hangs up
// ends it.
//
// Each batch is a frame: image size and head position (two 8-byte integers of this machine), then
// the image. Before the first comes how many rows were sent before it: a run that goes back to an
// epoch sends some again.
class Rows final : public towpath::Sink {
 public:
  static towpath::StageSpec describe();
  explicit Rows(const towpath::Settings& settings);
  void open(towpath::Services& services, std::optional<std::string_view> position) override;
  void write(const towpath::Batch& in, towpath::Outputs& rejects) override;
  std::string prepare(uint64_t epoch, towpath::Outputs& rejects) override;
  void commit(uint64_t epoch) override;
  void close() override;
  void discard() override;

 private:
  void send(const char* bytes, size_t size);

  const std::string address_;
  towpath::BatchBuilder copy_;
  towpath::UniqueFd socket_;
  uint64_t rows_ = 0;  // sent, by all processes of this sink
  std::vector<char> image_;
};
