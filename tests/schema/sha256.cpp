#include "schema/sha256.h"

#include <doctest/doctest.h>

using namespace cambench;

TEST_CASE("the digests are those of FIPS 180-4 and its published examples") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE(
    "bytes that come in pieces give the digest of the whole, wherever it is cut and whoever computes it") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  const auto whole = sha256_hex(text);
  for (const auto by : {Sha256::By::fastest, Sha256::By::plain_code})
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      Sha256 hash(by);
      hash.update(std::string_view(text).substr(0, cut));
      hash.update(std::string_view(text).substr(cut));
      CHECK(hash.hex() == whole);
    }
}

TEST_CASE("two messages at once have the digests that each has alone, whatever their lengths") {
  std::string text;
  for (int i = 0; i < 700; ++i) text += static_cast<char>(i * 11);
  for (std::size_t of_a = 0; of_a <= text.size(); of_a += 7)
    for (std::size_t of_b = 0; of_b <= text.size(); of_b += 31)
      for (const std::size_t before : {0, 5}) {  // bytes that were added already
        const std::string_view message_a = std::string_view(text).substr(0, of_a),
                               message_b = std::string_view(text).substr(text.size() - of_b);
        Sha256 a, b;
        a.update(message_a.substr(0, before));
        Sha256::update_both(a, message_a.substr(std::min(before, of_a)), b, message_b);
        CHECK(a.hex() == sha256_hex(message_a));
        CHECK(b.hex() == sha256_hex(message_b));
      }
}
