/* SPDX-License-Identifier: BSD-2-Clause */
/* What programs used of the provider interface's header, which distributions no longer ship. No providers are written
 * against this: ibv_cmd_* and the like are not here. */
#ifndef INFINIBAND_DRIVER_H
#define INFINIBAND_DRIVER_H

#include <infiniband/marshall.h>
#include <infiniband/verbs.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "/sys". A constant. */
const char* ibv_get_sysfs_path(void);
/* The first line of directory/file without its end, or -1. The size of the buffer includes the zero behind it. */
int ibv_read_sysfs_file(const char* directory, const char* file, char* buffer, size_t size);

/* Memory that a child of fork does, and does not, inherit. 0, or -1 and errno. */
int ibv_dontfork_range(void* base, size_t size);
int ibv_dofork_range(void* base, size_t size);

enum ibv_gid_type_sysfs { IBV_GID_TYPE_SYSFS_IB_ROCE_V1, IBV_GID_TYPE_SYSFS_ROCE_V2 };
/* 0, or -1 and errno. An empty entry counts as the first kind. */
int ibv_query_gid_type(struct ibv_context* context, uint8_t port_num, unsigned int index,
                       enum ibv_gid_type_sysfs* type);

/* Does nothing: libraries that were providers call it when they are loaded. An old version, which a linker does not
 * take by itself. */
__asm__(".symver ibv_register_driver, ibv_register_driver@IBVERBS_1.1");
typedef struct ibv_device* (*ibv_driver_init_func)(const char* uverbs_sys_path, int abi_version);
void ibv_register_driver(const char* name, ibv_driver_init_func init_func);

#ifdef __cplusplus
}
#endif

#endif
