// An exception that a child does not catch ends the child, not its parent: exit code 1, and its
// trace on stderr with file and line. As an object it travels through a queue or a future, and
// arrives as what it was, with the trace from where it was thrown.
#include <unistd.h>

#include <stdexcept>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

int load(int row) {
  if (row > 3) throw std::out_of_range(format("no row {}", row));
  return row;
}

void report(Queue<RemoteTrace> errors) {
  try {
    load(5);
  } catch (...) {
    errors.put(trace_of_current_exception());
  }
}

}  // namespace

void exceptions() {
  Process child(Options{.name = "loader", .stderr_fd = STDOUT_FILENO}, &load, 4);
  child.start();
  child.join();
  say(format("main is unharmed; exit code {}, {}", *child.exitcode(), *child.error()));

  Queue<RemoteTrace> errors;
  Process reports(&report, errors);
  reports.start();
  try {
    std::rethrow_exception(exception_of(errors.get()));
  } catch (const std::out_of_range& error) {
    say(format("by queue: std::out_of_range, {}", error.what()));
  }

  Pool pool(1);
  auto future = pool.apply_async(&load, 6);
  try {
    future.get();
  } catch (const std::out_of_range& error) {
    say(format("by future: std::out_of_range, {}, from {}", error.what(),
               remote_of(error)->worker));
  }
}

}  // namespace tour
