#pragma once
#include <array>
#include <string>
#include <string_view>

namespace towpath {

// SHA-256 (FIPS 180-4) and HMAC of it (RFC 2104), for proving that one knows a key. 32 bytes.
std::string sha256(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view bytes);

// Compares in the same time whatever differs, so that time tells nothing.
bool same_secret(std::string_view a, std::string_view b);

// From the kernel's generator.
std::string random_bytes(size_t size);

}  // namespace towpath
