/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel offers around verbs: lists, waiting, threads, timers, deferred work, memory, texts. */
#include <linux/delay.h>
#include <linux/inet.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/parser.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      printk(KERN_ERR "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      return -EINVAL;                                                         \
    }                                                                         \
  } while (0)

static int lists(void) {
  struct entry {
    int n;
    struct list_head list;
  } entries[3] = {{1}, {2}, {3}}, *entry, *next;
  LIST_HEAD(head);
  LIST_HEAD(other);
  int sum = 0, i;
  for (i = 0; i < 3; i++) list_add_tail(&entries[i].list, &head);
  list_for_each_entry(entry, &head, list) sum = sum * 10 + entry->n;
  CHECK(sum == 123);
  list_move(&entries[2].list, &head);
  list_for_each_entry_safe(entry, next, &head, list) if (entry->n == 1) list_del(&entry->list);
  list_splice_init(&head, &other);
  CHECK(list_empty(&head) && list_first_entry(&other, struct entry, list)->n == 3);
  CHECK(list_last_entry(&other, struct entry, list)->n == 2);
  return 0;
}

static int memory(void) {
  char* p[100];
  struct page* page = alloc_pages(GFP_KERNEL | __GFP_ZERO, 2);
  int i;
  CHECK(page && offset_in_page(page_address(page)) == 0 && virt_to_page(page_address(page)) == page);
  CHECK(((unsigned long)page_address(page) >> PAGE_SHIFT) % 4 == 0);
  __free_pages(page, 2);
  for (i = 0; i < 100; i++) {
    CHECK((p[i] = kmalloc(1 + i * 97, GFP_KERNEL)));
    memset(p[i], i, 1 + i * 97);
  }
  for (i = 0; i < 100; i++) CHECK(p[i][0] == i && p[i][i * 97] == i);
  p[99] = krealloc(p[99], 100000, GFP_KERNEL);
  CHECK(p[99] && p[99][9000] == 99);
  for (i = 0; i < 100; i++) kfree(p[i]);
  CHECK(kmalloc_array(~0UL, 16, GFP_KERNEL) == NULL);
  return 0;
}

static int texts(void) {
  static const struct match_token table[] = {{1, "count=%d"}, {2, "name=%s"}, {3, "plain"}, {0, NULL}};
  substring_t args[MAX_OPT_ARGS];
  char count[] = "count=0x10", name[] = "name=abc", plain[] = "plain", other[] = "count=x", text[80];
  u8 address[16];
  u32 v4;
  int n;
  CHECK(match_token(count, table, args) == 1 && match_int(&args[0], &n) == 0 && n == 16);
  CHECK(match_token(name, table, args) == 2 && match_strlcpy(text, &args[0], sizeof text) == 3 && !strcmp(text, "abc"));
  CHECK(match_token(plain, table, args) == 3 && match_token(other, table, args) == 0);
  CHECK(in4_pton("10.1.2.3", -1, address, -1, NULL) == 1 && address[0] == 10 && address[3] == 3);
  CHECK(in4_pton("10.1.2.300", -1, address, -1, NULL) == 0 && in6_pton("::1", -1, address, -1, NULL) == 1);
  v4 = in_aton("192.168.1.2");
  CHECK(scnprintf(text, sizeof text, "<%pI4|%5d|%-4s|%llx|%%>", &v4, 42, "ab", 0x1234567890abull) > 0);
  CHECK(strcmp(text, "<192.168.1.2|   42|ab  |1234567890ab|%>") == 0);
  CHECK(scnprintf(text, 5, "%s", "longer") == 4 && strcmp(text, "long") == 0);
  CHECK(kstrtoint("12\n", 10, &n) == 0 && n == 12 && kstrtoint("12x", 10, &n) == -EINVAL);
  CHECK(kstrtoint("99999999999", 10, &n) == -ERANGE);
  return 0;
}

static DECLARE_WAIT_QUEUE_HEAD(queue);
static int turn;

static int ping_pong(void* data) {
  int i;
  for (i = 0; i < 1000; i++) {
    wait_event(queue, READ_ONCE(turn) % 2 == 1);
    WRITE_ONCE(turn, turn + 1);
    wake_up(&queue);
  }
  while (!kthread_should_stop()) schedule_timeout_interruptible(MAX_SCHEDULE_TIMEOUT);
  return 7;
}

static int waiter(void* data) {
  wait_event_interruptible(queue, kthread_should_stop());
  return 9;
}

static int threads(void) {
  struct task_struct* task = kthread_run(ping_pong, NULL, "ping-pong");
  unsigned long start = jiffies;
  int i;
  for (i = 0; i < 1000; i++) {
    wait_event(queue, READ_ONCE(turn) % 2 == 0);
    WRITE_ONCE(turn, turn + 1);
    wake_up(&queue);
  }
  wait_event(queue, READ_ONCE(turn) == 2000);
  CHECK(kthread_stop(task) == 7);
  task = kthread_create(waiter, NULL, "never-run");
  CHECK(kthread_stop(task) == -EINTR);
  for (i = 0; i < 200; i++) { /* stopped at every point of its way to sleep */
    DECLARE_COMPLETION_ONSTACK(done);
    int result;
    task = kthread_run(waiter, &done, "waiter");
    if (i % 2) yield();
    result = kthread_stop(task);
    CHECK(result == 9 || result == -EINTR);
  }
  CHECK(wait_event_timeout(queue, 0, HZ / 50) == 0 && time_after_eq(jiffies, start + HZ / 50));
  CHECK(wait_event_timeout(queue, 1, HZ) > 0);
  return 0;
}

static struct completion fired;
static atomic_t count;
static void on_timer(struct timer_list* timer) {
  atomic_inc(&count);
  complete(&fired);
}

static int timers(void) {
  struct timer_list timer;
  init_completion(&fired);
  timer_setup(&timer, on_timer, 0);
  CHECK(mod_timer(&timer, jiffies + 3600 * HZ) == 0 && timer_pending(&timer));
  CHECK(mod_timer(&timer, jiffies + 2) == 1);
  CHECK(wait_for_completion_timeout(&fired, 5 * HZ) > 0);
  CHECK(del_timer_sync(&timer) == 0 && atomic_read(&count) == 1);
  return 0;
}

struct item {
  struct work_struct work;
  int n;
};
static int order[8], ordered;
static struct completion gate;
static void in_order(struct work_struct* work) {
  struct item* item = container_of(work, struct item, work);
  if (item->n == 0) wait_for_completion(&gate);
  order[ordered++] = item->n;
}
static void opens_gate(struct work_struct* work) { complete(&gate); }

static int work(void) {
  struct workqueue_struct* queue = alloc_ordered_workqueue("ordered", 0);
  struct item items[8];
  struct work_struct opener;
  struct delayed_work later;
  int i;
  init_completion(&gate);
  for (i = 0; i < 8; i++) {
    items[i].n = i;
    INIT_WORK(&items[i].work, in_order);
    CHECK(queue_work(queue, &items[i].work));
  }
  CHECK(!queue_work(queue, &items[7].work));
  CHECK(cancel_work_sync(&items[7].work));
  INIT_WORK(&opener, opens_gate);
  schedule_work(&opener); /* runs while the other one sleeps */
  flush_workqueue(queue);
  CHECK(ordered == 7);
  for (i = 0; i < 7; i++) CHECK(order[i] == i);
  destroy_workqueue(queue);
  INIT_DELAYED_WORK(&later, opens_gate);
  CHECK(schedule_delayed_work(&later, 3600 * HZ) && cancel_delayed_work_sync(&later));
  CHECK(schedule_delayed_work(&later, 1));
  wait_for_completion(&gate);
  flush_scheduled_work();
  return 0;
}

/* Several threads delay, hasten and cancel one item: what was accepted has run, or was taken back, and once each. */
static struct delayed_work shared;
static atomic_t accepted, ran, taken_back;
static void on_shared(struct work_struct* work) { atomic_inc(&ran); }

static int race(void* data) {
  int i;
  for (i = 0; i < 3000; i++) {
    if (schedule_delayed_work(&shared, i % 2)) atomic_inc(&accepted);
    if (i % 3 == 0 && cancel_delayed_work(&shared)) atomic_inc(&taken_back);
    if (i % 5 == 0) {
      if (mod_delayed_work(system_wq, &shared, i % 4)) atomic_inc(&taken_back);
      atomic_inc(&accepted);
    }
    if (i % 64 == 0) schedule_timeout_interruptible(1);
  }
  while (!kthread_should_stop()) schedule_timeout_interruptible(MAX_SCHEDULE_TIMEOUT);
  return 0;
}

static int races(void) {
  struct task_struct* racers[3];
  unsigned int i;
  INIT_DELAYED_WORK(&shared, on_shared);
  for (i = 0; i < ARRAY_SIZE(racers); i++) racers[i] = kthread_run(race, NULL, "race");
  for (i = 0; i < ARRAY_SIZE(racers); i++) {
    int result = kthread_stop(racers[i]);
    CHECK(result == 0 || result == -EINTR); /* -EINTR: stopped before it began */
  }
  if (cancel_delayed_work_sync(&shared)) atomic_inc(&taken_back);
  CHECK(atomic_read(&accepted) == atomic_read(&ran) + atomic_read(&taken_back));
  return 0;
}

static int __init facilities_init(void) {
  int (*tests[])(void) = {lists, memory, texts, threads, timers, work, races};
  unsigned int i;
  for (i = 0; i < ARRAY_SIZE(tests); i++) {
    int error = tests[i]();
    if (error) return error;
  }
  pr_info("all facilities work\n");
  return 0;
}
module_init(facilities_init);
MODULE_LICENSE("Dual BSD/GPL");
