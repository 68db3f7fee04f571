//! The memory of one call: a pointer that moves up from the end of the module's data, and goes back when a call has ended.
//!
//! Nearly every call of a policy is a fresh instance, so what it allocates is gone microseconds later anyway; an instance that
//! lives longer gets all memory of the last call back when the next one begins. State that lasts is kept in variables of
//! containers, or in kv.

const std = @import("std");
const in_component = @import("backend.zig").in_component;
const Alignment = std.mem.Alignment;

pub const allocator: std.mem.Allocator = if (in_component) .{ .ptr = undefined, .vtable = &bump } else natively();

fn natively() std.mem.Allocator {
    // A test's memory goes when the test program ends.
    return std.heap.page_allocator;
}

const bump: std.mem.Allocator.VTable = .{ .alloc = alloc, .resize = resize, .remap = remap, .free = free };

/// Where the linker's data ends and free memory begins.
extern var __heap_base: u8;

/// The first free byte; 0 before the first block of a call.
var next: usize = 0;
var finished = false;

/// Makes all bytes below `end` part of the memory; false when the host gives no more.
fn reach(end: usize) bool {
    const have = @wasmMemorySize(0) * std.wasm.page_size;
    if (end <= have) return true;
    return @wasmMemoryGrow(0, (end - have + std.wasm.page_size - 1) / std.wasm.page_size) >= 0;
}

fn take(size: usize, alignment: usize) ?[*]u8 {
    if (next == 0) next = @intFromPtr(&__heap_base);
    const block = std.mem.alignForward(usize, next, alignment);
    const end, const beyond = @addWithOverflow(block, size);
    if (beyond != 0 or !reach(end)) return null;
    next = end;
    return @ptrFromInt(block);
}

fn alloc(_: *anyopaque, size: usize, alignment: Alignment, _: usize) ?[*]u8 {
    return take(size, alignment.toByteUnits());
}

/// The newest block grows and shrinks in place, an older one only shrinks.
fn resize(_: *anyopaque, block: []u8, _: Alignment, size: usize, _: usize) bool {
    const begin = @intFromPtr(block.ptr);
    if (begin + block.len != next) return size <= block.len;
    const end, const beyond = @addWithOverflow(begin, size);
    if (beyond != 0 or !reach(end)) return false;
    next = end;
    return true;
}

fn remap(context: *anyopaque, block: []u8, alignment: Alignment, size: usize, caller: usize) ?[*]u8 {
    return if (resize(context, block, alignment, size, caller)) block.ptr else null;
}

fn free(_: *anyopaque, block: []u8, _: Alignment, _: usize) void {
    if (@intFromPtr(block.ptr) + block.len == next) next = @intFromPtr(block.ptr);
}

/// A hook has returned: its memory may go when the next call begins.
pub fn callFinished() void {
    finished = true;
}

/// Memory for what the host hands over. The first such block of a call comes before the call itself, so this is where the memory
/// of the last one goes.
fn handOver(old: ?[*]u8, old_size: usize, alignment: usize, size: usize) callconv(.c) ?[*]u8 {
    if (finished) {
        finished = false;
        next = 0;
    }
    if (size == 0) return @ptrFromInt(alignment);
    const block = take(size, alignment) orelse @trap();
    if (old) |bytes| @memcpy(block, bytes[0..@min(old_size, size)]);
    return block;
}

fn cMalloc(size: usize) callconv(.c) ?[*]u8 {
    return take(size, 16);
}

/// Memory goes back when the call has ended, all at once.
fn cFree(_: ?*anyopaque) callconv(.c) void {}

fn cAbort() callconv(.c) noreturn {
    @trap();
}

fn cStrlen(text: [*:0]const u8) callconv(.c) usize {
    return std.mem.len(text);
}

/// What the generated bindings need.
pub fn exportAll() void {
    @export(&handOver, .{ .name = "cabi_realloc" });
    @export(&cMalloc, .{ .name = "malloc" });
    @export(&cFree, .{ .name = "free" });
    @export(&cAbort, .{ .name = "abort" });
    @export(&cStrlen, .{ .name = "strlen" });
}
