#include <unistd.h>

#include <csignal>
#include <iostream>
#include <string_view>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/cli/commands.h"
#include "towpath/cli/config_loader.h"
#include "towpath/coordinator/coordinator.h"
#include "towpath/message/json.h"
#include "towpath/view/ledger_view.h"
#include "towpath/view/progress.h"

namespace towpath::cli {
namespace {

std::string closing_line(const RunResult& result) {
  const Snapshot& ledger = result.ledger;
  return format("{} {} in {}: {}\n", ledger.pipeline, ledger.status,
                show_duration(Millis{static_cast<int64_t>(ledger.seconds * 1000)}), result.folder);
}

// Before the coordinator takes signals over there is nothing to stop or to remove.
void leave(int) {
  constexpr std::string_view kText = "towpath: interrupted before the run began\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText.data(), kText.size());
  ::_exit(130);
}

void on_signals(void (*action)(int)) {
  ::signal(SIGINT, action);
  ::signal(SIGTERM, action);
  if (::signal(SIGHUP, action) == SIG_IGN) ::signal(SIGHUP, SIG_IGN);  // under nohup
}

}  // namespace

int run(const RunArguments& arguments) {
  on_signals(leave);
  const std::optional<Plan> plan = load_plan(arguments.config);
  if (!plan) return 2;
  if (arguments.json) {
    for (const PlanStage& stage : plan->stages) {
      if (stage.steps.back().kind != "print") continue;
      std::cerr << format(
          "towpath: --json prints the ledger on standard output, and stage \"{}\" prints its rows "
          "there: leave out one of them\n",
          stage.name);
      return 2;
    }
  }
  Progress progress(STDERR_FILENO);
  RunOptions options;
  options.runs = arguments.run_dir;
  if (!arguments.quiet) {
    options.observe = [&progress](const Snapshot& now) { progress.show(now); };
  }
  const RunResult result = run_plan(*plan, options);
  on_signals(SIG_DFL);
  progress.finish();
  if (!arguments.quiet) std::cerr << show_ledger(result.ledger) << closing_line(result);
  if (!result.rejects.empty() && !arguments.quiet) {
    std::cerr << format("{} row(s) rejected: {}\n", show_count(result.ledger.rejected),
                        result.rejects);
  }
  if (result.exit_code == 130) {
    std::cerr << format("towpath: {}; nothing was published, partial files were removed\n",
                        result.message);
  } else if (result.exit_code == 1) {
    std::cerr << format("towpath: error: {}\n  the workers' log is {}/log\n", result.message,
                        result.folder);
  }
  if (arguments.json) {
    Object ledger = ledger_object(result.ledger);
    ledger.set("exit_code", result.exit_code);
    ledger.set("folder", result.folder);
    if (!result.message.empty()) ledger.set("message", result.message);
    std::cout << to_json(ledger) << '\n';
  }
  return result.exit_code;
}

}  // namespace towpath::cli
