/* printf into a new text, for the functions of the SDK that take a format themselves. */
#ifndef REEVE_WRITE_H
#define REEVE_WRITE_H

#include <stdarg.h>

#include "reeve/text.h"

/* What printf would write. */
reeve_text reeve_write(const char *format, va_list arguments) REEVE_PRINTF(1, 0);

#endif
