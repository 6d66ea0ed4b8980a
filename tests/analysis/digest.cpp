// Test values: RFC 1321 appendix A.5; FIPS 180-4 examples (NIST, "SHA1 example values").
#include "analysis/formats/digest.h"

#include <doctest/doctest.h>

using namespace cambench;

TEST_CASE("MD5 gives the values of RFC 1321") {
  const auto md5 = [](std::string_view text) { return digest_hex(Digest::Kind::md5, text); };
  CHECK(md5("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5("abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(md5("12345678901234567890123456789012345678901234567890123456789012345678901234567890") ==
        "57edf4a22be3c955ac49da2e2107b67a");
}

TEST_CASE("SHA-1 gives the values of FIPS 180-4") {
  const auto sha1 = [](std::string_view text) { return digest_hex(Digest::Kind::sha1, text); };
  CHECK(sha1("") == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  CHECK(sha1("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
}

TEST_CASE("a digest does not depend on the pieces that its message comes in") {
  for (const auto kind : {Digest::Kind::md5, Digest::Kind::sha1})
    for (std::size_t size = 0; size < 200; ++size) {
      const std::string message(size, 'x');
      Digest pieces(kind);
      for (std::size_t at = 0; at < size; at += 7) pieces.update(std::string_view(message).substr(at, 7));
      CHECK(pieces.hex() == digest_hex(kind, message));
    }
}
