#pragma once
#include "towpath/stage/stage.h"

namespace towpath::core {

// Takes rows and keeps nothing of them: for counting, measuring, and outputs nobody wants.
class Discard final : public Sink {
 public:
  static StageSpec describe();
  explicit Discard(const Settings&) {}
  void open(Services& services, std::optional<std::string_view>) override;
  void write(const Batch& in, Outputs& rejects) override;
  std::string prepare(uint64_t, towpath::Outputs&) override { return {}; }
  void commit(uint64_t) override {}
  void close() override {}
  void discard() override {}

 private:
  Counter* rows_ = nullptr;
  Counter* bytes_ = nullptr;
};

}  // namespace towpath::core
