#include "towpath/base/way_out.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "towpath/base/format.h"

namespace towpath {
namespace {

// None: without limit.
std::optional<uint64_t> limit_of(decltype(RLIMIT_AS) resource) {
  struct rlimit limit {};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

bool names(std::string_view call, std::string_view what) {
  return call.find(what) != std::string_view::npos;
}

std::string of_memory() {
  if (const auto addresses = limit_of(RLIMIT_AS)) {
    return format(
        "; the limit of this process's addresses is {} KiB (ulimit -v), which counts shared memory "
        "and threads' stacks, too: raise it, or take it away (ulimit -v unlimited)",
        *addresses / 1024);
  }
  return "; the system has no memory for it: end other programs, or raise the limit of mappings "
         "(sysctl vm.max_map_count) if a process has very many";
}

std::string of_processes(std::string_view call) {
  const bool thread = names(call, "thread");
  if (!thread && !names(call, "fork") && !names(call, "clone")) return {};
  // A thread that finds no room for its stack is refused in the same way.
  return "; raise the limit of processes, which counts threads, too (ulimit -u, and pids.max of "
         "its cgroup), or end other programs" +
         (thread && limit_of(RLIMIT_AS) ? of_memory() : std::string());
}

}  // namespace

std::string room_in_shared_memory() {
  struct statvfs room {};
  if (::statvfs("/dev/shm", &room) != 0) return "/dev/shm can't be asked for its size";
  return format(
      "/dev/shm has {} KiB in all, {} KiB free, and room for {} more files: free some, or make it "
      "larger (mount -o remount,size=1G /dev/shm; of a container: --shm-size=1g)",
      room.f_blocks * room.f_frsize / 1024, room.f_bavail * room.f_frsize / 1024, room.f_favail);
}

std::string way_out(std::string_view call, int error_number) {
  switch (error_number) {
    case EMFILE:
      return format(
          "; the limit of this process's open files is {} (ulimit -n): raise it, or have fewer "
          "workers, connections and queues at a time",
          limit_of(RLIMIT_NOFILE).value_or(0));
    case ENFILE:
      return "; so many files are open in the whole system: raise the limit (sysctl fs.file-max), "
             "or end other programs";
    case ENOMEM:
      return of_memory();
    case EAGAIN:
      return of_processes(call);
    case ENOSPC:
      return names(call, "/dev/shm") ? "; " + room_in_shared_memory() : "";
    case ENOENT:
      return names(call, "/proc/") && ::access("/proc/self/stat", F_OK) != 0
                 ? "; /proc is not mounted, and Towpath starts and watches processes by it: mount "
                   "it where the program runs (mount -t proc proc /proc)"
                 : "";
    default:
      return "";
  }
}

}  // namespace towpath
