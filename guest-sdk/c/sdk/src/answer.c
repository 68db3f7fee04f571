/* Answers and the edits they carry. */
#include "reeve/answer.h"

#include <string.h>

#include "write.h"

reeve_answer reeve_allow(void) { return (reeve_answer){.kind = REEVE_ALLOW}; }

reeve_answer reeve_deny(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    reeve_text reason = reeve_write(format, arguments);
    va_end(arguments);
    return (reeve_answer){.kind = REEVE_DENY, .text = reason};
}

reeve_answer reeve_rewrite(reeve_edits edits) {
    if (edits.count == 0) {
        return reeve_allow();
    }
    return (reeve_answer){.kind = REEVE_REWRITE, .edits = edits};
}

reeve_answer reeve_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    reeve_text message = reeve_write(format, arguments);
    va_end(arguments);
    return (reeve_answer){.kind = REEVE_FAIL, .text = message};
}

reeve_answer reeve_fail_with(reeve_error error) { return (reeve_answer){.kind = REEVE_FAIL, .text = error.message}; }

reeve_reply reeve_done(void) { return (reeve_reply){.failed = false}; }

reeve_reply reeve_say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    reeve_text text = reeve_write(format, arguments);
    va_end(arguments);
    return (reeve_reply){.failed = false, .text = text};
}

reeve_reply reeve_failed(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    reeve_text text = reeve_write(format, arguments);
    va_end(arguments);
    return (reeve_reply){.failed = true, .text = text};
}

reeve_reply reeve_failed_with(reeve_error error) { return (reeve_reply){.failed = true, .text = error.message}; }

/* Appends an edit; the list doubles when it is full. */
static void push(reeve_edits *edits, reeve_edit edit) {
    if (edits->count == edits->capacity) {
        size_t capacity = edits->capacity == 0 ? 8 : edits->capacity * 2;
        reeve_edit *items = reeve_allocate(capacity, sizeof(reeve_edit));
        if (edits->count > 0) {
            memcpy(items, edits->items, edits->count * sizeof(reeve_edit));
        }
        edits->items = items;
        edits->capacity = capacity;
    }
    edits->items[edits->count] = edit;
    edits->count += 1;
}

static void push_number(reeve_edits *edits, reeve_edit_kind kind, uint64_t number) {
    push(edits, (reeve_edit){.kind = kind, .number = number});
}

static void push_text(reeve_edits *edits, reeve_edit_kind kind, reeve_text text) {
    push(edits, (reeve_edit){.kind = kind, .text = text});
}

void reeve_set_memory(reeve_edits *edits, uint64_t bytes) { push_number(edits, REEVE_SET_MEMORY, bytes); }

void reeve_set_current_memory(reeve_edits *edits, uint64_t bytes) { push_number(edits, REEVE_SET_CURRENT_MEMORY, bytes); }

void reeve_set_vcpus(reeve_edits *edits, uint32_t vcpus) { push_number(edits, REEVE_SET_VCPUS, vcpus); }

void reeve_set_cpu_shares(reeve_edits *edits, uint64_t shares) { push_number(edits, REEVE_SET_CPU_SHARES, shares); }

void reeve_set_disk_cache(reeve_edits *edits, reeve_text target, reeve_text cache) {
    push(edits, (reeve_edit){.kind = REEVE_SET_DISK_CACHE, .text = target, .value = cache});
}

void reeve_set_interface_source(reeve_edits *edits, reeve_text mac, reeve_text attribute, reeve_text value) {
    push(edits, (reeve_edit){.kind = REEVE_SET_INTERFACE_SOURCE, .text = mac, .attribute = attribute, .value = value});
}

void reeve_set_title(reeve_edits *edits, reeve_text title) { push_text(edits, REEVE_SET_TITLE, title); }

void reeve_set_cmdline(reeve_edits *edits, reeve_text cmdline) { push_text(edits, REEVE_SET_CMDLINE, cmdline); }

void reeve_set_metadata(reeve_edits *edits, reeve_text xml) { push_text(edits, REEVE_SET_METADATA, xml); }

void reeve_add_device(reeve_edits *edits, reeve_text xml) { push_text(edits, REEVE_ADD_DEVICE, xml); }

void reeve_remove_device(reeve_edits *edits, reeve_text name) { push_text(edits, REEVE_REMOVE_DEVICE, name); }

void reeve_replace(reeve_edits *edits, reeve_text xml) { push_text(edits, REEVE_REPLACE, xml); }
