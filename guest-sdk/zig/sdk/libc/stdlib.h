/* What the generated bindings use of a C library; sdk/memory.zig has it. */
#ifndef REEVE_STDLIB_H
#define REEVE_STDLIB_H

#include <stddef.h>

void *malloc(size_t size);
void *realloc(void *block, size_t size);
void free(void *block);
_Noreturn void abort(void);

#endif
