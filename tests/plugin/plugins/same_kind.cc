#include "towpath/stage/stage.h"

namespace {

class Echo final : public towpath::Stage {
 public:
  static towpath::StageSpec describe() { return towpath::StageSpec("test.echo").keeps_input(); }
  explicit Echo(const towpath::Settings&) {}
  void process(const towpath::Batch&, towpath::Outputs&) override {}
};

}  // namespace

TOWPATH_STAGE(Echo)
