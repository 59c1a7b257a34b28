#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

// The commands of the program, one file each. Every one returns the exit code:
// 0 done; 1 failed; 2 wrong usage or config; 3 done, with rejects; 130 interrupted.

namespace towpath::cli {

// What the commands that take a CONFIG share.
struct ConfigArguments {
  std::string config;
  std::vector<std::string> set;      // "NAME=VALUE"
  std::vector<std::string> workers;  // "STAGE=N"
  std::string start_method;          // empty: as the config says
  std::string memory;                // "64MiB"
  uint64_t batch_rows = 0;           // 0: as the config says
};

struct RunArguments {
  ConfigArguments config;
  std::string run_dir = ".towpath/runs";
  bool quiet = false;
  bool json = false;
};
int run(const RunArguments& arguments);

struct ResumeArguments {
  std::string run;  // its folder, or its name in run_dir; empty: the newest that can go on
  std::string run_dir = ".towpath/runs";
  bool quiet = false;
  bool json = false;
};
int resume(const ResumeArguments& arguments);

int check(const ConfigArguments& arguments);

struct GraphArguments {
  ConfigArguments config;
  bool dot = false;
};
int graph(const GraphArguments& arguments);

struct StagesArguments {
  std::string name;  // empty: lists all
};
int stages(const StagesArguments& arguments);

int options();    // of a pipeline's file and of each stage in it
int functions();  // of expressions

int debug_tables();

}  // namespace towpath::cli
