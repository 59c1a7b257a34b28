// What stands for the ZeroMQ transports in a program that is linked statically: their names, and
// why they are not there. ZeroMQ needs libraries that exist as shared ones only.
#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/channel/door.h"
#include "towpath/channel/hub_queue.h"
#include "towpath/channel/zmq_link.h"

namespace towpath {
namespace {

[[noreturn]] void refuse(std::string_view what) {
  throw Unsupported(
      format("{} goes over ZeroMQ, which a program that is linked statically is without: take "
             "Transport::kAuto and local addresses, or link the program with libtowpath.so",
             what));
}

}  // namespace

std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> ZmqLink::make(bool) {
  refuse("a Pipe with Transport::kZeroMq");
}
std::unique_ptr<Link> ZmqLink::adopt(Decoder&) { refuse("a connection that came"); }

std::unique_ptr<Listener::Door> open_zmq_door(const std::string& address, const ConnectOptions&) {
  refuse(format("listening at \"{}\"", address));
}
Connection enter_zmq_door(const std::string& address, const ConnectOptions&, const Deadline&) {
  refuse(format("connecting to \"{}\"", address));
}

std::unique_ptr<QueueCore> HubQueue::create(const Options&) {
  refuse("a queue with Transport::kZeroMq");
}
std::unique_ptr<QueueCore> HubQueue::open(const Handle&) { refuse("a queue that came"); }
bool HubQueue::is_one(const Handle&) { return false; }  // none is made

}  // namespace towpath
