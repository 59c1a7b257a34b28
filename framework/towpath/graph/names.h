#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "towpath/config/document.h"

namespace towpath {

// A hint for a name that nobody has: did you mean "x"? With no name near, `otherwise`.
std::string suggest_name(std::string_view word, const std::vector<std::string>& names,
                         std::string otherwise = "");

// "a, b, c"; for messages.
std::string list_names(const std::vector<std::string>& names);

// Names of pipelines and stages stand in paths, in `ps` and before the dot of `from: stage.output`:
// letters, digits, _ and -. Any other is a problem; `what` is "a stage".
void check_name(Document& document, const Node& at, std::string_view name, std::string_view what);
// The same with every other byte replaced by _.
std::string make_name(std::string_view text);

}  // namespace towpath
