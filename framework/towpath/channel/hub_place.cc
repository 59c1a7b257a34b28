#include "towpath/channel/hub_place.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/file_lock.h"
#include "towpath/base/format.h"
#include "towpath/base/process_hooks.h"
#include "towpath/base/program_session.h"
#include "towpath/channel/queue_hub.h"

namespace towpath {
namespace {

// Where the session says which hub runs. Who holds its flock may start one.
struct Register {
  Register() : path(program_session().folder() + "/hub") {
    fd.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) throw_errno(format("open({})", path));
    lock_file(fd, FileLock::kExclusive, path);
  }
  HubPlace read() const {
    HubPlace place;
    const ssize_t got = ::pread(fd.get(), &place, sizeof place, 0);
    if (got < 0) throw_errno(format("pread({})", path));
    return got == sizeof place ? place : HubPlace{};
  }
  void write(const HubPlace& place) const {
    if (::pwrite(fd.get(), &place, sizeof place, 0) != sizeof place)
      throw_errno(format("pwrite({})", path));
  }
  std::string path;
  UniqueFd fd;
};

}  // namespace

std::string HubPlace::address() const {
  return program_session().address(format("hub-{}", number));
}

UniqueFd HubPlace::open_pidfd() const {
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid(), 0)));
  if (!pidfd && errno != ESRCH) throw_errno(format("pidfd_open({})", pid()));
  // Behind that: the number can have been given to another process.
  if (!pidfd || process_ended(process))
    throw Closed(format("the hub (pid {}) of this program's queues has ended", pid()));
  return pidfd;
}

HubPlace known_hub(uint64_t number) {
  const HubPlace place = Register().read();
  if (place.number != number || place.process == 0 || process_ended(place.process)) {
    throw Closed(
        format("hub {} of this program, which held it, has ended, and all that was in it "
               "is lost",
               number));
  }
  return place;
}

HubPlace running_hub() {
  const Register record;
  HubPlace place = record.read();
  if (place.process != 0 && !process_ended(place.process)) return place;
  // Before it starts: should this process be killed, the next hub has another address.
  place = {place.number + 1, 0};
  record.write(place);
  place.process = process_hooks("a queue over ZeroMQ").start_hub(&serve_queues, place.address());
  record.write(place);
  return place;
}

}  // namespace towpath
