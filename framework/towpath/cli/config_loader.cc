#include "towpath/cli/config_loader.h"

#include <charconv>
#include <iostream>
#include <string_view>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/coordinator/planning.h"
#include "towpath/process/method.h"

namespace towpath::cli {
namespace {

// "NAME=VALUE" → its two sides.
std::pair<std::string, std::string> split(std::string_view option, const std::string& text) {
  const size_t at = text.find('=');
  if (at == std::string::npos || at == 0) {
    throw Invalid(format("{} {}: write NAME=VALUE", option, text));
  }
  return {text.substr(0, at), text.substr(at + 1)};
}

PlanOptions options_of(const ConfigArguments& arguments) {
  PlanOptions options = options_here();
  for (const std::string& text : arguments.set) options.set.push_back(split("--set", text));
  for (const std::string& text : arguments.workers) {
    const auto [stage, count] = split("--workers", text);
    int64_t number = 0;
    const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), number);
    if (error != std::errc{} || end != count.data() + count.size() || number < 1) {
      throw Invalid(format("--workers {}: write STAGE=N, N a number from 1", text));
    }
    options.workers.emplace_back(stage, number);
  }
  if (!arguments.start_method.empty())
    parse_method(arguments.start_method);  // Invalid names the three
  options.start_method = arguments.start_method;
  if (!arguments.memory.empty()) options.memory = parse_bytes(arguments.memory);
  if (arguments.batch_rows > 0) options.batch_rows = arguments.batch_rows;
  return options;
}

}  // namespace

std::optional<Plan> load_plan(const ConfigArguments& arguments) {
  try {
    Document document = Document::load(arguments.config);
    std::optional<Plan> plan = plan_here(document, options_of(arguments));
    if (!plan) std::cerr << document.show_problems();
    return plan;
  } catch (const SystemError& error) {
    std::cerr << "towpath: " << error.what() << '\n';
  } catch (const Invalid& error) {
    std::cerr << "towpath: " << error.what() << '\n';
  }
  return std::nullopt;
}

}  // namespace towpath::cli
