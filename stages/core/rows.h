#pragma once
#include "towpath/base/unique_fd.h"
#include "towpath/stage/stage.h"

// Hands its rows to a program that embeds Towpath: writes every batch, as it comes, to the
// program's local socket. A program that reads slowly slows the pipeline down; one that hangs up
// ends it.
//
// Each batch is a frame: image size and head position (two 8-byte integers of this machine), then
// the image.
class Rows final : public towpath::Sink {
 public:
  static towpath::StageSpec describe();
  explicit Rows(const towpath::Settings& settings);
  void open(towpath::Services& services, std::optional<std::string_view> position) override;
  void write(const towpath::Batch& in, towpath::Outputs& rejects) override;
  std::string prepare(uint64_t epoch, towpath::Outputs& rejects) override;
  void commit(uint64_t epoch, towpath::Outputs& rejects) override;
  void close() override;
  void discard() override;

 private:
  void send(const char* bytes, size_t size);

  const std::string address_;
  towpath::BatchBuilder copy_;
  towpath::UniqueFd socket_;
  std::vector<char> image_;
};
