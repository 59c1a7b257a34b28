#include "towpath/stage/stage.h"

namespace {

// Stages as a plugin of a user has them.
class Echo final : public towpath::Stage {
 public:
  static towpath::StageSpec describe() {
    return towpath::StageSpec("test.echo").summary("Gives back what it gets.").keeps_input();
  }
  explicit Echo(const towpath::Settings&) {}
  void process(const towpath::Batch& in, towpath::Outputs& out) override {
    for (int64_t row = 0; row < in.rows(); ++row) out.main().forward_row(in, row);
  }
};

class Detects final : public towpath::Source {
 public:
  static towpath::StageSpec describe() {
    return towpath::StageSpec("test.detects")
        .field(towpath::field("column", towpath::FieldKind::kString))
        .detects_columns();
  }
  static towpath::Schema detect(const towpath::Settings& settings) {
    if (!settings.has("column")) throw towpath::Invalid("nothing to detect");
    return {{settings.get_string("column"), towpath::Type::kDate}};
  }
  explicit Detects(const towpath::Settings&) {}
  void open(towpath::Services&, std::optional<std::string_view>) override {}
  Read read(towpath::Outputs&) override { return {Read::kEnd, ""}; }
};

}  // namespace

TOWPATH_STAGE(Echo)
TOWPATH_STAGE(Detects)
