#pragma once
#include <string>

namespace towpath {

// A secret by which processes know each other. It is shown to who asks for its bytes and by nothing
// else: it can't be printed or formatted, nor sent in a queue.
class AuthKey {
 public:
  explicit AuthKey(std::string bytes);  // Invalid: empty, which would mean none
  const std::string& bytes() const { return bytes_; }
  bool operator==(const AuthKey&) const = default;

 private:
  std::string bytes_;
};

// This process's key: 32 random bytes, chosen by the first process of a program when they are first
// asked for, and inherited by all below it. Listener and Client use it over TCP where they were
// given none: then the processes of one program find each other and nobody else gets in.
// Thread-safe.
AuthKey program_key();
// From now on this process's, and that of the children it starts then: how two programs come to
// have the same one.
void set_program_key(const AuthKey& key);

}  // namespace towpath
