#pragma once
#include <string>
#include <string_view>
#include <utility>

#include "towpath/base/unique_fd.h"

namespace towpath {

// A folder that several processes use, and that is removed when the last of them has ended.
//
// In use     a process that has entered holds a shared flock on the file ".alive" in the folder.
//            The kernel takes it away when the process ends in any way. Who gets the exclusive
//            flock knows that nobody uses the folder, moves it away under that lock, and removes
//            it. Whoever enters checks behind the flock that the folder is still in its place.
// Fork       a child shares the flock; it uses the folder, too.
// Errors     Invalid: the folder is not for this user alone. SystemError.
class SharedFolder {
 public:
  // Makes the folder (0700) when it is missing; its parent must exist.
  static SharedFolder enter(const std::string& path);
  const std::string& path() const { return path_; }
  bool made() const { return made_; }  // by this call

  // False when it is in use. True: it is gone now.
  static bool remove_if_unused(const std::string& path);
  // Waits until nobody uses it, then removes it.
  static void remove_when_unused(const std::string& path);
  // Removes the folders in `parent` that begin with `prefix` and nobody uses, and what removers
  // left when they were killed. What can't be removed stays for another time.
  static void sweep(const std::string& parent, char prefix) noexcept;
  // Whether a folder of this name is one that a remover has moved away.
  static bool is_being_removed(std::string_view name);

 private:
  SharedFolder(std::string path, UniqueFd alive, bool made)
      : path_(std::move(path)), alive_(std::move(alive)), made_(made) {}

  std::string path_;
  UniqueFd alive_;
  bool made_;
};

// A folder of this user, not reached by a symbolic link in its last name; private: nobody else may
// enter it.
bool is_own_folder(const std::string& path);
bool is_private_folder(const std::string& path);

}  // namespace towpath
