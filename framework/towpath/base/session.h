#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "towpath/base/unique_fd.h"

namespace towpath {

// Where the sockets of one run lie: the folder ${XDG_RUNTIME_DIR:-/tmp}/towpath-UID/ID, for this
// user alone. It removes nothing at its end (the keeper does).
class Session {
 public:
  // Makes the folder. Invalid: the id is not a name, or the folder exists or is not safe to use.
  static Session create(std::string_view id);
  // A session of this process, with an id of its own, pPID-xxxxxx. The folder is locked with flock
  // as long as a copy of the session is in this process or in a forked child. What was left behind
  // where even the keeper was killed has no lock, and is removed first.
  static Session create_own();
  // Of a folder that another process made.
  explicit Session(std::string folder) : folder_(std::move(folder)) {}

  const std::string& folder() const { return folder_; }
  // "ipc://FOLDER/NAME". Invalid when the kernel has no room for such a path.
  std::string address(std::string_view name) const;

 private:
  std::string folder_;
  std::shared_ptr<const UniqueFd> lock_;
};

// The folder in which all sessions of this user lie, made when missing. Invalid unless it is a real
// folder of this user that nobody else can enter.
std::string session_root();

}  // namespace towpath
