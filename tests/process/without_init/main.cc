// A program that forgets towpath::init: what needs it must refuse. Its argument names that.
#include <cstdio>
#include <string_view>

#include "towpath/base/error.h"
#include "towpath/channel/queue.h"
#include "towpath/pool/executor.h"
#include "towpath/pool/pool.h"
#include "towpath/process/process.h"
#include "towpath/shared/manager.h"
#include "towpath/shared/value.h"
#include "towpath/sync/lock.h"

using namespace towpath;

namespace {

void use(std::string_view what) {
  // A child would run this main again.
  if (what == "process") Process([] { std::puts("ran"); }).start();
  if (what == "lock") Lock().acquire();
  if (what == "value") Value<int>(1).set(2);
  if (what == "queue") Queue<int>().put(1);
  if (what == "hub") Queue<int>({.transport = Transport::kZeroMq}).put(1);
  if (what == "pool") Pool(1).apply([] { std::puts("ran"); });
  if (what == "executor") Executor(1).submit([] { std::puts("ran"); }).get();
  if (what == "manager") Manager().list<int>();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    use(argc == 2 ? argv[1] : "");
  } catch (const Invalid& error) {
    std::puts(error.what());
    return 0;
  }
  return 1;
}
