/* `reeve:clock/timer`: waiting. Compiled for policies that answer the hook `task`; the contract gives it to no others. */
#include "glue.h"

bool reeve_pause(uint32_t milliseconds, reeve_error *error) {
    reeve_clock_timer_error_t failed;
    if (!reeve_clock_timer_pause(milliseconds, &failed)) {
        *error = reeve_from_error(failed);
        return false;
    }
    return true;
}
