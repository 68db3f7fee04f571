/* The allocator of a policy: a pointer that moves up from the end of the module's data, and goes back when a call has ended.
 *
 * Nearly every call of a policy is a fresh instance, so what it allocates is gone microseconds later anyway; an instance that lives
 * longer gets all memory of the last call back when the next one begins. State that lasts is kept in static variables, or in kv.
 * This takes the place of malloc of the C library, so the library's own functions use it as well. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "glue.h"

#define ALIGNMENT 16
#define PAGE 65536

/* In front of every block; as large as the alignment, so that blocks stay aligned. */
typedef struct header {
    size_t size;
    char padding[ALIGNMENT - sizeof(size_t)];
} header;

/* Where the linker's data ends and free memory begins. */
extern char __heap_base;

static uintptr_t next;
static bool finished;

static uintptr_t round_up(uintptr_t value, uintptr_t alignment) { return (value + alignment - 1) & ~(alignment - 1); }

/* The first byte of free memory. */
static uintptr_t bottom(void) { return round_up((uintptr_t)&__heap_base, ALIGNMENT); }

/* Makes all bytes below `end` part of the memory; false when the host gives no more. */
static bool reach(uintptr_t end) {
    uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE;
    return end <= have || __builtin_wasm_memory_grow(0, (end - have + PAGE - 1) / PAGE) != (size_t)-1;
}

void *malloc(size_t size) {
    if (next == 0) {
        next = bottom();
    }
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    uintptr_t block = next + sizeof(header);
    uintptr_t end = round_up(block + size, ALIGNMENT);
    if (end < block || !reach(end)) {
        return NULL;
    }
    ((header *)next)->size = size;
    next = end;
    return (void *)block;
}

/* Memory goes back when the call has ended, all at once. */
void free(void *block) { (void)block; }

void *calloc(size_t count, size_t size) {
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    void *block = malloc(bytes);
    /* Memory is used again by the next call of a long-lived instance, so it is not always zero. */
    return block == NULL ? NULL : memset(block, 0, bytes);
}

void *realloc(void *block, size_t size) {
    if (block == NULL) {
        return malloc(size);
    }
    size_t old = ((header *)block)[-1].size;
    if (size <= old) {
        return block;
    }
    void *larger = malloc(size);
    return larger == NULL ? NULL : memcpy(larger, block, old);
}

void *aligned_alloc(size_t alignment, size_t size) { return alignment <= ALIGNMENT ? malloc(size) : NULL; }

int posix_memalign(void **out, size_t alignment, size_t size) {
    *out = aligned_alloc(alignment, size);
    return *out == NULL ? ENOMEM : 0;
}

void reeve_call_finished(void) { finished = true; }

/* Memory for what the host hands over. The first such block of a call comes before the call itself, so this is where the memory of
 * the last one goes. */
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *block, size_t old, size_t alignment, size_t size) {
    (void)old;
    if (finished) {
        finished = false;
        next = bottom();
    }
    if (size == 0) {
        return (void *)alignment;
    }
    void *larger = realloc(block, size);
    if (larger == NULL) {
        __builtin_trap();
    }
    return larger;
}
