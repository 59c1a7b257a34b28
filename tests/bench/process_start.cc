// Starts and joins processes one after another; prints milliseconds each, as the peers' spawn does.
// usage: process_start forkserver|spawn|fork [COUNT]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "towpath/process/init.h"
#include "towpath/process/method.h"
#include "towpath/process/process.h"

namespace {

void nothing() {}

void start_and_join(towpath::Method method) {
  towpath::Process child(towpath::Options{.method = method}, nothing);
  child.start();
  child.join();
}

}  // namespace

int main(int argc, char** argv) {
  towpath::init(argc, argv);
  const std::string name = argc > 1 ? argv[1] : "forkserver";
  const int count = argc > 2 ? std::atoi(argv[2]) : 200;
  const towpath::Method method = name == "fork"    ? towpath::Method::kFork
                                 : name == "spawn" ? towpath::Method::kSpawn
                                                   : towpath::Method::kForkserver;
  start_and_join(method);  // the helper processes start with the first one
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) start_and_join(method);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  std::printf("%.4f\n", took.count() / count);
}
