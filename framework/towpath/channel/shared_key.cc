#include "towpath/channel/shared_key.h"

#include <sodium.h>

#include "towpath/base/error.h"

namespace towpath {
namespace {

constexpr unsigned long long kPasses = 2;
constexpr size_t kMemory = size_t{8} << 20;
constexpr size_t kSecret = 32;

void make_ready() {
  if (::sodium_init() < 0) throw Unsupported("libsodium finds no source of random numbers here");
}

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string key_proof(std::string_view key, std::string_view text) {
  make_ready();
  crypto_auth_hmacsha256_state state;
  std::string proof(crypto_auth_hmacsha256_BYTES, '\0');
  ::crypto_auth_hmacsha256_init(&state, bytes_of(key), key.size());
  ::crypto_auth_hmacsha256_update(&state, bytes_of(text), text.size());
  ::crypto_auth_hmacsha256_final(&state, bytes_of(proof));
  return proof;
}

std::string key_secret(std::string_view key, std::string_view purpose) {
  make_ready();
  std::string salt(crypto_pwhash_SALTBYTES, '\0');
  ::crypto_generichash(bytes_of(salt), salt.size(), bytes_of(purpose), purpose.size(), nullptr, 0);
  std::string secret(kSecret, '\0');
  if (::crypto_pwhash(bytes_of(secret), secret.size(), key.data(), key.size(), bytes_of(salt),
                      kPasses, kMemory, crypto_pwhash_ALG_ARGON2ID13) != 0) {
    throw Unsupported("no memory to derive a secret from a key: 8 MiB are needed");
  }
  return secret;
}

std::string seal(std::string_view key, std::string_view text) {
  const std::string secret = key_proof(key, "seal");
  static_assert(crypto_secretbox_KEYBYTES == crypto_auth_hmacsha256_BYTES);
  const std::string nonce = random_bytes(crypto_secretbox_NONCEBYTES);
  std::string box(crypto_secretbox_MACBYTES + text.size(), '\0');
  ::crypto_secretbox_easy(bytes_of(box), bytes_of(text), text.size(),
                          bytes_of(std::string_view(nonce)), bytes_of(std::string_view(secret)));
  return nonce + box;
}

std::optional<std::string> unseal(std::string_view key, std::string_view sealed) {
  constexpr size_t kHead = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;
  if (sealed.size() < kHead) return std::nullopt;
  const std::string secret = key_proof(key, "seal");
  const std::string_view box = sealed.substr(crypto_secretbox_NONCEBYTES);
  std::string text(sealed.size() - kHead, '\0');
  if (::crypto_secretbox_open_easy(bytes_of(text), bytes_of(box), box.size(), bytes_of(sealed),
                                   bytes_of(std::string_view(secret))) != 0)
    return std::nullopt;
  return text;
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(size_t size) {
  make_ready();
  std::string bytes(size, '\0');
  ::randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

}  // namespace towpath
