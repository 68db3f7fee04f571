/* Text that is not ended by a zero byte. */
#include "reeve/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "write.h"

void *reeve_allocate(size_t count, size_t size) {
    void *memory = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
    if (memory == NULL) {
        __builtin_trap();
    }
    return memory;
}

reeve_text reeve_text_of(const char *string) { return (reeve_text){string, strlen(string)}; }

bool reeve_is_some(reeve_text text) { return text.bytes != NULL; }

bool reeve_equal(reeve_text a, reeve_text b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

bool reeve_starts_with(reeve_text text, reeve_text prefix) {
    return text.length >= prefix.length && (prefix.length == 0 || memcmp(text.bytes, prefix.bytes, prefix.length) == 0);
}

reeve_text reeve_join(reeve_texts list, reeve_text separator) {
    size_t length = list.count > 1 ? (list.count - 1) * separator.length : 0;
    for (size_t i = 0; i < list.count; i++) {
        length += list.items[i].length;
    }
    char *bytes = reeve_allocate(length, 1);
    char *end = bytes;
    for (size_t i = 0; i < list.count; i++) {
        if (i > 0 && separator.length > 0) {
            memcpy(end, separator.bytes, separator.length);
            end += separator.length;
        }
        if (list.items[i].length > 0) {
            memcpy(end, list.items[i].bytes, list.items[i].length);
            end += list.items[i].length;
        }
    }
    return (reeve_text){bytes, length};
}

reeve_text reeve_write(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0) {
        va_end(again);
        return REEVE_TEXT("(a message that cannot be written)");
    }
    char *bytes = reeve_allocate((size_t)length + 1, 1);
    vsnprintf(bytes, (size_t)length + 1, format, again);
    va_end(again);
    return (reeve_text){bytes, (size_t)length};
}

reeve_text reeve_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    reeve_text text = reeve_write(format, arguments);
    va_end(arguments);
    return text;
}
