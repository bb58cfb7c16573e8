// SPDX-License-Identifier: BSD-2-Clause
#include "base/guarded_access.h"

#if defined(__x86_64__)

extern "C" {
bool vb_guarded_wide = false;
}

// In assembler, so that the faults which are ours are those of known instructions. No stack, no calls: whoever changes
// the instruction pointer to vb_guarded_fault returns false from the function.
asm(R"(
  # The first and the last bytes, which meet in the middle.
  .macro vb_ends size, move, first, last
  cmpq $\size, %rdx
  jb 9f
  \move (%rsi), \first
  \move -\size(%rsi,%rdx), \last
  \move \first, (%rdi)
  \move \last, -\size(%rdi,%rdx)
  jmp 8f
9:
  .endm

  .pushsection .text.vb_guarded, "ax", @progbits
  .globl vb_guarded, vb_guarded_copy, vb_guarded_touch, vb_guarded_fault
  .hidden vb_guarded, vb_guarded_copy, vb_guarded_touch, vb_guarded_fault
  .p2align 5
vb_guarded:

  .type vb_guarded_copy, @function
vb_guarded_copy:
  .cfi_startproc
  cmpq $2048, %rdx
  jae 7f
  cmpq $32, %rdx
  jb 5f
  leaq -32(%rsi,%rdx), %rax  # The last 32 bytes go last, whatever the loop has copied of them.
  leaq -32(%rdi,%rdx), %rcx
  cmpb $0, vb_guarded_wide(%rip)
  je 2f
  vmovdqu (%rax), %ymm1
1:
  vmovdqu (%rsi), %ymm0
  vmovdqu %ymm0, (%rdi)
  addq $32, %rsi
  addq $32, %rdi
  cmpq %rax, %rsi
  jb 1b
  vmovdqu %ymm1, (%rcx)
  vzeroupper
  jmp 8f
2:
  movups (%rax), %xmm2
  movups 16(%rax), %xmm3
3:
  movups (%rsi), %xmm0
  movups 16(%rsi), %xmm1
  movups %xmm0, (%rdi)
  movups %xmm1, 16(%rdi)
  addq $32, %rsi
  addq $32, %rdi
  cmpq %rax, %rsi
  jb 3b
  movups %xmm2, (%rcx)
  movups %xmm3, 16(%rcx)
  jmp 8f
5:
  vb_ends 16, movups, %xmm0, %xmm1
  vb_ends 8, movq, %rax, %rcx
  vb_ends 4, movl, %eax, %ecx
  vb_ends 2, movw, %ax, %cx
  vb_ends 1, movb, %al, %cl
  jmp 8f
7:
  movq %rdx, %rcx
  rep movsb
8:
  movl $1, %eax
  ret
  .cfi_endproc
  .size vb_guarded_copy, . - vb_guarded_copy

  .type vb_guarded_touch, @function
vb_guarded_touch:
  .cfi_startproc
  xorl %ecx, %ecx
  testb %dl, %dl
  jnz 2f
1:
  movzbl (%rdi,%rcx), %eax  # not %al, which would wait for the one before
  addq $4096, %rdi
  addl $64, %ecx
  andl $4095, %ecx
  decq %rsi
  jnz 1b
  jmp 3f
2:
  leal 1024(%rcx), %eax
  andl $4095, %eax
  prefetchw 65536(%rdi,%rax)  # 16 pages on: each of these writes waits for its line
  lock orb $0, (%rdi,%rcx)
  addq $4096, %rdi
  addl $64, %ecx
  andl $4095, %ecx
  decq %rsi
  jnz 2b
3:
  movl $1, %eax
  ret
  .cfi_endproc
  .size vb_guarded_touch, . - vb_guarded_touch

vb_guarded_fault:
  .cfi_startproc
  xorl %eax, %eax
  ret
  .cfi_endproc
  .popsection
  .purgem vb_ends
)");

#endif
