/* Lines for the daemon's log, marked with the policy's name. Needs no grant; bytes a call are limited (16 KiB by default), and a
 * policy that writes more is stopped. */
#ifndef REEVE_LOG_H
#define REEVE_LOG_H

#include "reeve/text.h"

/* Every detail. */
void reeve_log_debug(const char *format, ...) REEVE_PRINTF(1, 2);
/* The normal course of things. */
void reeve_log_info(const char *format, ...) REEVE_PRINTF(1, 2);
/* Something an operator should look at. */
void reeve_log_warn(const char *format, ...) REEVE_PRINTF(1, 2);
/* Something failed. */
void reeve_log_error(const char *format, ...) REEVE_PRINTF(1, 2);

#endif
