// SPDX-License-Identifier: BSD-2-Clause
#include "wire/authentication.h"

#include <fcntl.h>
#include <nettle/hmac.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"
#include "base/log.h"

namespace vb::wire {

Proof prove(const std::string& secret, Place place, std::initializer_list<std::span<const unsigned char>> parts) {
  hmac_sha256_ctx context;
  hmac_sha256_set_key(&context, secret.size(), reinterpret_cast<const uint8_t*>(secret.data()));
  auto label = static_cast<uint8_t>(place);
  hmac_sha256_update(&context, 1, &label);
  for (std::span<const unsigned char> part : parts) hmac_sha256_update(&context, part.size(), part.data());
  Proof proof;
  hmac_sha256_digest(&context, proof.size(), proof.data());
  return proof;
}

bool same_proof(const Proof& a, const Proof& b) {
  unsigned char different = 0;
  for (size_t i = 0; i < a.size(); ++i) different |= a[i] ^ b[i];
  return different == 0;
}

namespace {

Result<std::string> read_file(const char* path) {
  Fd file(open(path, O_RDONLY | O_CLOEXEC));
  struct stat info;
  if (!file || fstat(file.get(), &info) != 0) return Error{errno};
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) return Error{EACCES};
  char buffer[4096];
  ssize_t size = read(file.get(), buffer, sizeof buffer);
  if (size < 0) return Error{errno};
  std::string text(buffer, static_cast<size_t>(size));
  return text.substr(0, text.find('\n'));
}

}  // namespace

Result<std::string> read_secret(const std::string& option) {
  if (!option.starts_with('@')) return option;
  auto secret = read_file(option.c_str() + 1);
  if (secret && secret->empty()) secret = Error{EINVAL};
  if (!secret) {
    log(LogLevel::error, "%s: no secret can be had from it: %s", option.c_str() + 1,
        secret.error() == EACCES   ? "only its owner may have access to it"
        : secret.error() == EINVAL ? "its first line is empty"
                                   : "it cannot be read");
  }
  return secret;
}

}  // namespace vb::wire
