/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices: those of librdmacm, whose contexts its identifiers use too. */
#include <poll.h>

#include "kverbs.h"
#include "user_cm.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct kv_device* devices;
static int device_count;

/* Only their addresses are looked at. */
static char offers;

static void say_offers(struct ib_device* device) {
  struct kv_device_ops all = {&offers, &offers, &offers, &offers, &offers, &offers, &offers, &offers};
  device->ops = all;
  device->alloc_fmr = device->dealloc_fmr = device->map_phys_fmr = device->unmap_fmr = &offers;
}

static u64 capabilities(const struct ibv_device_attr* native) {
  u64 flags = IB_DEVICE_LOCAL_DMA_LKEY | IB_DEVICE_PORT_ACTIVE_EVENT | IB_DEVICE_RC_RNR_NAK_GEN;
  if (native->device_cap_flags & IBV_DEVICE_MEM_WINDOW) flags |= IB_DEVICE_MEM_WINDOW;
  if (native->device_cap_flags & IBV_DEVICE_MEM_WINDOW_TYPE_2B) flags |= IB_DEVICE_MEM_WINDOW_TYPE_2B;
  if (native->device_cap_flags & (IBV_DEVICE_MEM_WINDOW_TYPE_2A | IBV_DEVICE_MEM_WINDOW_TYPE_2B))
    flags |= IB_DEVICE_MEM_MGT_EXTENSIONS;
  if (native->device_cap_flags & IBV_DEVICE_SRQ_RESIZE) flags |= IB_DEVICE_SRQ_RESIZE;
  return flags;
}

static void describe(struct ib_device_attr* attr, const struct ibv_device_attr* native) {
  attr->sys_image_guid = native->sys_image_guid;
  attr->max_mr_size = native->max_mr_size;
  attr->page_size_cap = native->page_size_cap;
  attr->vendor_id = native->vendor_id;
  attr->vendor_part_id = native->vendor_part_id;
  attr->hw_ver = native->hw_ver;
  attr->max_qp = native->max_qp;
  attr->max_qp_wr = native->max_qp_wr / 2; /* a request of ours may take two of theirs */
  attr->device_cap_flags = capabilities(native);
  attr->kernel_cap_flags = IBK_LOCAL_DMA_LKEY;
  attr->max_send_sge = attr->max_recv_sge = native->max_sge;
  attr->max_sge_rd = native->max_sge_rd;
  attr->max_cq = native->max_cq;
  attr->max_cqe = native->max_cqe;
  attr->max_mr = attr->max_fmr = native->max_mr;
  attr->max_map_per_fmr = INT_MAX;
  attr->max_pd = native->max_pd;
  attr->max_qp_rd_atom = native->max_qp_rd_atom;
  attr->max_res_rd_atom = native->max_res_rd_atom;
  attr->max_qp_init_rd_atom = native->max_qp_init_rd_atom;
  attr->atomic_cap = (enum ib_atomic_cap)native->atomic_cap;
  attr->max_mw = native->max_mw;
  attr->max_mcast_grp = native->max_mcast_grp;
  attr->max_mcast_qp_attach = native->max_mcast_qp_attach;
  attr->max_ah = native->max_ah;
  attr->max_srq = native->max_srq;
  attr->max_srq_wr = native->max_srq_wr;
  attr->max_srq_sge = native->max_srq_sge;
  attr->max_fast_reg_page_list_len = 1 << 16;
  attr->max_pkeys = native->max_pkeys;
  attr->local_ca_ack_delay = native->local_ca_ack_delay;
}

static bool registers_everything(struct ibv_context* context) {
  struct ibv_device_attr_ex extended;
  memset(&extended, 0, sizeof extended);
  if (ibv_query_device_ex(context, NULL, &extended) != 0) return false;
  return (extended.odp_caps.general_caps & IBV_ODP_SUPPORT_IMPLICIT) != 0;
}

static void set_up(struct kv_device* device, struct ibv_context* context) {
  struct ib_device* ib = &device->ib;
  device->context = context;
  pthread_mutex_init(&device->lock, NULL);
  INIT_LIST_HEAD(&device->handlers);
  INIT_LIST_HEAD(&device->clients);
  ibv_query_device(context, &device->native);
  device->everywhere = registers_everything(context);
  kv_strlcpy(ib->name, ibv_get_device_name(context->device), sizeof ib->name);
  ib->dev.kobj.name = ib->name;
  ib->node_type = (u8)context->device->node_type == IBV_NODE_RNIC ? RDMA_NODE_RNIC : RDMA_NODE_IB_CA;
  ib->phys_port_cnt = device->native.phys_port_cnt;
  ib->num_comp_vectors = max(context->num_comp_vectors, 1);
  ib->node_guid = device->native.node_guid;
  ib->local_dma_lkey = KV_LOCAL_DMA_LKEY;
  device->vectors = calloc((size_t)ib->num_comp_vectors, sizeof *device->vectors);
  BUG_ON(!device->vectors);
  describe(&ib->attrs, &device->native);
  say_offers(ib);
}

