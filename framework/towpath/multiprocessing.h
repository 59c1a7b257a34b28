#pragma once

// The multiprocessing library, whole: what Python's multiprocessing offers, for C++.
//
//   #include <towpath/multiprocessing.h>
//
//   int square(int n) { return n * n; }
//
//   int main(int argc, char** argv) {
//     towpath::init(argc, argv);  // children begin here
//     towpath::Pool pool(4);
//     for (int n : pool.map(square, std::views::iota(0, 10))) std::cout << n << '\n';
//   }
//
// Each header says what it keeps and what it throws; pipelines/tour shows each part at work, beside
// the same in Python.

#include "towpath/base/clock.h"
#include "towpath/base/cpu_count.h"
#include "towpath/base/error.h"
#include "towpath/base/log.h"
#include "towpath/base/program_key.h"
#include "towpath/channel/connection.h"
#include "towpath/channel/listener.h"
#include "towpath/channel/queue.h"
#include "towpath/channel/wait.h"
#include "towpath/context.h"
#include "towpath/memory/shared_memory.h"
#include "towpath/message/codec.h"
#include "towpath/message/object.h"
#include "towpath/pool/executor.h"
#include "towpath/pool/pool.h"
#include "towpath/process/forkserver.h"
#include "towpath/process/init.h"
#include "towpath/process/method.h"
#include "towpath/process/process.h"
#include "towpath/process/remote_error.h"
#include "towpath/process/this_process.h"
#include "towpath/shared/array.h"
#include "towpath/shared/manager.h"
#include "towpath/shared/manager_server.h"
#include "towpath/shared/shareable_list.h"
#include "towpath/shared/shared_memory_manager.h"
#include "towpath/shared/value.h"
#include "towpath/sync/barrier.h"
#include "towpath/sync/condition.h"
#include "towpath/sync/event.h"
#include "towpath/sync/lock.h"
#include "towpath/sync/rlock.h"
#include "towpath/sync/semaphore.h"

namespace towpath {

// Errors go by what the caller can do: see base/error.h. Python's ValueError and AssertionError are
// Invalid here, its EOFError is EndOfStream, its BrokenPipeError is Closed; these two keep a name:
using ProcessError = Error;    // the base of all
using TimeoutError = Timeout;  // Full and Empty are of it

}  // namespace towpath
