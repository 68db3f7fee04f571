/* What a policy answers. */
#ifndef REEVE_ANSWER_H
#define REEVE_ANSWER_H

#include "reeve/context.h"

/* Kinds of a guard's answer. */
typedef enum reeve_answer_kind {
    REEVE_ALLOW,
    REEVE_DENY,
    REEVE_REWRITE,
    REEVE_FAIL,
} reeve_answer_kind;

/* Kinds of edits. */
typedef enum reeve_edit_kind {
    REEVE_SET_MEMORY,
    REEVE_SET_CURRENT_MEMORY,
    REEVE_SET_VCPUS,
    REEVE_SET_CPU_SHARES,
    REEVE_SET_DISK_CACHE,
    REEVE_SET_INTERFACE_SOURCE,
    REEVE_SET_TITLE,
    REEVE_SET_CMDLINE,
    REEVE_SET_METADATA,
    REEVE_ADD_DEVICE,
    REEVE_REMOVE_DEVICE,
    REEVE_REPLACE,
} reeve_edit_kind;

/* One change to a domain document. Make them with the functions below. */
typedef struct reeve_edit {
    reeve_edit_kind kind;
    /* Of the edits with a number. */
    uint64_t number;
    /* The text; the target of a disk; the MAC address of an interface. */
    reeve_text text;
    /* Attribute of an interface's source. */
    reeve_text attribute;
    /* Cache mode of a disk; value of an interface's source. */
    reeve_text value;
} reeve_edit;

/* Edits in the order they are applied; begin with `reeve_edits edits = {0};`. */
typedef struct reeve_edits {
    reeve_edit *items;
    size_t count;
    size_t capacity;
} reeve_edits;

/* What a guard says. Make it with reeve_allow, reeve_deny, reeve_rewrite or reeve_fail. */
typedef struct reeve_answer {
    reeve_answer_kind kind;
    /* Reason of a deny, message of a failure. */
    reeve_text text;
    /* Edits of a rewrite. */
    reeve_edits edits;
} reeve_answer;

/* What every other hook says. Make it with reeve_done, reeve_say or reeve_failed. */
typedef struct reeve_reply {
    bool failed;
    /* What was asked for (a MAC address, a task's summary), or the message of a failure. */
    reeve_text text;
} reeve_reply;

/* No objection. */
reeve_answer reeve_allow(void);
/* Stop, for this reason: one sentence for the one who asked; the host keeps 1024 bytes of it. */
reeve_answer reeve_deny(const char *format, ...) REEVE_PRINTF(1, 2);
/* Go on with these changes. No change at all is an allow. */
reeve_answer reeve_rewrite(reeve_edits edits);
/* The policy could not decide: one sentence for the operator. The binding's failure mode then decides. */
reeve_answer reeve_fail(const char *format, ...) REEVE_PRINTF(1, 2);
/* The same, because of a host error or a bad configuration. */
reeve_answer reeve_fail_with(reeve_error error);

/* A notify hook has done its work. */
reeve_reply reeve_done(void);
/* The answer of a proposal or a task. */
reeve_reply reeve_say(const char *format, ...) REEVE_PRINTF(1, 2);
/* It failed: one sentence for the operator. */
reeve_reply reeve_failed(const char *format, ...) REEVE_PRINTF(1, 2);
/* The same, because of a host error or a bad configuration. */
reeve_reply reeve_failed_with(reeve_error error);

/* Maximum memory in bytes; current memory is lowered to it when above. */
void reeve_set_memory(reeve_edits *edits, uint64_t bytes);
/* Current memory in bytes, at most the maximum. */
void reeve_set_current_memory(reeve_edits *edits, uint64_t bytes);
/* Maximum vCPUs, at least 1. */
void reeve_set_vcpus(reeve_edits *edits, uint32_t vcpus);
/* CPU weight. */
void reeve_set_cpu_shares(reeve_edits *edits, uint64_t shares);
/* Cache mode of the disk `target`: none, writethrough, writeback, directsync or unsafe. */
void reeve_set_disk_cache(reeve_edits *edits, reeve_text target, reeve_text cache);
/* One attribute of the `<source>` of the interface with this MAC address. */
void reeve_set_interface_source(reeve_edits *edits, reeve_text mac, reeve_text attribute, reeve_text value);
/* Title, one line; empty removes it. */
void reeve_set_title(reeve_edits *edits, reeve_text title);
/* Kernel command line. */
void reeve_set_cmdline(reeve_edits *edits, reeve_text cmdline);
/* One application's child of `<metadata>` as XML text. */
void reeve_set_metadata(reeve_edits *edits, reeve_text xml);
/* A new device as XML text. */
void reeve_add_device(reeve_edits *edits, reeve_text xml);
/* Takes a device out, by its alias or the target of a disk or interface. */
void reeve_remove_device(reeve_edits *edits, reeve_text name);
/* The whole document as XML text; name and UUID must stay. */
void reeve_replace(reeve_edits *edits, reeve_text xml);

#endif
