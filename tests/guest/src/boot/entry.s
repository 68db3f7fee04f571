// The two ways in, and the road from there to Rust at privilege level 3.
//
// Everything at privilege level 0 is a handful of instructions: some KVM back ends run it in an instruction emulator,
// a thousand times slower than level 3. Both entries begin by writing one byte to the first serial port, so
// that the time from KVM_RUN to the first guest byte can be measured.

.set COM1, 0x3f8
.set KERNEL_CODE, 0x10          // The selectors are Linux's: para-virtual back ends take their fast path for them.
.set KERNEL_DATA, 0x18
.set USER_DATA, 0x2b
.set USER_CODE, 0x33
.set FIRST_TSS, 0x40
.set RING0_STACK_SHIFT, 12      // bytes a CPU, as a power of two
.set USER_STACK_SHIFT, 16
.set USER_RFLAGS, 0x202         // interrupts on

.section .note.Xen, "a", @note
    .long 4, 4, 18              // name size, value size, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_entry

.section .text.entry, "ax"

// 64-bit Linux boot protocol: long mode, rsi = zero page.
.code64
.globl linux64_entry
linux64_entry:
    mov dx, COM1
    mov al, 0x72                // 'r'
    out dx, al
    mov [boot_parameters], rsi
    mov dword ptr [boot_entry], 1
    jmp boot_cpu

// PVH: 32-bit protected mode without paging, ebx = start info.
.code32
pvh_entry:
    mov dx, COM1
    mov al, 0x72
    out dx, al
    mov [boot_parameters], ebx
    mov dword ptr [boot_entry], 2
    jmp long_mode

// Woken up: 32-bit protected mode without paging, memory as it was.
.globl wake_entry
wake_entry:
    inc dword ptr [wake_count]
long_mode:
    mov esp, offset boot_stack_top
    mov eax, offset page_map
    mov cr3, eax
    mov eax, cr4
    or eax, 0x20                // PAE
    mov cr4, eax
    mov ecx, 0xc0000080         // EFER: long mode
    rdmsr
    or eax, 0x100
    wrmsr
    lgdt [gdt_pointer]
    mov eax, cr0
    or eax, 0x80000001          // paging, protection
    mov cr0, eax
    .byte 0xea                  // far jump into 64-bit code
    .long boot_cpu
    .word KERNEL_CODE

.code64
boot_cpu:
    cld
    lea rsp, [boot_stack_top]
    lea rax, [page_map]
    mov cr3, rax
    mov al, 0xff                // the two 8259 stay masked for good
    out 0x21, al
    out 0xa1, al
    xor edi, edi

// Common to all processors: edi = number of this one, long mode, page tables loaded, some stack.
.globl start_cpu
start_cpu:
    lgdt [gdt_pointer]
    mov ax, KERNEL_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    push KERNEL_CODE
    lea rax, [1f]
    push rax
    retfq
1:
    lidt [idt_pointer]

    // Ring-0 stack: the one the CPU switches to on an interrupt from level 3.
    mov esi, edi
    inc esi
    shl esi, RING0_STACK_SHIFT
    lea rsi, [ring0_stacks + rsi]
    mov rsp, rsi

    // Task state segment of this CPU: the ring-0 stack, no I/O bitmap.
    mov eax, edi
    shl eax, 7
    lea rbx, [task_states + rax]
    mov [rbx + 4], rsi
    mov word ptr [rbx + 102], 104
    mov eax, edi
    shl eax, 4
    lea rdx, [gdt + rax + FIRST_TSS]
    mov rax, rbx
    mov word ptr [rdx], 103
    mov word ptr [rdx + 2], ax
    shr rax, 16
    mov byte ptr [rdx + 4], al
    mov byte ptr [rdx + 5], 0x89
    mov byte ptr [rdx + 6], 0
    mov byte ptr [rdx + 7], ah
    mov qword ptr [rdx + 8], 0
    mov eax, edi
    shl eax, 4
    add eax, FIRST_TSS
    ltr ax

    mov rax, cr4                // PAE, PGE, SSE with exceptions
    or eax, 0x6a0
    mov cr4, rax
    mov eax, 1                  // XSAVE and AVX where both are there: registers of 256 bits
    xor ecx, ecx
    cpuid
    and ecx, 0x14000000
    cmp ecx, 0x14000000
    jne 3f
    mov rax, cr4                // OSXSAVE
    or eax, 0x40000
    mov cr4, rax
    xor ecx, ecx                // x87, SSE, AVX
    xor edx, edx
    mov eax, 7
    xsetbv
3:
    mov rax, cr0                // FPU present, none of emulate and task-switched
    and eax, 0xfffffff3
    or eax, 0x80000033
    mov cr0, rax
    mov ecx, 0xc0000080         // EFER: no-execute
    rdmsr
    or eax, 0x900
    wrmsr

    // Down to level 3: the boot CPU into guest_main, the others into application_cpu_main, both with rdi = number.
    mov ecx, edi
    inc ecx
    shl ecx, USER_STACK_SHIFT
    lea rcx, [user_stacks + rcx - 8]
    lea rax, [guest_main]
    test edi, edi
    jz 2f
    lea rax, [application_cpu_main]
2:
    push USER_DATA
    push rcx
    push USER_RFLAGS
    push USER_CODE
    push rax
    iretq
