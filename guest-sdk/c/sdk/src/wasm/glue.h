/* Between the SDK's types and those generated from the contract (bindings.h, made by the build). */
#ifndef REEVE_GLUE_H
#define REEVE_GLUE_H

#include "bindings.h"
#include "reeve.h"

/* A hook has returned: its memory may go when the next call begins. */
void reeve_call_finished(void);

/* Generated text to ours; never NULL, so it is some text where texts are optional. */
static inline reeve_text from_string(bindings_string_t string) {
    return (reeve_text){string.len == 0 ? "" : (const char *)string.ptr, string.len};
}

/* The same for an optional one. */
static inline reeve_text from_option(bindings_option_string_t option) {
    return option.is_some ? from_string(option.val) : REEVE_NONE;
}

/* An optional number of the generated code to ours, whatever it calls its type. */
#define FROM_OPTIONAL(option) ((reeve_optional){(option).is_some, (option).is_some ? (option).val : 0})

/* Our text to a generated one; the bytes are not copied. */
static inline bindings_string_t to_string(reeve_text text) {
    return (bindings_string_t){(uint8_t *)text.bytes, text.length};
}

/* A host error; its message says who answered. */
reeve_error reeve_from_error(reeve_types_errors_error_t error);
/* The context of a call. */
reeve_context reeve_from_context(const reeve_types_policy_context_t *context);
/* Memory of the host. */
reeve_host_memory reeve_from_memory(const reeve_node_host_memory_t *memory);
/* Samepage merging. */
reeve_ksm reeve_from_ksm(const reeve_node_ksm_ksm_state_t *ksm);
/* A list of texts. */
reeve_texts reeve_from_strings(bindings_list_string_t list);

/* A network. */
reeve_network reeve_from_network(const reeve_network_networks_network_t *network);
/* An interface of a domain. */
reeve_port reeve_from_port(const reeve_network_networks_port_t *port);

/* A storage pool. */
reeve_pool reeve_from_pool(const reeve_storage_pools_pool_t *pool);
/* A volume. */
reeve_volume reeve_from_volume(const reeve_storage_volumes_volume_t *volume);

/* A domain that the hook may look at during the call. */
static inline reeve_domain from_borrow(reeve_domain_config_borrow_domain_config_t borrow) {
    return (reeve_domain){borrow.__handle};
}

/* Writes a guard's answer where the generated code wants it; true for a verdict, false for a failure. */
bool reeve_give_answer(reeve_answer answer, reeve_types_policy_verdict_t *verdict, reeve_types_policy_failure_t *failure);
/* The same for a reply with a text; `text` may be NULL where there is none. */
bool reeve_give_reply(reeve_reply reply, bindings_string_t *text, reeve_types_policy_failure_t *failure);

#endif
