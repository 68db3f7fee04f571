/* `reeve:log/log`: lines for the daemon's log. */
#include <stdarg.h>

#include "../write.h"
#include "glue.h"

static void write_line(reeve_log_log_level_t level, const char *format, va_list arguments) {
    bindings_string_t message = to_string(reeve_write(format, arguments));
    reeve_log_log_write(level, &message);
}

void reeve_log_debug(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(REEVE_LOG_LOG_LEVEL_DEBUG, format, arguments);
    va_end(arguments);
}

void reeve_log_info(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(REEVE_LOG_LOG_LEVEL_INFO, format, arguments);
    va_end(arguments);
}

void reeve_log_warn(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(REEVE_LOG_LOG_LEVEL_WARN, format, arguments);
    va_end(arguments);
}

void reeve_log_error(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(REEVE_LOG_LOG_LEVEL_ERROR, format, arguments);
    va_end(arguments);
}
