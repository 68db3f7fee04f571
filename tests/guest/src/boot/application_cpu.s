// Where the other processors wake up: copied to one page below 1 MiB (TRAMPOLINE in cpus.rs) and entered in real mode
// by a start-up interrupt. The page's address is written out since the code runs elsewhere than it was linked.

.set TRAMPOLINE, 0x8000

.section .text
.globl trampoline_start, trampoline_end

.code16
trampoline_start:
    cli
    xor ax, ax
    mov ds, ax
    .byte 0x0f, 0x01, 0x16      // lgdt [trampoline_gdt]
    .word TRAMPOLINE + trampoline_gdt - trampoline_start
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    .byte 0x66, 0xea            // far jump into 32-bit code
    .long TRAMPOLINE + trampoline32 - trampoline_start
    .word 0x08

.code32
trampoline32:
    mov ax, 0x18
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, offset page_map
    mov cr3, eax
    mov eax, cr4
    or eax, 0x20
    mov cr4, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x100
    wrmsr
    mov eax, cr0
    or eax, 0x80000001
    mov cr0, eax
    .byte 0xea
    .long application_cpu64
    .word 0x10

trampoline_gdt:
    .word gdt_end - gdt - 1
    .long gdt
trampoline_end:

// Where the boot processor wakes up: copied behind the page's other code (WAKE in power.rs) and entered in real mode with its
// segment there.
.globl wake_start, wake_end
.set WAKE, TRAMPOLINE + 0x800

.code16
wake_start:
    cli
    xor ax, ax
    mov ds, ax
    .byte 0x0f, 0x01, 0x16      // lgdt [wake_gdt]
    .word WAKE + wake_gdt - wake_start
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    .byte 0x66, 0xea            // far jump into 32-bit code
    .long WAKE + wake32 - wake_start
    .word 0x08

.code32
wake32:
    mov ax, 0x18
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, offset wake_entry
    jmp eax

wake_gdt:
    .word gdt_end - gdt - 1
    .long gdt
wake_end:

// On the ring-0 stack of its number, which is that of its local APIC, it joins the common road.
.code64
application_cpu64:
    mov eax, 1
    xor ecx, ecx
    cpuid
    shr ebx, 24
    mov edi, ebx
    mov esi, edi
    inc esi
    shl esi, 12
    lea rsp, [ring0_stacks + rsi]
    jmp start_cpu
