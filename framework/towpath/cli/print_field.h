#pragma once
#include <string_view>

#include "towpath/config/field_spec.h"

namespace towpath::cli {

// One field of a YAML map on standard output: its name, what it takes, its help and default.
void print_field(const FieldSpec& field, std::string_view mark = "");

}  // namespace towpath::cli
