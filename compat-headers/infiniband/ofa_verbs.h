/* SPDX-License-Identifier: BSD-2-Clause */
/* XRC as OFED's libraries had it until 2020 (MLNX_OFED 4.9): domains by ibv_open_xrc_domain, and receiving QPs that
 * belong to a domain and are named by number. They stand on today's XRC (ibv_open_xrcd(3), ibv_create_srq_ex(3)).
 *
 * Two structures had fields that the system's verbs.h does not have: ibv_qp_init_attr.xrc_domain is behind the
 * structure in ibv_xrc_qp_init_attr here, and ibv_srq.xrc_srq_num is read by ibv_xrc_srq_num(). */
#ifndef VERBATIM_INFINIBAND_OFA_VERBS_H
#define VERBATIM_INFINIBAND_OFA_VERBS_H

#include <infiniband/verbs.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The type of a QP that sends to XRC SRQs. */
#define IBV_QPT_XRC ((enum ibv_qp_type)5)
/* Set in the type of an asynchronous event that is about a receiving QP: element.port_num holds its number then. */
#define IBV_XRC_QP_EVENT_FLAG 0x80000000

struct ibv_xrc_domain {
  struct ibv_context* context;
  uint32_t handle;
};

/* What ibv_create_qp (of type IBV_QPT_XRC) and ibv_create_xrc_rcv_qp read. */
struct ibv_xrc_qp_init_attr {
  struct ibv_qp_init_attr attr;
  struct ibv_xrc_domain* xrc_domain;
};

/* A domain of this process, or shared through the inode of `fd` (-1: not shared). NULL and errno. */
struct ibv_xrc_domain* ibv_open_xrc_domain(struct ibv_context* context, int fd, int oflag);
/* 0, or EBUSY while SRQs or QPs use it. */
int ibv_close_xrc_domain(struct ibv_xrc_domain* domain);
/* Destroyed by ibv_destroy_srq. NULL and errno. */
struct ibv_srq* ibv_create_xrc_srq(struct ibv_pd* pd, struct ibv_xrc_domain* domain, struct ibv_cq* xrc_cq,
                                   struct ibv_srq_init_attr* attr);
/* A QP that receives for the domain's SRQs; the caller is registered with it. The others name it by its number, return
 * 0 or an errno value, and EINVAL for a number that is no such QP of the domain. It lives in the process that made it,
 * which alone may modify and query it. */
int ibv_create_xrc_rcv_qp(struct ibv_qp_init_attr* attr, uint32_t* xrc_rcv_qpn);
int ibv_modify_xrc_rcv_qp(struct ibv_xrc_domain* domain, uint32_t qpn, struct ibv_qp_attr* attr, int attr_mask);
int ibv_query_xrc_rcv_qp(struct ibv_xrc_domain* domain, uint32_t qpn, struct ibv_qp_attr* attr, int attr_mask,
                         struct ibv_qp_init_attr* init_attr);
/* Keeps it beyond its creator's ibv_unreg_xrc_rcv_qp, by any process that has opened the domain. It is destroyed when
 * the last one has left, or the domain is closed where it was made. */
int ibv_reg_xrc_rcv_qp(struct ibv_xrc_domain* domain, uint32_t qpn);
int ibv_unreg_xrc_rcv_qp(struct ibv_xrc_domain* domain, uint32_t qpn);

/* What stood in ibv_srq.xrc_srq_num. */
static inline uint32_t ibv_xrc_srq_num(struct ibv_srq* srq) {
  uint32_t number = 0;
  return ibv_get_srq_num(srq, &number) == 0 ? number : 0;
}

#ifdef __cplusplus
}
#endif

#endif
