// SPDX-License-Identifier: BSD-2-Clause
// A folder like /sys/devices/system/node of a machine with two nodes.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace vb {

class TwoNodes {
 public:
  TwoNodes(const std::string& first, const std::string& second) {
    char name[] = "/tmp/verbatim-nodes-XXXXXX";
    root_ = mkdtemp(name);
    write("node0", first);
    write("node1", second);
    std::ofstream(root_ + "/online") << "0-1\n";
    std::filesystem::create_directory(root_ + "/nodes");
  }
  ~TwoNodes() { std::filesystem::remove_all(root_); }
  TwoNodes(const TwoNodes&) = delete;
  TwoNodes& operator=(const TwoNodes&) = delete;

  const std::string& root() const { return root_; }

 private:
  void write(const std::string& node, const std::string& cpus) {
    std::filesystem::create_directory(root_ + "/" + node);
    std::ofstream(root_ + "/" + node + "/cpulist") << cpus << "\n";
  }

  std::string root_;
};

}  // namespace vb
