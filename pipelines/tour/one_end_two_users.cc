// Two users of one end of a pipe. In Python that may mix their bytes. Here threads of one process
// take turns by themselves, and a second process does not get the end at all: it moves.
#include <thread>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

constexpr int kTimes = 1000;

void check(Connection line) {
  int whole = 0;
  for (int i = 0; i < 2 * kTimes; ++i) {
    const auto text = line.recv<std::string>();
    whole += text == std::string(100, 'a') || text == std::string(100, 'b') ? 1 : 0;
  }
  say(format("whole messages of two threads: {}", whole));
}

}  // namespace

void one_end_two_users() {
  auto [mine, its] = Pipe();
  Process child(&check, std::move(its));
  child.start();
  const auto send = [&mine](char letter) {
    for (int i = 0; i < kTimes; ++i) mine.send(std::string(100, letter));
  };
  { const std::jthread a(send, 'a'), b(send, 'b'); }
  child.join();
  try {
    its.send("also from here");  // NOLINT(bugprone-use-after-move): that is the question
  } catch (const Invalid&) {
    say("the end that the child has can't be used here");
  }
}

}  // namespace tour
