// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/view.h"

#include <endian.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

namespace vb::launcher {
namespace {

using Entries = std::vector<ViewEntry>;

[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...) {
  char buffer[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  return buffer;
}

/// Groups of four digits, as the kernel writes GUIDs and GIDs.
std::string groups(const uint8_t* bytes, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; i += 2) result += text("%s%02x%02x", i ? ":" : "", bytes[i], bytes[i + 1]);
  return result;
}

std::string guid_text(uint64_t network_order) {
  return groups(reinterpret_cast<const uint8_t*>(&network_order), sizeof network_order);
}

std::string first_line(const std::string& path, const std::string& otherwise) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line.empty() ? otherwise : line;
}

/// Gb/sec of one lane, in tenths, and the kernel's word for it.
struct Speed {
  unsigned tenths;
  const char* name;
};

Speed speed_of(uint8_t active_speed) {
  const std::map<uint8_t, Speed> speeds = {{1, {25, "SDR"}},   {2, {50, "DDR"}},   {8, {100, "FDR10"}},
                                           {32, {250, "EDR"}}, {64, {500, "HDR"}}, {128, {1000, "NDR"}}};
  const auto found = speeds.find(active_speed);
  return found == speeds.end() ? Speed{25, "SDR"} : found->second;
}

unsigned lanes_of(uint8_t active_width) {
  const std::map<uint8_t, unsigned> widths = {{1, 1}, {2, 4}, {4, 8}, {8, 12}, {16, 2}};
  const auto found = widths.find(active_width);
  return found == widths.end() ? 1 : found->second;
}

std::string rate_text(const ibv_port_attr& port) {
  const Speed speed = speed_of(port.active_speed);
  const unsigned lanes = lanes_of(port.active_width), tenths = lanes * speed.tenths;
  return text("%u%s Gb/sec (%uX %s)", tenths / 10, tenths % 10 ? ".5" : "", lanes, speed.name);
}

const char* state_text(ibv_port_state state) { return state == IBV_PORT_ACTIVE ? "4: ACTIVE" : "1: DOWN"; }

/// Adds the files of one device, all below one directory.
struct Writer {
  Entries& entries;
  std::string directory;

  void file(const std::string& name, const std::string& line) {
    entries.push_back({directory + "/" + name, line + "\n", false});
  }
  void link(const std::string& name, const std::string& target) {
    entries.push_back({directory + "/" + name, target, true});
  }
};

void describe_identity(Writer& to, ibv_context& context) {
  ibv_device_attr attr{};
  (void)query_device(&context, attr).error();
  to.file("node_type", "1: CA");
  to.file("node_guid", guid_text(attr.node_guid));
  to.file("sys_image_guid", guid_text(attr.sys_image_guid));
  to.file("node_desc", context.device->name);
  to.file("fw_ver", attr.fw_ver);
  to.file("hw_rev", text("%u", attr.hw_ver));
  to.file("hca_type", "Verbatim");
  to.file("board_id", "Verbatim");
}

/// As for the kernel's own software devices, `device` is what the interface stands for.
void describe_interface(Writer& to, const std::string& netdev) {
  const std::string sysfs = "/sys/class/net/" + netdev;
  to.file("parent", netdev);
  to.link("device/net/" + netdev, sysfs);
  to.file("device/numa_node", first_line(sysfs + "/device/numa_node", "-1"));
}

void describe_gids(Writer& to, const Device& device, const std::string& netdev) {
  for (size_t i = 0; i < device.gids.size(); ++i) {
    const std::string index = std::to_string(i);
    to.file("ports/1/gids/" + index, groups(device.gids[i].gid.raw, sizeof device.gids[i].gid.raw));
    if (!device.gids[i].valid) continue;  // in the kernel's tree, reading these of an empty entry fails
    to.file("ports/1/gid_attrs/types/" + index, "RoCE v2");
    to.file("ports/1/gid_attrs/ndevs/" + index, netdev);
  }
}

void describe_port(Writer& to, ibv_context& context) {
  ibv_port_attr port{};
  (void)query_port(&context, 1, &port, sizeof port).error();
  to.file("ports/1/state", state_text(port.state));
  to.file("ports/1/phys_state", port.phys_state == 5 ? "5: LinkUp" : "3: Disabled");
  to.file("ports/1/rate", rate_text(port));
  to.file("ports/1/link_layer", "Ethernet");
  to.file("ports/1/lid", text("0x%x", port.lid));
  to.file("ports/1/lid_mask_count", text("%u", port.lmc));
  to.file("ports/1/sm_lid", text("0x%x", port.sm_lid));
  to.file("ports/1/sm_sl", text("%u", port.sm_sl));
  to.file("ports/1/cap_mask", text("0x%08x", port.port_cap_flags));
  for (int i = 0; i < port.pkey_tbl_len; ++i) {
    const Result<uint16_t> pkey = query_pkey(&context, 1, i);
    to.file("ports/1/pkeys/" + std::to_string(i), text("0x%04x", pkey ? be16toh(*pkey) : 0));
  }
}

void describe_uverbs(Entries& entries, const ibv_device& abi) {
  Writer to{entries, abi.dev_path};
  to.file("ibdev", abi.name);
  to.file("abi_version", "1");
  // It opens, can be read and written, and does nothing.
  entries.push_back({std::string("/dev/infiniband/") + abi.dev_name, "/dev/null", true});
}

void describe(Entries& entries, Device& device) {
  char name[IF_NAMESIZE] = "";
  if (!::if_indextoname(device.netdev, name)) return;  // gone since it was listed
  ibv_context context{};
  context.device = &device.abi;
  Writer to{entries, device.abi.ibdev_path};
  describe_identity(to, context);
  describe_interface(to, name);
  describe_port(to, context);
  describe_gids(to, device, name);
  describe_uverbs(entries, device.abi);
}

/// What the system has beside our devices, so that a listing shows both. `ours` is what the names of ours begin with: a
/// launcher that was started by a launcher sees those of the other.
void add_native(Entries& entries, const std::string& directory, const std::string& ours) {
  std::error_code ignored;
  for (const auto& each : std::filesystem::directory_iterator(directory, ignored)) {
    if (each.path().filename().string().starts_with(ours)) continue;
    entries.push_back({each.path().string(), each.path().string(), true});
  }
}

}  // namespace

Entries describe_devices(const std::vector<Device*>& devices) {
  Entries entries;
  for (Device* device : devices) describe(entries, *device);
  if (entries.empty()) return entries;
  add_native(entries, "/sys/class/infiniband", "vb_");
  add_native(entries, "/dev/infiniband", "uverbs1");
  std::sort(entries.begin(), entries.end(), [](auto& a, auto& b) { return a.path < b.path; });
  return entries;
}

}  // namespace vb::launcher
