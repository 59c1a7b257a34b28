#pragma once
#include <string>

#include "towpath/base/private_fd.h"
#include "towpath/base/session.h"
#include "towpath/base/unique_fd.h"

namespace towpath {

// Removes a folder, with all in it, when this object or this process ends, even by kill -9: a small
// process of its own watches for that, then ends too. Ctrl-C and the terminal's end don't reach it.
// A SharedFolder that others still use stays until they have ended, too. A keeper that is killed is
// neither missed nor started again: see base/program_session.h.
class Keeper {
 public:
  // Invalid unless `folder` is an absolute path to a folder (no symbolic link) of this user.
  explicit Keeper(std::string folder);
  // The session's folder. This process uses it until then, and leaves it first.
  explicit Keeper(Session session);
  Keeper(Keeper&&) noexcept = default;
  Keeper& operator=(Keeper&&) = delete;
  ~Keeper();

  // Has the folder removed as soon as nobody uses it, and waits for that some seconds at most.
  void release() noexcept;
  int pid() const { return pid_; }
  const Session& session() const { return session_; }

 private:
  Session session_;
  PrivateFd line_;
  PrivateFd pidfd_;
  int pid_ = 0;
};

}  // namespace towpath
