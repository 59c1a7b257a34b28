// A task as a class: run() is virtual, the object is made in the child of what the parent gives. A
// process is alive until it is not; one can be ended by force.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

class Greeter : public Runnable {
 public:
  Greeter(std::string whom, Event greeted) : whom_(std::move(whom)), greeted_(std::move(greeted)) {}
  void run() override {
    say("hello " + whom_);
    greeted_.set();
    Event().wait();  // for ever
  }

 private:
  std::string whom_;
  Event greeted_;
};

}  // namespace

void subclass_run() {
  const Event greeted;
  Process process = Process::of<Greeter>("world", greeted);
  say("alive before the start: " + yes_or_no(process.is_alive()));
  process.start();
  greeted.wait();
  say("alive: " + yes_or_no(process.is_alive()));
  process.terminate();
  process.join();
  say("alive: " + yes_or_no(process.is_alive()));
  say(format("exit code {}", *process.exitcode()));
}

}  // namespace tour
