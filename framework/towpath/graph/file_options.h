#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "towpath/config/field_spec.h"

namespace towpath {

// What a pipeline's file may say beside the fields of its stages' kinds: the checks and the help
// come from these. "Parts" hold more than one value (FieldKind::kAny) and are checked by whoever
// reads them.

inline constexpr uint64_t kLeastMemory = 1 << 20;
inline constexpr uint64_t kMostBatchRows = 1 << 20;
const std::vector<std::string>& start_method_names();

// At the top of the file.
const std::vector<FieldSpec>& pipeline_fields();
const std::vector<FieldSpec>& pipeline_parts();

// In each stage, beside its kind. `defaults` may hold the fields, and env.
const std::vector<FieldSpec>& stage_fields();
const std::vector<FieldSpec>& stage_parts();

}  // namespace towpath
