#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace towpath {

// What two processes do with a key that both know; by libsodium.
// Threads    any.
// Errors     Unsupported: the library can't be made ready.

// Shows that who made it knows the key, and nothing of the key: HMAC-SHA-256. 32 bytes.
std::string key_proof(std::string_view key, std::string_view text);

// A secret made of the key, which a guess at a short key can't be tried against cheaply: Argon2id,
// 8 MiB and about 10 ms. 32 bytes; `purpose` keeps one use of a key from another's.
std::string key_secret(std::string_view key, std::string_view purpose);

// The text as only those who know the key can read it (XSalsa20 and Poly1305), different each time;
// and back: none, if it was sealed by another key, or changed. The key is random, not a password.
std::string seal(std::string_view key, std::string_view text);
std::optional<std::string> unseal(std::string_view key, std::string_view sealed);

// Compares in the same time whatever differs, so that time tells nothing.
bool same_secret(std::string_view a, std::string_view b);

// From the kernel's generator.
std::string random_bytes(size_t size);

}  // namespace towpath
