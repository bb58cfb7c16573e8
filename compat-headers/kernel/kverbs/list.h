/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings of list heads, and chains with one pointer as head. */
#ifndef KVERBS_LIST_H
#define KVERBS_LIST_H
#include <kverbs/base.h>

#define LIST_HEAD_INIT(name) \
  { &(name), &(name) }
#undef LIST_HEAD
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)
static inline void INIT_LIST_HEAD(struct list_head* head) { head->next = head->prev = head; }
static inline void kv_list_put(struct list_head* entry, struct list_head* prev, struct list_head* next) {
  entry->prev = prev;
  entry->next = next;
  prev->next = next->prev = entry;
}
static inline void list_add(struct list_head* entry, struct list_head* head) { kv_list_put(entry, head, head->next); }
static inline void list_add_tail(struct list_head* entry, struct list_head* head) {
  kv_list_put(entry, head->prev, head);
}
static inline void kv_list_take(struct list_head* entry) {
  entry->prev->next = entry->next;
  entry->next->prev = entry->prev;
}
static inline void list_del(struct list_head* entry) {
  kv_list_take(entry);
  entry->next = entry->prev = NULL;
}
static inline void list_del_init(struct list_head* entry) {
  kv_list_take(entry);
  INIT_LIST_HEAD(entry);
}
static inline void list_move(struct list_head* entry, struct list_head* head) {
  kv_list_take(entry);
  list_add(entry, head);
}
static inline void list_move_tail(struct list_head* entry, struct list_head* head) {
  kv_list_take(entry);
  list_add_tail(entry, head);
}
static inline void list_replace(struct list_head* old, struct list_head* entry) {
  kv_list_put(entry, old->prev, old->next);
}
static inline int list_empty(const struct list_head* head) { return head->next == head; }
#define list_empty_careful list_empty
static inline int list_is_last(const struct list_head* entry, const struct list_head* head) {
  return entry->next == head;
}
static inline int list_is_singular(const struct list_head* head) {
  return !list_empty(head) && head->next == head->prev;
}
static inline void list_splice(struct list_head* list, struct list_head* head) {
  if (list_empty(list)) return;
  list->prev->next = head->next;
  head->next->prev = list->prev;
  list->next->prev = head;
  head->next = list->next;
}
static inline void list_splice_init(struct list_head* list, struct list_head* head) {
  list_splice(list, head);
  INIT_LIST_HEAD(list);
}
static inline void list_splice_tail(struct list_head* list, struct list_head* head) { list_splice(list, head->prev); }
static inline void list_splice_tail_init(struct list_head* list, struct list_head* head) {
  list_splice_init(list, head->prev);
}

#define list_entry(p, type, member) container_of(p, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_last_entry(head, type, member) list_entry((head)->prev, type, member)
#define list_first_entry_or_null(head, type, member) (list_empty(head) ? NULL : list_first_entry(head, type, member))
#define list_next_entry(p, member) list_entry((p)->member.next, __typeof__(*(p)), member)
#define list_prev_entry(p, member) list_entry((p)->member.prev, __typeof__(*(p)), member)
#define list_for_each(p, head) for (p = (head)->next; p != (head); p = p->next)
#define list_for_each_safe(p, n, head) for (p = (head)->next, n = p->next; p != (head); p = n, n = p->next)
#define list_for_each_entry(p, head, member) \
  for (p = list_first_entry(head, __typeof__(*p), member); &p->member != (head); p = list_next_entry(p, member))
#define list_for_each_entry_reverse(p, head, member) \
  for (p = list_last_entry(head, __typeof__(*p), member); &p->member != (head); p = list_prev_entry(p, member))
#define list_for_each_entry_safe(p, n, head, member)                                                             \
  for (p = list_first_entry(head, __typeof__(*p), member), n = list_next_entry(p, member); &p->member != (head); \
       p = n, n = list_next_entry(n, member))

#define HLIST_HEAD_INIT \
  { NULL }
#define HLIST_HEAD(name) struct hlist_head name = HLIST_HEAD_INIT
#define INIT_HLIST_HEAD(head) ((head)->first = NULL)
static inline void INIT_HLIST_NODE(struct hlist_node* node) {
  node->next = NULL;
  node->pprev = NULL;
}
static inline int hlist_empty(const struct hlist_head* head) { return !head->first; }
static inline void hlist_add_head(struct hlist_node* node, struct hlist_head* head) {
  node->next = head->first;
  if (node->next) node->next->pprev = &node->next;
  head->first = node;
  node->pprev = &head->first;
}
static inline void hlist_del(struct hlist_node* node) {
  *node->pprev = node->next;
  if (node->next) node->next->pprev = node->pprev;
}

#endif
