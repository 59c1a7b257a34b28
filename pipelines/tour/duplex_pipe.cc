// A pipe has two ends that both send and receive: a request goes, its reply comes back. An end that
// is given to a child is closed here by that; the end of one side is the end of the stream on the
// other.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void answer(Connection line) {
  const auto question = line.recv<std::string>();
  line.send("the answer to \"" + question + "\"");
}

}  // namespace

void duplex_pipe() {
  auto [mine, its] = Pipe();
  Process child(&answer, std::move(its));
  child.start();
  mine.send("how deep is the water");
  say(mine.recv<std::string>());
  try {
    mine.recv();
  } catch (const EndOfStream&) {
    say("the other end is closed");
  }
}

}  // namespace tour
