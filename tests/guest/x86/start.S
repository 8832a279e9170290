/*
 * Start-up of a bare-metal kernel on a PC.  A cold start comes by PVH, in
 * 32-bit mode without paging; the other kernel jumps straight to 64-bit mode,
 * on page tables of its own.  Both ways lead to page tables, descriptors and a
 * stack within this image, so that all other memory may be overwritten.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define CODE64          0x08
#define DATA            0x10

#define CR0_PG          0x80000000
#define CR4_PAE         0x20
#define MSR_EFER        0xc0000080
#define EFER_LME        0x100

/* Page table entries: present, writable; in the directory a 2 MiB page. */
#define PTE_TABLE       0x03
#define PTE_2M          0x83

        .section .head, "ax"
        .globl  guest_image
guest_image:
        .quad   0
        .long   0x47454d49                      /* GUEST_IMAGE_MAGIC */
        .long   0
        .quad   guest_image
        .quad   image_file_bytes
        .quad   image_mem_bytes
        .quad   start64

        .code32
start32:
        mov     %cr4, %eax
        or      $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     $pml4, %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        rdmsr
        or      $EFER_LME, %eax
        wrmsr
        mov     %cr0, %eax
        or      $CR0_PG, %eax
        mov     %eax, %cr0
        lgdt    gdtr
        ljmp    $CODE64, $cold64

        .code64
cold64: xor     %edi, %edi                      /* there is no record */

start64:                                        /* %rdi: the record, or 0 */
        mov     $pml4, %eax
        mov     %rax, %cr3
        lgdt    gdtr
        mov     $DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $stack_top, %esp
        pushq   $CODE64
        pushq   $1f
        lretq
1:      call    guest_main
2:      hlt
        jmp     2b

        .section .note.pvh, "a", @note
        .balign 4
        .long   4, 4, 18                        /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .long   start32

        .data
        .balign 8
gdt:    .quad   0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdtr:   .word   23
        .quad   gdt

/* The first 4 GiB, virtual equal to physical. */
        .balign 4096
pml4:   .quad   pdpt + PTE_TABLE
        .balign 4096
pdpt:   .quad   pd + PTE_TABLE, pd + 0x1000 + PTE_TABLE
        .quad   pd + 0x2000 + PTE_TABLE, pd + 0x3000 + PTE_TABLE
        .balign 4096
        .set    pa, 0
pd:     .rept   2048
        .quad   pa + PTE_2M
        .set    pa, pa + 0x200000
        .endr

        .section .bss
        .balign 16
        .skip   16384
stack_top:
