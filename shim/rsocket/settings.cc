// SPDX-License-Identifier: BSD-2-Clause
#include "rsocket/settings.h"

#include <cstdio>
#include <memory>
#include <string>

namespace vb::rsocket {

namespace {

void read(const char* name, uint32_t least, uint32_t most, uint32_t& setting) {
  struct Close {
    void operator()(FILE* file) const { fclose(file); }
  };
  std::unique_ptr<FILE, Close> file(fopen((std::string("/etc/rdma/rsocket/") + name).c_str(), "re"));
  unsigned long long value;
  if (file && fscanf(file.get(), "%llu", &value) == 1 && value >= least && value <= most) {
    setting = static_cast<uint32_t>(value);
  }
}

Settings read_all() {
  Settings all;
  read("mem_default", 4096, 1u << 28, all.receive_size);
  read("wmem_default", 4096, 1u << 28, all.send_size);
  read("sqsize_default", 2, 65000, all.send_depth);
  read("rqsize_default", 2, 65000, all.receive_depth);
  read("inline_default", 0, 512, all.inline_size);
  read("iomap_size", 0, 128, all.io_maps);
  read("polling_time", 0, 1000000, all.polling_microseconds);
  return all;
}

}  // namespace

const Settings& settings() {
  static const Settings all = read_all();
  return all;
}

}  // namespace vb::rsocket
