// SPDX-License-Identifier: BSD-2-Clause
#include "wire/authentication.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

namespace vb::wire {
namespace {

using Bytes = std::vector<unsigned char>;

TEST(AuthenticationTest, AProofFitsOneSecretOnePlaceAndOneMessage) {
  Bytes hello{1, 2, 3}, other{1, 2, 4};
  Proof proof = prove("secret", Place::kInitiatorOffer, {hello, other});
  EXPECT_TRUE(same_proof(proof, prove("secret", Place::kInitiatorOffer, {hello, other})));
  EXPECT_FALSE(same_proof(proof, prove("Secret", Place::kInitiatorOffer, {hello, other})));
  EXPECT_FALSE(same_proof(proof, prove("secret", Place::kAcceptorOffer, {hello, other})));
  EXPECT_FALSE(same_proof(proof, prove("secret", Place::kInitiatorOffer, {other, hello})));
  EXPECT_FALSE(same_proof(proof, prove("secret", Place::kInitiatorOffer, {hello, hello})));
}

// Computed by hand with another implementation of HMAC-SHA256: key "secret", message 01 "abc".
TEST(AuthenticationTest, IsHmacSha256) {
  Bytes abc{'a', 'b', 'c'};
  Proof proof = prove("secret", Place::kAcceptorHello, {abc});
  Bytes head(proof.begin(), proof.begin() + 8);
  EXPECT_EQ(head, (Bytes{0x9a, 0x04, 0x4c, 0xc3, 0x5e, 0xf5, 0xdf, 0x36}));
}

class SecretFileTest : public testing::Test {
 public:
  SecretFileTest() : file_(mkstemp(path_)) {}
  ~SecretFileTest() override {
    close(file_);
    unlink(path_);
  }
  std::string option(const char* text, mode_t mode) {
    EXPECT_EQ(write(file_, text, strlen(text)), static_cast<ssize_t>(strlen(text)));
    EXPECT_EQ(fchmod(file_, mode), 0);
    return std::string("@") + path_;
  }

 private:
  char path_[64] = "/tmp/verbatim-secret-XXXXXX";
  int file_;
};

TEST_F(SecretFileTest, TheFirstLineIsTheSecret) {
  auto secret = read_secret(option("one two\nthree\n", 0600));
  ASSERT_TRUE(secret);
  EXPECT_EQ(*secret, "one two");
}

TEST_F(SecretFileTest, AFileThatOthersMayReadIsRefused) {
  EXPECT_EQ(read_secret(option("secret\n", 0640)).error(), EACCES);
}

TEST_F(SecretFileTest, AnEmptySecretIsRefused) { EXPECT_EQ(read_secret(option("\n", 0600)).error(), EINVAL); }

TEST(SecretTest, IsTheTextItselfOrAFile) {
  EXPECT_EQ(*read_secret("plain"), "plain");
  EXPECT_EQ(*read_secret(""), "");
  EXPECT_EQ(read_secret("@/nowhere/to/be/found").error(), ENOENT);
}

}  // namespace
}  // namespace vb::wire
