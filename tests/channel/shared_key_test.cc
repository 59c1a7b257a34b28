#include "towpath/channel/shared_key.h"

#include <catch2/catch.hpp>

using namespace towpath;

TEST_CASE("seal: only the same key opens it and nothing that was changed") {
  const std::string key = random_bytes(32);
  const std::string sealed = seal(key, "the secret");
  CHECK_THAT(sealed, !Catch::Contains("secret"));
  CHECK(seal(key, "the secret") != sealed);
  CHECK(unseal(key, sealed) == "the secret");
  CHECK(unseal(key, seal(key, "")) == "");
  CHECK_FALSE(unseal(random_bytes(32), sealed));
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(unseal(key, changed));
    CHECK_FALSE(unseal(key, sealed.substr(0, i)));
  }
}
