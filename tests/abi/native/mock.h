/* SPDX-License-Identifier: BSD-2-Clause */
/* What a mock library is made of (scripts/gen-abi mock): a function notes its index and its first argument, and returns
 * the same value as all others. */
.section.note.GNU - stack, "",
    @progbits

        .macro mock_variable name.bss.p2align 3.globl \name.type \name,
    @object.size \name,
    8
\name : here_\name :.zero 8
                         .endm

                             mock_variable mock_called mock_variable mock_argument

                         .macro mock_function name,
    index.text.p2align 4.globl \name.type \name, @function
\name : endbr64 movq $\index,
         here_mock_called(% rip) movq % rdi,
         here_mock_argument(% rip) movl $0x5ca1ab1e,
         % eax ret.size \name,
         .- \name.endm

                 .macro mock_byte name.bss.globl \name.type \name,
         @object
\name :.zero 1.size \name,
         1.endm
