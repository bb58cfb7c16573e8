// SPDX-License-Identifier: BSD-2-Clause
#include "base/guarded_access.h"

#if defined(__x86_64__)

// In assembler, so that the faults which are ours are those of known instructions. No stack, no calls: whoever changes
// the instruction pointer to vb_guarded_fault returns false from the function.
asm(R"(
  .macro vb_move size, move, through
  testb $\size, %dl
  jz .Lvb_none_\size
  \move (%rsi), \through
  \move \through, (%rdi)
  addq $\size, %rsi
  addq $\size, %rdi
.Lvb_none_\size:
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
  jae 3f
  cmpq $64, %rdx
  jb 2f
1:
  movups (%rsi), %xmm0
  movups 16(%rsi), %xmm1
  movups 32(%rsi), %xmm2
  movups 48(%rsi), %xmm3
  movups %xmm0, (%rdi)
  movups %xmm1, 16(%rdi)
  movups %xmm2, 32(%rdi)
  movups %xmm3, 48(%rdi)
  addq $64, %rsi
  addq $64, %rdi
  subq $64, %rdx
  cmpq $64, %rdx
  jae 1b
  testq %rdx, %rdx
  jz 4f
2:
  testb $32, %dl
  jz 5f
  movups (%rsi), %xmm0
  movups 16(%rsi), %xmm1
  movups %xmm0, (%rdi)
  movups %xmm1, 16(%rdi)
  addq $32, %rsi
  addq $32, %rdi
5:
  vb_move 16, movups, %xmm0
  vb_move 8, movq, %rax
  vb_move 4, movl, %eax
  vb_move 2, movw, %ax
  vb_move 1, movb, %al
  jmp 4f
3:
  movq %rdx, %rcx
  rep movsb
4:
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
  movb (%rdi,%rcx), %al
  addq $4096, %rdi
  addl $64, %ecx
  andl $4095, %ecx
  decq %rsi
  jnz 1b
  jmp 3f
2:
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
  .purgem vb_move
)");

#endif
