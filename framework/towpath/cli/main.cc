#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <iostream>

#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/quantity.h"
#include "towpath/cli/commands.h"
#include "towpath/config/number.h"
#include "towpath/process/init.h"

namespace {

using namespace towpath;

std::string check_count(const std::string& text) {
  const Number number = read_number(text);
  if (number.kind == Number::Kind::kInt && number.integer > 0) return "";
  return format("{} is not a whole number of at least 1", text);
}

// Where a command lacks: what stands in its place, and what may have been meant. Empty when nothing
// stands there.
std::string wrong_command(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().back();
  const std::vector<std::string> words = at->remaining();
  if (words.empty()) return "";
  std::vector<std::string_view> known;
  std::string all;
  const std::vector<const CLI::App*> commands =
      at->get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* command : commands) {
    known.push_back(command->get_name());
    all += (all.empty() ? "" : ", ") + command->get_name();
  }
  const std::string_view near = nearest(words[0], known.data(), known.data() + known.size());
  return format("towpath: there is no command \"{}\"; {}\n", words[0],
                near.empty() ? format("there are {}", all) : format("did you mean \"{}\"?", near));
}

void add_config_options(CLI::App& command, cli::ConfigArguments& arguments) {
  command.add_option("CONFIG", arguments.config, "the pipeline's YAML file")->required();
  command.add_option("--set", arguments.set, "sets a param: --set NAME=VALUE; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command
      .add_option("--workers", arguments.workers,
                  "workers of a stage: --workers STAGE=N; may be repeated")
      ->type_name("STAGE=N")
      ->allow_extra_args(false);
  command.add_option("--start-method", arguments.start_method, "forkserver, spawn or fork")
      ->type_name("METHOD");
  command
      .add_option("--memory", arguments.memory,
                  "bytes for batches on their way and for what stages keep, together, e.g. 256MiB")
      ->type_name("SIZE");
  command.add_option("--batch-rows", arguments.batch_rows, "cuts batches at N rows")
      ->check(check_count)
      ->type_name("N");
}

int program(int argc, char** argv) {
  CLI::App app("Towpath runs dataflow pipelines as separate processes, from a YAML file.",
               "towpath");
  app.require_subcommand(1);
  app.set_version_flag("--version", "towpath 0.1.0");
  app.footer(
      "Examples:\n"
      "  towpath run configs/word_count.yaml\n"
      "  towpath run configs/word_count.yaml --set in='/data/*.txt' --workers words=4\n"
      "  towpath check configs/sales.yaml\n"
      "  towpath stages csv.read\n\n"
      "Exit codes: 0 done; 1 failed; 2 wrong usage or config; 3 done, with rejects; 130 "
      "interrupted. `towpath resume` goes on behind 1 and 130.");

  cli::RunArguments run;
  CLI::App* run_command = app.add_subcommand("run", "Runs a pipeline to its end");
  add_config_options(*run_command, run.config);
  run_command->add_option("--run-dir", run.run_dir, "where runs' folders are made")
      ->type_name("DIR")
      ->check([](const std::string& text) { return text.empty() ? "it names no folder" : ""; })
      ->capture_default_str();
  run_command->add_flag("--quiet,-q", run.quiet, "shows nothing but errors");
  run_command->add_flag("--json", run.json,
                        "prints the closing ledger as one JSON object, nothing else");
  run_command->footer("Example:\n  towpath run configs/sales.yaml --set min_qty=2 --memory 256MiB");

  cli::ResumeArguments resume;
  CLI::App* resume_command = app.add_subcommand(
      "resume", "Goes on with a run that was interrupted, failed or killed, from its last epoch");
  resume_command->add_option("RUN", resume.run,
                             "its folder or its name; else the newest that can go on");
  resume_command->add_option("--run-dir", resume.run_dir, "where runs' folders are")
      ->type_name("DIR")
      ->capture_default_str();
  resume_command->add_flag("--quiet,-q", resume.quiet, "shows nothing but errors");
  resume_command->add_flag("--json", resume.json,
                           "prints the closing ledger as one JSON object, nothing else");
  resume_command->footer(
      "Refuses, with exit code 2, when the YAML, an input or a plugin has changed since.\n"
      "Examples:\n  towpath resume\n  towpath resume 20261122-201714-sales");

  cli::ConfigArguments check;
  CLI::App* check_command = app.add_subcommand("check", "Checks a pipeline whole, runs nothing");
  add_config_options(*check_command, check);
  check_command->footer("Example:\n  towpath check configs/sales.yaml");

  cli::GraphArguments graph;
  CLI::App* graph_command =
      app.add_subcommand("graph", "Draws a pipeline as text, or as DOT for Graphviz");
  add_config_options(*graph_command, graph.config);
  graph_command->add_flag("--dot", graph.dot, "prints DOT");
  graph_command->footer(
      "Example:\n  towpath graph configs/sales.yaml --dot | dot -Tsvg > sales.svg");

  cli::StagesArguments stages;
  CLI::App* stages_command = app.add_subcommand("stages", "Lists the stages, or explains one");
  stages_command->add_option("NAME", stages.name, "the stage to explain");
  stages_command->footer("Example:\n  towpath stages csv.read");

  const CLI::App* options_command =
      app.add_subcommand("options", "Lists what a pipeline's file and each stage in it may say");
  const CLI::App* functions_command =
      app.add_subcommand("functions", "Lists the functions of expressions");

  CLI::App* debug_command = app.add_subcommand("debug", "Looks inside Towpath");
  debug_command->require_subcommand(1);
  debug_command->add_subcommand("tables", "Prints the lifecycles of worker, lease, edge and run");

  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    const std::string wrong = wrong_command(app);
    if (wrong.empty()) return app.exit(error) == 0 ? 0 : 2;
    std::cerr << wrong;
    return 2;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (run_command->parsed()) return cli::run(run);
  if (resume_command->parsed()) return cli::resume(resume);
  if (check_command->parsed()) return cli::check(check);
  if (graph_command->parsed()) return cli::graph(graph);
  if (stages_command->parsed()) return cli::stages(stages);
  if (options_command->parsed()) return cli::options();
  if (functions_command->parsed()) return cli::functions();
  return cli::debug_tables();
}

}  // namespace

int main(int argc, char** argv) {
  towpath::init(argc, argv);
  towpath::set_log_name("towpath");
  // A reader of our output that has gone is an error of the write, not a death.
  ::signal(SIGPIPE, SIG_IGN);
  try {
    const int code = program(argc, argv);
    std::cout.flush();
    if (std::cout || code != 0) return code;
    std::cerr << "towpath: standard output can't be written\n";
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "towpath: " << error.what() << '\n';
    return 1;
  }
}
