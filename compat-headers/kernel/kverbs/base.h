/* SPDX-License-Identifier: BSD-2-Clause */
/* What every other header stands on: attributes, arithmetic, errors, the log. */
#ifndef KVERBS_BASE_H
#define KVERBS_BASE_H
#include <errno.h>
#include <limits.h>
#include <linux/errno.h>
#include <linux/types.h>
#include <linux/version.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A function of the library under the kernel's name. The symbol has a name of its own, because librdmacm and the C
 * library use some of the same ones for other things. */
#define KV_SYMBOL(name) __asm__("kv_" #name)

/* KV_ARITY(f, a, b) calls f2(a, b). */
#define KV_COUNT(...) KV_COUNT_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define KV_COUNT_(a1, a2, a3, a4, a5, a6, a7, a8, n, ...) n
#define KV_CAT(a, b) KV_CAT_(a, b)
#define KV_CAT_(a, b) a##b
#define KV_ARITY(f, ...) KV_CAT(f, KV_COUNT(__VA_ARGS__))(__VA_ARGS__)

#define __init
#define __exit
#define __initdata
#define __exitdata
#define __devinit
#define __devexit
#define __user
#define __kernel
#define __iomem
#define __percpu
#define __rcu
#define __force
#ifndef __bitwise__
#define __bitwise__
#endif
#define __read_mostly
#define __acquires(x)
#define __releases(x)
#define __must_check __attribute__((warn_unused_result))
#define __maybe_unused __attribute__((unused))
#define __always_unused __attribute__((unused))
#define __packed __attribute__((packed))
#define __aligned(x) __attribute__((aligned(x)))
#define ____cacheline_aligned __aligned(64)
#define ____cacheline_aligned_in_smp __aligned(64)
#define __printf(a, b) __attribute__((format(printf, a, b)))
#define __cold __attribute__((cold))
#ifndef noinline
#define noinline __attribute__((noinline))
#endif
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef fallthrough
#define fallthrough __attribute__((fallthrough))
#endif
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define asmlinkage
#define EXPORT_SYMBOL(name) struct kv_exported
#define EXPORT_SYMBOL_GPL(name) struct kv_exported
#ifndef typeof
#define typeof __typeof__
#endif

#define barrier() __asm__ __volatile__("" ::: "memory")
#define READ_ONCE(x) (*(const volatile __typeof__(x)*)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x)*)&(x) = (v))
#define ACCESS_ONCE(x) (*(volatile __typeof__(x)*)&(x))
#define mb() __sync_synchronize()
#define rmb() __sync_synchronize()
#define wmb() __sync_synchronize()
#define smp_mb() __sync_synchronize()
#define smp_rmb() __sync_synchronize()
#define smp_wmb() __sync_synchronize()
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define cpu_relax() __builtin_ia32_pause()
#if !defined(__x86_64__) && !defined(__i386__)
#undef cpu_relax
#define cpu_relax() barrier()
#endif

#define container_of(ptr, type, member) ((type*)((char*)(ptr)-offsetof(type, member)))
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif
#define sizeof_field(type, member) sizeof(((type*)0)->member)
#define KV_PICK(a, op, b)                         \
  __extension__({                                 \
    __typeof__(a) kv_a = (a);                     \
    __typeof__(b) kv_b = (b);                     \
    kv_a op kv_b ? kv_a : (__typeof__(kv_a))kv_b; \
  })
#ifndef min
#define min(a, b) KV_PICK(a, <, b)
#define max(a, b) KV_PICK(a, >, b)
#endif
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define max_t(type, a, b) ((type)(a) > (type)(b) ? (type)(a) : (type)(b))
#define clamp(v, low, high) min(max(v, low), high)
#define clamp_t(type, v, low, high) min_t(type, max_t(type, v, low), high)
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#ifndef roundup
#define roundup(n, d) ((((n) + (d)-1) / (d)) * (d))
#endif
#define rounddown(n, d) ((n) - (n) % (d))
#define ALIGN(n, a) (((n) + (__typeof__(n))(a)-1) & ~((__typeof__(n))(a)-1))
#define ALIGN_DOWN(n, a) ((n) & ~((__typeof__(n))(a)-1))
#define PTR_ALIGN(p, a) ((__typeof__(p))ALIGN((unsigned long)(p), (a)))
#define IS_ALIGNED(n, a) (((n) & ((__typeof__(n))(a)-1)) == 0)
#ifndef swap
#define swap(a, b)            \
  do {                        \
    __typeof__(a) kv_t = (a); \
    (a) = (b);                \
    (b) = kv_t;               \
  } while (0)
#endif
#define upper_32_bits(n) ((u32)(((u64)(n)) >> 32))
#define lower_32_bits(n) ((u32)(n))
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define U8_MAX ((u8)~0U)
#define U16_MAX ((u16)~0U)
#define U32_MAX ((u32)~0U)
#define U64_MAX ((u64)~0ULL)

#define MAX_ERRNO 4095
#define IS_ERR_VALUE(x) ((unsigned long)(x) >= (unsigned long)-MAX_ERRNO)
static inline void* ERR_PTR(long error) { return (void*)error; }
static inline long PTR_ERR(const void* ptr) { return (long)ptr; }
static inline bool IS_ERR(const void* ptr) { return IS_ERR_VALUE(ptr); }
static inline bool IS_ERR_OR_NULL(const void* ptr) { return !ptr || IS_ERR(ptr); }
static inline void* ERR_CAST(const void* ptr) { return (void*)ptr; }
static inline int PTR_ERR_OR_ZERO(const void* ptr) { return IS_ERR(ptr) ? (int)PTR_ERR(ptr) : 0; }

/** printk - one line of the log, to the error stream; %p with the kernel's extensions for addresses (%pI4, %pIS...) */
int printk(const char* format, ...) KV_SYMBOL(printk) __printf(1, 2);
int kv_vscnprintf(char* buffer, size_t size, const char* format, va_list arguments);
int scnprintf(char* buffer, size_t size, const char* format, ...) KV_SYMBOL(scnprintf) __printf(3, 4);
void kv_bug(const char* file, int line, const char* what) __attribute__((noreturn));
void kv_warning(const char* file, int line, const char* what);

