/* Text: UTF-8 bytes with a length, as they cross the boundary. */
#ifndef REEVE_TEXT_H
#define REEVE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of UTF-8 text, not ended by a zero byte. Where a text is optional, `bytes` is NULL for none. */
typedef struct reeve_text {
    const char *bytes;
    size_t length;
} reeve_text;

/* A list of texts. */
typedef struct reeve_texts {
    reeve_text *items;
    size_t count;
} reeve_texts;

/* The text of a string literal. */
#define REEVE_TEXT(literal) ((reeve_text){(literal), sizeof(literal) - 1})

/* No text, where a text is optional. */
#define REEVE_NONE ((reeve_text){NULL, 0})

/* For printf-like functions: `"the name '" REEVE_S "'", REEVE_ARG(name)`. */
#define REEVE_S "%.*s"
#define REEVE_ARG(text) ((int)(text).length), ((text).bytes)

/* Lets the compiler check the arguments of a printf-like function. */
#define REEVE_PRINTF(at, first) __attribute__((format(printf, at, first)))

/* The text of a C string; the bytes are not copied. */
reeve_text reeve_text_of(const char *string);

/* True when an optional text is there. */
bool reeve_is_some(reeve_text text);

/* True when both have the same bytes. */
bool reeve_equal(reeve_text a, reeve_text b);

/* True when `text` begins with `prefix`. */
bool reeve_starts_with(reeve_text text, reeve_text prefix);

/* All items with `separator` between them. */
reeve_text reeve_join(reeve_texts list, reeve_text separator);

/* A new text, written as printf writes. */
reeve_text reeve_format(const char *format, ...) REEVE_PRINTF(1, 2);

/* Memory for `count` items of `size` bytes, zeroed. It never returns NULL: a policy out of memory stops, and the binding's failure
 * mode decides. */
void *reeve_allocate(size_t count, size_t size);

#endif
