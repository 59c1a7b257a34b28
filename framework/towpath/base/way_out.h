#pragma once
#include <string>
#include <string_view>

namespace towpath {

// What to do about a system call that failed because something has run out: the limit, as it is in
// this process, and how to raise it; "; ..." to stand behind the system's own text. Empty for other
// errors. `call` as in SystemError: what counts there is fork, clone or thread; /dev/shm; /proc.
//
//   EMFILE, ENFILE   descriptors              ENOSPC on /dev/shm   shared memory
//   ENOMEM           memory, addresses        ENOENT in /proc      it is not mounted
//   EAGAIN           processes, threads
std::string way_out(std::string_view call, int error_number);

// How large /dev/shm is, how much of it is free, and how it becomes larger.
std::string room_in_shared_memory();

}  // namespace towpath
