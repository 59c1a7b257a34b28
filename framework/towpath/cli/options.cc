#include <iostream>

#include "towpath/base/format.h"
#include "towpath/cli/commands.h"
#include "towpath/cli/print_field.h"
#include "towpath/expr/expression.h"
#include "towpath/graph/file_options.h"

namespace towpath::cli {

int options() {
  std::cout << "At the top of the file:\n";
  for (const FieldSpec& field : pipeline_fields()) print_field(field);
  for (const FieldSpec& part : pipeline_parts()) print_field(part);
  std::cout << "\nIn each stage, beside its kind (`towpath stages` lists the kinds):\n";
  for (const FieldSpec& part : stage_parts()) print_field(part);
  for (const FieldSpec& field : stage_fields()) print_field(field);
  return 0;
}

int functions() {
  for (const FunctionFamily& family : expression_functions()) {
    std::cout << family.title << ":\n";
    for (const std::string_view signature : family.signatures) {
      std::cout << "  " << signature << '\n';
    }
  }
  std::cout
      << "\nOperators, loosest first: or, and, not, == != < <= > >= in (a, b) is null, + -, "
         "* / // %, unary -.\nExample: filter: \"qty > $min and country not in ('', 'XX')\"\n";
  return 0;
}

}  // namespace towpath::cli
