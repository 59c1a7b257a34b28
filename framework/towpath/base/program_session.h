#pragma once
#include <string>

#include "towpath/base/session.h"

namespace towpath {

// The session of this program: of its first process and of all below that, by any start method. Its
// folder, /dev/shm/towpath-UID/ID, holds what they open by name: shared memory, locks, sockets.
//
// Beginning  made at first use, by whichever process comes first; a program that shares nothing by
//            name has none. The id is chosen in the first process and travels in each Job.
// End        the folder goes when all processes that made something in it have ended, however they
//            ended: a keeper process sees to that. If the keeper was killed as well, the next
//            program of this user sweeps the folder in towpath::init.
// Source     Python's resource tracker. Killed, that is missed at the next use, with a warning, and
//            started again, because it alone knows what there is. The keeper knows nothing but the
//            folder, which is its own register: so nobody needs to watch it, nothing is tracked
//            call by call, and without it only the moment of the removal is another.
// Threads    any.
// Errors     Invalid: towpath::init was not called, or the folder is not for this user alone.
const Session& program_session();

// Chosen at the first call. A child adopts its parent's before anything else.
std::string program_session_id();
void adopt_program_session(std::string id);

// "/dev/shm/towpath-UID", in which the sessions of this user lie; it may not exist.
std::string shared_root();
// Removes sessions in which no process lives.
void sweep_shared_root() noexcept;

}  // namespace towpath
