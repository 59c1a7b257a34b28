#include "towpath/stage/stage.h"

namespace towpath {

void RowStage::process(const Batch& in, Outputs& out) {
  for (int64_t number = 0; number < in.rows(); ++number) {
    out.mark();
    try {
      row(Row(in, number), out);
    } catch (const std::exception& error) {
      out.rollback();
      out.reject(in, number, error.what());
    }
    out.release();
  }
}

}  // namespace towpath