static void open_all(void) {
  struct ibv_context** contexts = ucm_devices(&device_count);
  devices = calloc((size_t)device_count + 1, sizeof *devices);
  BUG_ON(!devices);
  for (int i = 0; i < device_count; i++) set_up(&devices[i], contexts[i]);
}

int kv_devices(struct kv_device** list) {
  pthread_once(&once, open_all);
  *list = devices;
  return device_count;
}

struct kv_device* kv_device_of(struct ibv_context* context) {
  struct kv_device* list;
  int n = kv_devices(&list);
  for (int i = 0; i < n; i++)
    if (list[i].context == context) return &list[i];
  return NULL;
}

static void* serve_vector(void* data) {
  struct ibv_comp_channel* channel = data;
  struct ibv_cq* native;
  void* context;
  while (ibv_get_cq_event(channel, &native, &context) == 0 || errno == EINTR) {
    kv_completion(context);
    ibv_ack_cq_events(native, 1); /* after the handler: destroying the CQ waits for it */
  }
  return NULL;
}

struct ibv_comp_channel* kv_channel(struct kv_device* device, int number) {
  struct kv_vector* vector = &device->vectors[(unsigned int)number % (unsigned int)device->ib.num_comp_vectors];
  pthread_mutex_lock(&device->lock);
  if (!vector->channel) {
    vector->channel = ibv_create_comp_channel(device->context);
    if (vector->channel && kv_start_thread(&vector->thread, serve_vector, vector->channel) != 0) {
      ibv_destroy_comp_channel(vector->channel);
      vector->channel = NULL;
      errno = EAGAIN;
    }
  }
  pthread_mutex_unlock(&device->lock);
  return vector->channel;
}

int ib_query_device(struct ib_device* device, struct ib_device_attr* attr) {
  *attr = device->attrs;
  return 0;
}

int ib_query_port(struct ib_device* ib, u32 port, struct ib_port_attr* attr) {
  struct kv_device* device = container_of(ib, struct kv_device, ib);
  struct ibv_port_attr native;
  memset(attr, 0, sizeof *attr);
  int error = ibv_query_port(device->context, (u8)port, &native);
  if (error) return -error;
  attr->state = (enum ib_port_state)native.state;
  attr->max_mtu = (enum ib_mtu)native.max_mtu;
  attr->active_mtu = (enum ib_mtu)native.active_mtu;
  attr->phys_mtu = (u32)ib_mtu_enum_to_int(attr->active_mtu);
  attr->gid_tbl_len = native.gid_tbl_len;
  attr->port_cap_flags = native.port_cap_flags;
  attr->max_msg_sz = native.max_msg_sz;
  attr->pkey_tbl_len = native.pkey_tbl_len;
  attr->lid = native.lid;
  attr->sm_lid = native.sm_lid;
  attr->lmc = native.lmc;
  attr->max_vl_num = native.max_vl_num;
  attr->active_width = native.active_width;
  attr->active_speed = native.active_speed;
  attr->phys_state = native.phys_state;
  return 0;
}

int ib_query_pkey(struct ib_device* ib, u32 port, u16 index, u16* pkey) {
  __be16 key;
  if (ibv_query_pkey(container_of(ib, struct kv_device, ib)->context, (u8)port, index, &key) != 0) return -EINVAL;
  *pkey = be16_to_cpu(key);
  return 0;
}

int kv_query_gid(struct ib_device* ib, u32 port, int index, union ib_gid* gid) {
  union ibv_gid native;
  if (ibv_query_gid(container_of(ib, struct kv_device, ib)->context, (u8)port, index, &native) != 0) return -EINVAL;
  memcpy(gid, &native, sizeof *gid);
  return 0;
}

enum rdma_transport_type rdma_node_get_transport(enum rdma_node_type type) {
  return type == RDMA_NODE_RNIC ? RDMA_TRANSPORT_IWARP : RDMA_TRANSPORT_IB;
}

enum rdma_link_layer rdma_port_get_link_layer(struct ib_device* ib, u32 port) {
  struct ibv_port_attr native;
  if (ibv_query_port(container_of(ib, struct kv_device, ib)->context, (u8)port, &native) != 0)
    return IB_LINK_LAYER_UNSPECIFIED;
  return (enum rdma_link_layer)native.link_layer;
}
