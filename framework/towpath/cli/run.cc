#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <functional>
#include <iostream>
#include <string_view>
#include <system_error>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/cli/commands.h"
#include "towpath/cli/config_loader.h"
#include "towpath/coordinator/coordinator.h"
#include "towpath/message/json.h"
#include "towpath/run/run_db.h"
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

// Runs, and tells of it on the terminal.
template <class F>
int tell(bool quiet, bool json, F run_it) {
  Progress progress(STDERR_FILENO);
  RunOptions options;
  if (!quiet) {
    options.observe = [&progress](const Snapshot& now) { progress.show(now); };
  }
  const RunResult result = run_it(options);
  on_signals(SIG_DFL);
  progress.finish();
  if (!quiet) std::cerr << show_ledger(result.ledger) << closing_line(result);
  if (!result.rejects.empty() && !quiet) {
    std::cerr << format("{} row(s) rejected: {}\n", show_count(result.ledger.rejected),
                        result.rejects);
  }
  const std::string way_on = format("to go on: towpath resume {}\n", result.folder);
  if (result.exit_code == 130) {
    std::cerr << format(
        "towpath: {}; {}", result.message,
        result.resumable ? way_on : "nothing was published, partial files were removed\n");
  } else if (result.exit_code == 1) {
    std::cerr << format("towpath: error: {}\n  the workers' log is {}/log\n", result.message,
                        result.folder);
    if (result.resumable) std::cerr << "  " << way_on;
  }
  if (json) {
    Object ledger = ledger_object(result.ledger);
    ledger.set("exit_code", result.exit_code);
    ledger.set("folder", result.folder);
    if (!result.message.empty()) ledger.set("message", result.message);
    std::cout << to_json(ledger) << '\n';
  }
  return result.exit_code;
}

// Its folder, as it is given or by its name in the folder of all.
std::string find_run(const ResumeArguments& arguments) {
  namespace fs = std::filesystem;
  const fs::path base = arguments.run_dir;
  if (!arguments.run.empty()) {
    return fs::exists(arguments.run) ? arguments.run : (base / arguments.run).string();
  }
  std::vector<std::string> runs;  // their names begin with the time
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(base, none))
    runs.push_back(entry.path().string());
  std::ranges::sort(runs, std::greater<>());
  for (const std::string& run : runs) {
    try {
      const RecordedRun recorded = read_run(run + "/run.db");
      if (recorded.status != "done" && recorded.epoch > 0 && !recorded.config.empty()) return run;
    } catch (const Invalid&) {
      // It ended before it was a run.
    }
  }
  throw Invalid(
      format("no run in {} can go on: all are done, or have recorded no epoch", arguments.run_dir));
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
  return tell(arguments.quiet, arguments.json, [&](RunOptions& options) {
    options.runs = arguments.run_dir;
    return run_plan(*plan, options);
  });
}

int resume(const ResumeArguments& arguments) {
  on_signals(leave);
  try {
    return tell(arguments.quiet, arguments.json,
                [&](RunOptions& options) { return resume_run(find_run(arguments), options); });
  } catch (const Invalid& error) {  // it can't go on, and nothing was touched
    std::cerr << format("towpath: {}\n", error.what());
    return 2;
  }
}

}  // namespace towpath::cli
