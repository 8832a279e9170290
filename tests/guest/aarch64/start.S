/*
 * Start-up of a bare-metal kernel on the virt machine: the image head, a
 * stack, and C.  A cold start and the entry from the other kernel are the
 * same but for the argument: both come with MMU and caches off, and x0 holds
 * 0 or the record, as the boot protocol of an ELF and arch_jump() have it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
        .section .head, "ax"
        .globl  _start, guest_image
guest_image:
_start: b       1f
        nop
        .long   0x47454d49                      /* GUEST_IMAGE_MAGIC */
        .long   0
        .quad   guest_image
        .quad   image_file_bytes
        .quad   image_mem_bytes
        .quad   _start
1:      adrp    x1, stack_top
        add     sp, x1, :lo12:stack_top
        bl      guest_main
2:      wfi
        b       2b

        .section .bss
        .balign 16
        .skip   16384
stack_top:
