// Descriptor tables, page tables and stacks.

.set MAX_CPUS, 64               // as in cpus.rs

.section .data
.balign 16
.globl wake_count, boot_parameters, boot_entry, interrupt_counts, interrupts_seen
.globl gdt, idt, page_directory_pointers

boot_parameters:    .quad 0     // start info or zero page, by boot_entry
boot_entry:         .quad 0     // 1 = 64-bit Linux, 2 = PVH
interrupts_seen:    .quad 0
wake_count:         .quad 0     // how often it was woken up

gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    // 0x08 level 0, 32-bit code
    .quad 0x00af9b000000ffff    // 0x10 level 0, 64-bit code
    .quad 0x00cf93000000ffff    // 0x18 level 0, data
    .quad 0x00cffb000000ffff    // 0x20 level 3, 32-bit code
    .quad 0x00cff3000000ffff    // 0x28 level 3, data
    .quad 0x00affb000000ffff    // 0x30 level 3, 64-bit code
    .quad 0
    .fill MAX_CPUS * 2, 8, 0    // 0x40 task state segments
gdt_end:

gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt
idt_pointer:
    .word 4095
    .quad idt
empty_idt_pointer:
    .word 0
    .quad 0

// The first 4 GiB at their own addresses in 2 MiB pages, open to level 3. paging.rs adds what lies above.
.balign 4096
page_map:
    .quad page_directory_pointers + 7
    .fill 511, 8, 0
page_directory_pointers:
    .quad page_directories + 7, page_directories + 0x1007, page_directories + 0x2007, page_directories + 0x3007
    .fill 508, 8, 0
page_directories:
.set entry, 0x87
.rept 2048
    .quad entry
    .set entry, entry + 0x200000
.endr

.section .bss, "aw", @nobits
.balign 4096
idt:                .skip 4096
interrupt_counts:   .skip 256 * 8

.section .uncleared, "aw", @nobits
.balign 4096
task_states:        .skip MAX_CPUS * 128
ring0_stacks:       .skip MAX_CPUS * 4096
boot_stack_top:
user_stacks:        .skip MAX_CPUS * 65536