#define KERN_SOH "\001"
#define KERN_EMERG KERN_SOH "0"
#define KERN_ALERT KERN_SOH "1"
#define KERN_CRIT KERN_SOH "2"
#define KERN_ERR KERN_SOH "3"
#define KERN_WARNING KERN_SOH "4"
#define KERN_NOTICE KERN_SOH "5"
#define KERN_INFO KERN_SOH "6"
#define KERN_DEBUG KERN_SOH "7"
#define KERN_CONT KERN_SOH "c"
#ifndef pr_fmt
#define pr_fmt(text) text
#endif
#define pr_emerg(text, ...) printk(KERN_EMERG pr_fmt(text), ##__VA_ARGS__)
#define pr_err(text, ...) printk(KERN_ERR pr_fmt(text), ##__VA_ARGS__)
#define pr_warn(text, ...) printk(KERN_WARNING pr_fmt(text), ##__VA_ARGS__)
#define pr_warning pr_warn
#define pr_notice(text, ...) printk(KERN_NOTICE pr_fmt(text), ##__VA_ARGS__)
#define pr_info(text, ...) printk(KERN_INFO pr_fmt(text), ##__VA_ARGS__)
#define pr_cont(text, ...) printk(KERN_CONT text, ##__VA_ARGS__)
#ifdef DEBUG
#define pr_debug(text, ...) printk(KERN_DEBUG pr_fmt(text), ##__VA_ARGS__)
#else
#define pr_debug(text, ...)             \
  do {                                  \
    if (0) printk(text, ##__VA_ARGS__); \
  } while (0)
#endif
#define printk_ratelimit() 1
#define printk_once(...) printk(__VA_ARGS__)
#define pr_err_ratelimited pr_err
#define pr_warn_ratelimited pr_warn
#define dump_stack() ((void)0)
#define might_sleep() ((void)0)

#define BUG() kv_bug(__FILE__, __LINE__, "BUG")
#define BUG_ON(condition)                                            \
  do {                                                               \
    if (unlikely(condition)) kv_bug(__FILE__, __LINE__, #condition); \
  } while (0)
#define WARN_ON(condition)                                             \
  __extension__({                                                      \
    int kv_warn = !!(condition);                                       \
    if (unlikely(kv_warn)) kv_warning(__FILE__, __LINE__, #condition); \
    kv_warn;                                                           \
  })
#define WARN_ON_ONCE(condition)                   \
  __extension__({                                 \
    static int kv_warned;                         \
    int kv_once = !!(condition);                  \
    if (unlikely(kv_once) && !kv_warned) {        \
      kv_warned = 1;                              \
      kv_warning(__FILE__, __LINE__, #condition); \
    }                                             \
    kv_once;                                      \
  })
#define WARN(condition, ...)          \
  __extension__({                     \
    int kv_warn = !!(condition);      \
    if (kv_warn) printk(__VA_ARGS__); \
    kv_warn;                          \
  })
#define WARN_ONCE WARN
#define BUILD_BUG_ON(condition) ((void)sizeof(char[1 - 2 * !!(condition)]))

static inline int ilog2(u64 n) { return 63 - __builtin_clzll(n); }
static inline int fls(unsigned int n) { return n ? 32 - __builtin_clz(n) : 0; }
static inline int fls64(u64 n) { return n ? 64 - __builtin_clzll(n) : 0; }
static inline unsigned long __ffs(unsigned long n) { return (unsigned long)__builtin_ctzl(n); }
static inline bool is_power_of_2(unsigned long n) { return n && !(n & (n - 1)); }
static inline unsigned long roundup_pow_of_two(unsigned long n) { return n <= 1 ? 1 : 1UL << fls64(n - 1); }
static inline unsigned long rounddown_pow_of_two(unsigned long n) { return 1UL << (fls64(n) - 1); }
static inline u64 div_u64(u64 n, u32 d) { return n / d; }
static inline u64 div64_u64(u64 n, u64 d) { return n / d; }
#define do_div(n, d)                     \
  __extension__({                        \
    u32 kv_rest = (u32)((n) % (u32)(d)); \
    (n) = (n) / (u32)(d);                \
    kv_rest;                             \
  })

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define KV_BE(bits, x) __builtin_bswap##bits(x)
#define KV_LE(bits, x) ((u##bits)(x))
#else
#define KV_BE(bits, x) ((u##bits)(x))
#define KV_LE(bits, x) __builtin_bswap##bits(x)
#endif
#define cpu_to_be16(x) ((__be16)KV_BE(16, (u16)(x)))
#define cpu_to_be32(x) ((__be32)KV_BE(32, (u32)(x)))
#define cpu_to_be64(x) ((__be64)KV_BE(64, (u64)(x)))
#define be16_to_cpu(x) ((u16)KV_BE(16, (u16)(x)))
#define be32_to_cpu(x) ((u32)KV_BE(32, (u32)(x)))
#define be64_to_cpu(x) ((u64)KV_BE(64, (u64)(x)))
#define cpu_to_le16(x) ((__le16)KV_LE(16, (u16)(x)))
#define cpu_to_le32(x) ((__le32)KV_LE(32, (u32)(x)))
#define cpu_to_le64(x) ((__le64)KV_LE(64, (u64)(x)))
#define le16_to_cpu(x) ((u16)KV_LE(16, (u16)(x)))
#define le32_to_cpu(x) ((u32)KV_LE(32, (u32)(x)))
#define le64_to_cpu(x) ((u64)KV_LE(64, (u64)(x)))
static inline u16 be16_to_cpup(const __be16* p) { return be16_to_cpu(*p); }
static inline u32 be32_to_cpup(const __be32* p) { return be32_to_cpu(*p); }
static inline u64 be64_to_cpup(const __be64* p) { return be64_to_cpu(*p); }

unsigned long simple_strtoul(const char* text, char** end, unsigned int base) KV_SYMBOL(simple_strtoul);
long simple_strtol(const char* text, char** end, unsigned int base) KV_SYMBOL(simple_strtol);
unsigned long long simple_strtoull(const char* text, char** end, unsigned int base) KV_SYMBOL(simple_strtoull);
int kstrtoull(const char* text, unsigned int base, unsigned long long* value) KV_SYMBOL(kstrtoull);
int kstrtoll(const char* text, unsigned int base, long long* value) KV_SYMBOL(kstrtoll);
int kstrtouint(const char* text, unsigned int base, unsigned int* value) KV_SYMBOL(kstrtouint);
int kstrtoint(const char* text, unsigned int base, int* value) KV_SYMBOL(kstrtoint);
static inline int kstrtoul(const char* text, unsigned int base, unsigned long* value) {
  unsigned long long wide = 0;
  int error = kstrtoull(text, base, &wide);
  if (!error) *value = wide;
  return error;
}

size_t kv_strlcpy(char* target, const char* source, size_t size);
ssize_t kv_strscpy(char* target, const char* source, size_t size);
#ifndef strlcpy
#define strlcpy kv_strlcpy
#endif
#define strscpy kv_strscpy
static inline char* strim(char* text) {
  size_t n = strlen(text);
  while (n && (text[n - 1] == ' ' || text[n - 1] == '\n' || text[n - 1] == '\t')) text[--n] = 0;
  return text + strspn(text, " \t\n");
}
#define strstrip strim

u32 kv_random32(void);
void get_random_bytes(void* buffer, int bytes) KV_SYMBOL(get_random_bytes);
#if KV_UNTIL(3, 8, 0)
#define random32() kv_random32()
#endif
#if KV_SINCE(3, 8, 0) && KV_UNTIL(6, 1, 0)
#define prandom_u32() kv_random32()
#endif
#define get_random_u32() kv_random32()
static inline u64 get_random_u64(void) { return (u64)kv_random32() << 32 | kv_random32(); }

#endif
