// A program whose main reads its arguments before it calls towpath::init: in a child they are
// Towpath's, which it does not know. Its argument is the start method, behind it "pool" for a Pool
// instead of a Process; or "early": then it starts a Process before init.
#include <cstdio>
#include <string_view>

#include "towpath/base/error.h"
#include "towpath/pool/pool.h"
#include "towpath/process/init.h"
#include "towpath/process/process.h"

using namespace towpath;

namespace {

int start(Method method) {
  Process process(Options{.method = method}, [] { std::puts("the target ran"); });
  try {
    process.start();
  } catch (const Error& error) {
    std::puts(error.what());
    return 0;
  }
  process.join();
  std::puts(process.error().value_or("no error").c_str());
  return process.exitcode() == 2 ? 0 : 1;
}

int use_pool(Method method) {
  try {
    Pool pool(PoolOptions{.workers = 2, .method = method});
    pool.apply([] { std::puts("the target ran"); });
  } catch (const Error& error) {
    std::puts(error.what());
    return 0;
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view way = argc > 1 ? argv[1] : "";
  if (way == "early") return start(Method::kSpawn);
  const bool pool = argc == 3 && std::string_view(argv[2]) == "pool";
  if ((argc != 2 && !pool) || (way != "forkserver" && way != "spawn")) return 2;
  init(argc, argv);
  return pool ? use_pool(parse_method(way)) : start(parse_method(way));
}
