#include <cstdlib>

namespace {

[[maybe_unused]] const bool crashes = (std::abort(), true);

}  // namespace
