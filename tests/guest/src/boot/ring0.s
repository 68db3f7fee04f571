// The services of privilege level 0, called from level 3 by `ud2` (see ring0.rs): r10 = RING0_CALL, r11 = one of these,
// arguments in rdi, rsi and rdx, result in rax; rcx and r8 to r11 are scratch. Interrupts are off while they run.

.section .text
.globl ring0_in8, ring0_in16, ring0_in32, ring0_out8, ring0_out16, ring0_out32, ring0_write_bytes
.globl ring0_write_msr, ring0_cpuid, ring0_reload_page_map
.globl ring0_wait, ring0_halt_forever, ring0_triple_fault, ring0_unemulated

ring0_in8:
    mov edx, edi
    xor eax, eax
    in al, dx
    ret
ring0_in16:
    mov edx, edi
    xor eax, eax
    in ax, dx
    ret
ring0_in32:
    mov edx, edi
    in eax, dx
    ret
ring0_out8:
    mov edx, edi
    mov eax, esi
    out dx, al
    ret
ring0_out16:
    mov edx, edi
    mov eax, esi
    out dx, ax
    ret
ring0_out32:
    mov edx, edi
    mov eax, esi
    out dx, eax
    ret

ring0_write_bytes:              // port, address, length > 0
    mov rcx, rdx
    mov edx, edi
1:  mov al, [rsi]
    out dx, al
    inc rsi
    dec rcx
    jnz 1b
    ret

ring0_write_msr:
    mov ecx, edi
    mov eax, esi
    mov rdx, rsi
    shr rdx, 32
    wrmsr
    ret

ring0_cpuid:                    // leaf, subleaf, address of four u32
    push rbx
    mov r8, rdx
    mov eax, edi
    mov ecx, esi
    cpuid
    mov [r8], eax
    mov [r8 + 4], ebx
    mov [r8 + 8], ecx
    mov [r8 + 12], edx
    pop rbx
    ret

ring0_reload_page_map:
    mov rax, cr3
    mov cr3, rax
    ret

// Sleeps until an interrupt, unless one came since the caller read interrupts_seen (its value in rdi).
ring0_wait:
    cmp rdi, [interrupts_seen]
    jne 1f
    sti
    hlt
    cli
1:  ret

ring0_halt_forever:
    cli
    hlt
    jmp ring0_halt_forever

ring0_triple_fault:
    lidt [empty_idt_pointer]
    ud2

// An x87 load at level 0: outside what KVM's emulator knows, harmless on hardware.
ring0_unemulated:
    fld tbyte ptr [empty_idt_pointer]
    fstp st(0)
    ret
