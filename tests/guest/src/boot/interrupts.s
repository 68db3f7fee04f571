// What runs at privilege level 0 on an interrupt: count it, acknowledge it, return. Rust looks at the counters.
//
// An exception below vector 32 is sent back to level 3 into exception_main, except the one that carries a
// ring-0 call (ring0.s).

.set LAPIC_EOI, 0xfee000b0
.set RING0_CALL, 0x52494e47

.section .text
.globl interrupt_stubs

// 256 stubs of 16 bytes: push a zero error code where the CPU pushes none, then the vector.
.balign 16
interrupt_stubs:
.set vector, 0
.rept 256
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
    nop
    nop
    .else
    push 0
    .endif
    .if vector == 6
    jmp invalid_opcode
    .endif
    push vector
    .if vector == 2
    jmp nmi
    .elseif vector < 32
    jmp exception
    .else
    jmp interrupt
    .endif
    .set vector, vector + 1
.endr

interrupt:                      // rsp: vector, 0, rip, cs, rflags, rsp, ss
    push rax
    push rcx
    mov rax, [rsp + 16]
    lock inc qword ptr [interrupt_counts + rax * 8]
    lock inc qword ptr [interrupts_seen]
    mov ecx, LAPIC_EOI
    mov dword ptr [rcx], 0
    pop rcx
    pop rax
    add rsp, 16
    iretq

nmi:                            // as an interrupt, but nobody waits for its acknowledgement
    push rax
    mov rax, [rsp + 8]
    lock inc qword ptr [interrupt_counts + rax * 8]
    lock inc qword ptr [interrupts_seen]
    pop rax
    add rsp, 16
    iretq

invalid_opcode:                 // rsp: 0, rip, cs, rflags, rsp, ss
    cmp r10d, RING0_CALL
    jne 1f
    add rsp, 8
    add qword ptr [rsp], 2      // past the ud2
    call r11
    iretq
1:  push 6

exception:                      // rsp: vector, error code, rip, cs, rflags, rsp, ss
    test byte ptr [rsp + 24], 3
    jz 2f
    mov rdi, [rsp]
    mov rsi, [rsp + 8]
    mov rdx, [rsp + 16]
    mov rcx, cr2
    lea rax, [exception_main]
    mov [rsp + 16], rax
    mov rax, [rsp + 40]
    and rax, -16
    sub rax, 136                // below the red zone, aligned as after a call
    mov [rsp + 40], rax
    add rsp, 16
    iretq
2:  mov dx, COM1                // a fault at level 0: one letter, then the end
    mov al, 0x21                // '!'
    out dx, al
    jmp ring0_triple_fault
