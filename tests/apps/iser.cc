// SPDX-License-Identifier: BSD-2-Clause
// A disk behind iSER, through the distribution's libiscsi.
//
//     iser <url> <file> <seed>    writes the whole disk, in transfers of several sizes, reads it again, and compares;
//                                 what it has written is in <file> afterwards. Says "same" when all is as it was
//                                 written.
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

// In blocks: what goes with the command (up to 8 KiB), what the target fetches, and the most that libiscsi's iSER
// takes.
constexpr uint32_t kSizes[] = {1, 8, 16, 17, 128, 512};

[[noreturn]] void fail(const char* what, const char* why) {
  std::fprintf(stderr, "iser: %s: %s\n", what, why);
  std::exit(1);
}

struct Freed {
  void operator()(scsi_task* task) const { scsi_free_scsi_task(task); }
};
using Task = std::unique_ptr<scsi_task, Freed>;

struct Disk {
  iscsi_context* iscsi;
  int lun;
  uint32_t block = 0, blocks = 0;

  Task must(scsi_task* task, const char* what) const {
    if (!task) fail(what, iscsi_get_error(iscsi));
    if (task->status != SCSI_STATUS_GOOD) fail(what, "the target refuses");
    return Task(task);
  }
};

Disk open_disk(const char* text) {
  iscsi_context* iscsi = iscsi_create_context("iqn.2026-01.test:initiator");
  if (!iscsi) fail("context", "no memory");
  iscsi_url* url = iscsi_parse_full_url(iscsi, text);
  if (!url) fail("url", iscsi_get_error(iscsi));
  iscsi_set_session_type(iscsi, ISCSI_SESSION_NORMAL);
  if (iscsi_full_connect_sync(iscsi, url->portal, url->lun) != 0) fail("connect", iscsi_get_error(iscsi));
  Disk disk{iscsi, url->lun};
  iscsi_destroy_url(url);
  Task task = disk.must(iscsi_readcapacity10_sync(iscsi, disk.lun, 0, 0), "capacity");
  auto* capacity = static_cast<scsi_readcapacity10*>(scsi_datain_unmarshall(task.get()));
  if (!capacity) fail("capacity", "no answer");
  disk.block = capacity->block_size;
  disk.blocks = capacity->lba + 1;
  return disk;
}

/// Calls each(first block, blocks) for the whole disk.
template <class Each>
void in_pieces(const Disk& disk, Each each) {
  size_t turn = 0;
  for (uint32_t at = 0; at < disk.blocks;) {
    const uint32_t count = std::min(kSizes[turn++ % std::size(kSizes)], disk.blocks - at);
    each(at, count);
    at += count;
  }
}

std::vector<unsigned char> random_bytes(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<unsigned char> bytes(size);
  std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<unsigned char>(random()); });
  return bytes;
}

void write_all(const Disk& disk, std::vector<unsigned char>& bytes) {
  in_pieces(disk, [&](uint32_t at, uint32_t count) {
    disk.must(iscsi_write10_sync(disk.iscsi, disk.lun, at, &bytes[size_t(at) * disk.block], count * disk.block,
                                 static_cast<int>(disk.block), 0, 0, 0, 0, 0),
              "write");
  });
}

void must_be_there(const Disk& disk, const std::vector<unsigned char>& bytes) {
  in_pieces(disk, [&](uint32_t at, uint32_t count) {
    const size_t size = size_t(count) * disk.block;
    Task task = disk.must(iscsi_read10_sync(disk.iscsi, disk.lun, at, static_cast<uint32_t>(size),
                                            static_cast<int>(disk.block), 0, 0, 0, 0, 0),
                          "read");
    const bool same = static_cast<size_t>(task->datain.size) == size &&
                      memcmp(task->datain.data, &bytes[size_t(at) * disk.block], size) == 0;
    if (!same) fail("read", ("block " + std::to_string(at) + " and those behind it differ").c_str());
  });
}

}  // namespace

int main(int count, char** argument) {
  if (count != 4) fail("usage", "iser <url> <file> <seed>");
  Disk disk = open_disk(argument[1]);
  std::vector<unsigned char> bytes =
      random_bytes(size_t(disk.blocks) * disk.block, static_cast<unsigned>(std::strtoul(argument[3], nullptr, 10)));
  write_all(disk, bytes);
  must_be_there(disk, bytes);
  std::ofstream file(argument[2], std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) fail("file", "cannot be written");
  if (iscsi_logout_sync(disk.iscsi) != 0) fail("logout", iscsi_get_error(disk.iscsi));
  std::puts("same");
  std::fflush(stdout);
  // Its destructor is no match for its own thread, which still waits for events of the connection.
  std::_Exit(0);
}
