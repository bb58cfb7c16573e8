/* SPDX-License-Identifier: BSD-2-Clause */
/* What the doors are made of. An entry jumps into the engine. A stub jumps to the same symbol of the system's own library,
 * which is looked up at the first call; every register that may hold an argument arrives untouched, also those of a
 * variadic call. Doors hold no C++: one copy of the language's runtime, the engine's, sees every exception. */
#if !defined(__x86_64__)
#error "the jump stubs are written for x86-64 only"
#endif

#define VB_FRAME 208 /* nine integer registers and eight vector registers, with the stack aligned */

.section .note.GNU-stack, "", @progbits
.text

/* r11 belongs to nobody between a caller and a callee. */
.macro vb_stub name, index
  .text
  .p2align 4
  .globl \name
  .type \name, @function
\name:
  .cfi_startproc
  endbr64
  movq vb_slots + 8 * \index(%rip), %r11
  testq %r11, %r11
  jz 1f
  jmp *%r11
1:
  movl $\index, %r11d
  jmp vb_resolve_and_jump
  .cfi_endproc
  .size \name, . - \name
.endm

.macro vb_noop name
  .text
  .globl \name
  .type \name, @function
\name:
  endbr64
  ret
  .size \name, . - \name
.endm

.macro vb_data name
  .bss
  .globl \name
  .type \name, @object
\name:
  .zero 1
  .size \name, 1
.endm

/* A way from an exported symbol into the engine. */
.macro vb_entry name, target
  .text
  .p2align 4
  .globl \name
  .type \name, @function
\name:
  endbr64
  jmp *\target@GOTPCREL(%rip)
  .size \name, . - \name
.endm

/* The slots of this library's stubs, and the way to fill one: once, by vb_resolve(door, index) of the engine. */
.macro vb_resolver door, count
  .bss
  .p2align 3
  .type vb_slots, @object
vb_slots:
  .zero 8 * \count
  .size vb_slots, 8 * \count

  .text
  .type vb_resolve_and_jump, @function
vb_resolve_and_jump:
  .cfi_startproc
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset %rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  subq $VB_FRAME, %rsp
  movq %rdi, 0(%rsp)
  movq %rsi, 8(%rsp)
  movq %rdx, 16(%rsp)
  movq %rcx, 24(%rsp)
  movq %r8, 32(%rsp)
  movq %r9, 40(%rsp)
  movq %rax, 48(%rsp)
  movq %r10, 56(%rsp)
  movq %r11, 64(%rsp)
  movups %xmm0, 80(%rsp)
  movups %xmm1, 96(%rsp)
  movups %xmm2, 112(%rsp)
  movups %xmm3, 128(%rsp)
  movups %xmm4, 144(%rsp)
  movups %xmm5, 160(%rsp)
  movups %xmm6, 176(%rsp)
  movups %xmm7, 192(%rsp)
  movl $\door, %edi
  movl %r11d, %esi
  call *vb_resolve@GOTPCREL(%rip)
  movq 64(%rsp), %rcx
  leaq vb_slots(%rip), %rdx
  movq %rax, (%rdx, %rcx, 8)
  movq %rax, %r11
  movq 0(%rsp), %rdi
  movq 8(%rsp), %rsi
  movq 16(%rsp), %rdx
  movq 24(%rsp), %rcx
  movq 32(%rsp), %r8
  movq 40(%rsp), %r9
  movq 48(%rsp), %rax
  movq 56(%rsp), %r10
  movups 80(%rsp), %xmm0
  movups 96(%rsp), %xmm1
  movups 112(%rsp), %xmm2
  movups 128(%rsp), %xmm3
  movups 144(%rsp), %xmm4
  movups 160(%rsp), %xmm5
  movups 176(%rsp), %xmm6
  movups 192(%rsp), %xmm7
  leave
  .cfi_def_cfa %rsp, 8
  jmp *%r11
  .cfi_endproc
  .size vb_resolve_and_jump, . - vb_resolve_and_jump
.endm
