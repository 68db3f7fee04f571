/* Between the SDK's types and those generated from the contract. */
#include "glue.h"

_Static_assert(REEVE_INTERNAL == REEVE_TYPES_ERRORS_CODE_INTERNAL, "the codes are in the contract's order");
_Static_assert(REEVE_ACTOR_DAEMON == REEVE_TYPES_POLICY_ACTOR_DAEMON, "the actors are in the contract's order");
_Static_assert(REEVE_REPLACE == REEVE_TYPES_POLICY_EDIT_REPLACE, "the edits are in the contract's order");
_Static_assert(REEVE_PM_SUSPENDED == REEVE_DOMAIN_CONFIG_STATE_PM_SUSPENDED, "the states are in the contract's order");

reeve_error reeve_from_error(reeve_types_errors_error_t error) {
    reeve_text message = from_string(error.message);
    return (reeve_error){(reeve_code)error.code, reeve_format("the host answered: " REEVE_S, REEVE_ARG(message))};
}

reeve_context reeve_from_context(const reeve_types_policy_context_t *context) {
    reeve_context ctx = {
        .call_id = from_string(context->call_id),
        .time = context->time,
        .actor = (reeve_actor_kind)context->actor.tag,
        .config = from_string(context->config),
        .attempt = context->attempt,
    };
    if (context->actor.tag == REEVE_TYPES_POLICY_ACTOR_CLIENT) {
        ctx.client = context->actor.val.client;
    } else if (context->actor.tag == REEVE_TYPES_POLICY_ACTOR_POLICY) {
        ctx.policy = from_string(context->actor.val.policy);
    }
    return ctx;
}

reeve_texts reeve_from_strings(bindings_list_string_t list) {
    reeve_texts texts = {reeve_allocate(list.len, sizeof(reeve_text)), list.len};
    for (size_t i = 0; i < list.len; i++) {
        texts.items[i] = from_string(list.ptr[i]);
    }
    return texts;
}

static reeve_types_policy_edit_t to_edit(const reeve_edit *edit) {
    reeve_types_policy_edit_t out = {.tag = (uint8_t)edit->kind};
    switch (edit->kind) {
    case REEVE_SET_MEMORY:
        out.val.set_memory = edit->number;
        break;
    case REEVE_SET_CURRENT_MEMORY:
        out.val.set_current_memory = edit->number;
        break;
    case REEVE_SET_VCPUS:
        out.val.set_vcpus = (uint32_t)edit->number;
        break;
    case REEVE_SET_CPU_SHARES:
        out.val.set_cpu_shares = edit->number;
        break;
    case REEVE_SET_DISK_CACHE:
        out.val.set_disk_cache.target = to_string(edit->text);
        out.val.set_disk_cache.cache = to_string(edit->value);
        break;
    case REEVE_SET_INTERFACE_SOURCE:
        out.val.set_interface_source.mac = to_string(edit->text);
        out.val.set_interface_source.attribute = to_string(edit->attribute);
        out.val.set_interface_source.value = to_string(edit->value);
        break;
    case REEVE_SET_TITLE:
        out.val.set_title = to_string(edit->text);
        break;
    case REEVE_SET_CMDLINE:
        out.val.set_cmdline = to_string(edit->text);
        break;
    case REEVE_SET_METADATA:
        out.val.set_metadata = to_string(edit->text);
        break;
    case REEVE_ADD_DEVICE:
        out.val.add_device = to_string(edit->text);
        break;
    case REEVE_REMOVE_DEVICE:
        out.val.remove_device = to_string(edit->text);
        break;
    case REEVE_REPLACE:
        out.val.replace = to_string(edit->text);
        break;
    }
    return out;
}

bool reeve_give_answer(reeve_answer answer, reeve_types_policy_verdict_t *verdict, reeve_types_policy_failure_t *failure) {
    reeve_call_finished();
    switch (answer.kind) {
    case REEVE_ALLOW:
        verdict->tag = REEVE_TYPES_POLICY_VERDICT_ALLOW;
        return true;
    case REEVE_DENY:
        verdict->tag = REEVE_TYPES_POLICY_VERDICT_DENY;
        verdict->val.deny = to_string(answer.text);
        return true;
    case REEVE_REWRITE:
        verdict->tag = REEVE_TYPES_POLICY_VERDICT_REWRITE;
        verdict->val.rewrite.len = answer.edits.count;
        verdict->val.rewrite.ptr = reeve_allocate(answer.edits.count, sizeof(reeve_types_policy_edit_t));
        for (size_t i = 0; i < answer.edits.count; i++) {
            verdict->val.rewrite.ptr[i] = to_edit(&answer.edits.items[i]);
        }
        return true;
    case REEVE_FAIL:
        break;
    }
    failure->message = to_string(answer.text);
    return false;
}

bool reeve_give_reply(reeve_reply reply, bindings_string_t *text, reeve_types_policy_failure_t *failure) {
    reeve_call_finished();
    if (reply.failed) {
        failure->message = to_string(reply.text);
    } else if (text != NULL) {
        *text = to_string(reply.text);
    }
    return !reply.failed;
}
