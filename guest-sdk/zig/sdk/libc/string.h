/* What the generated bindings use of a C library; sdk/memory.zig and the compiler have it. */
#ifndef REEVE_STRING_H
#define REEVE_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
size_t strlen(const char *text);

#endif
