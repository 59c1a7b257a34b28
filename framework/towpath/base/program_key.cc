#include "towpath/base/program_key.h"

#include <sys/random.h>

#include <mutex>

#include "towpath/base/error.h"

namespace towpath {
namespace {

constexpr size_t kBytes = 32;

std::mutex mutex;

// Call it with the mutex held. Never destroyed: statics of other files may end later.
std::string& key_bytes() {
  static auto* const bytes = new std::string;
  return *bytes;
}

}  // namespace

AuthKey::AuthKey(std::string bytes) : bytes_(std::move(bytes)) {
  if (bytes_.empty()) throw Invalid("an authentication key is empty: give it random bytes");
}

AuthKey program_key() {
  const std::lock_guard lock(mutex);
  std::string& bytes = key_bytes();
  if (bytes.empty()) {
    std::string random(kBytes, '\0');
    // So few bytes come whole.
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(kBytes))
      throw_errno("getrandom(32)");
    bytes = std::move(random);
  }
  return AuthKey(bytes);
}

void set_program_key(const AuthKey& key) {
  const std::lock_guard lock(mutex);
  key_bytes() = key.bytes();
}

}  // namespace towpath
