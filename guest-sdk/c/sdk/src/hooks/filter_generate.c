/* The export of the hook `filter-generate`: the tree of filters is copied to the SDK's types, and the rules from them. */
#include "../wasm/glue.h"

_Static_assert(REEVE_FILTER_CONTINUE == REEVE_FILTER_TREE_ACTION_CONTINUE, "the actions are in the contract's order");
_Static_assert(REEVE_FILTER_INOUT == REEVE_FILTER_TREE_DIRECTION_INOUT, "the directions are in the contract's order");
_Static_assert(REEVE_LAYER_CONNECTION == REEVE_FILTER_RULESET_LAYER_CONNECTION, "the layers are in the contract's order");
_Static_assert(REEVE_FLOW_OUT == REEVE_FILTER_RULESET_FLOW_OUT + 1, "the flows are in the contract's order, behind none");
_Static_assert(REEVE_FIELD_HOST_SET == REEVE_FILTER_RULESET_FIELD_HOST_SET, "the fields are in the contract's order");
_Static_assert(REEVE_OPERAND_HOST_SET == REEVE_FILTER_RULESET_OPERAND_HOST_SET, "the operands are in the contract's order");
_Static_assert(REEVE_PACKET_LOOKUP == REEVE_FILTER_RULESET_VERDICT_LOOKUP, "the verdicts are in the contract's order");
_Static_assert(
    REEVE_CONNECTION_INVALID == 1 << REEVE_FILTER_RULESET_CONNECTION_STATE_INVALID, "the states are bits in the contract's order"
);

static reeve_condition from_condition(const reeve_filter_tree_condition_t *from) {
    if (from->value.tag == REEVE_FILTER_TREE_VALUE_LITERAL) {
        return (reeve_condition){.attribute = from_string(from->attribute), .value = from_string(from->value.val.literal)};
    }
    const reeve_filter_tree_variable_t *variable = &from->value.val.variable;
    bool is_iterator = variable->access.tag == REEVE_FILTER_TREE_ACCESS_ITERATOR;
    return (reeve_condition){
        .attribute = from_string(from->attribute),
        .is_variable = true,
        .value = from_string(variable->name),
        .is_iterator = is_iterator,
        .place = is_iterator ? variable->access.val.iterator : variable->access.val.element,
    };
}

static reeve_protocol_match from_match(const reeve_filter_tree_protocol_match_t *from) {
    reeve_protocol_match match = {
        .protocol = from_string(from->protocol),
        .negated = from->negated,
        .conditions = reeve_allocate(from->conditions.len, sizeof(reeve_condition)),
        .condition_count = from->conditions.len,
    };
    for (size_t i = 0; i < match.condition_count; i++) {
        match.conditions[i] = from_condition(&from->conditions.ptr[i]);
    }
    return match;
}

static reeve_filter_entry from_entry(const reeve_filter_tree_entry_t *from) {
    if (from->tag == REEVE_FILTER_TREE_ENTRY_REFERENCE) {
        return (reeve_filter_entry){.is_reference = true, .reference = from->val.reference};
    }
    const reeve_filter_tree_rule_t *rule = &from->val.rule;
    reeve_filter_entry entry = {
        .rule = {
            .action = (reeve_filter_action)rule->action,
            .direction = (reeve_filter_direction)rule->direction,
            .priority = rule->priority,
            .statematch = rule->statematch,
            .matches = reeve_allocate(rule->matches.len, sizeof(reeve_protocol_match)),
            .match_count = rule->matches.len,
        },
    };
    for (size_t i = 0; i < entry.rule.match_count; i++) {
        entry.rule.matches[i] = from_match(&rule->matches.ptr[i]);
    }
    return entry;
}

static reeve_filter from_filter(const reeve_filter_tree_filter_t *from) {
    reeve_filter filter = {
        .name = from_string(from->name),
        .chain = from_string(from->chain),
        .priority = from->priority,
        .variables = reeve_allocate(from->variables.len, sizeof(reeve_parameter)),
        .variable_count = from->variables.len,
        .entries = reeve_allocate(from->entries.len, sizeof(reeve_filter_entry)),
        .entry_count = from->entries.len,
    };
    for (size_t i = 0; i < filter.variable_count; i++) {
        filter.variables[i].name = from_string(from->variables.ptr[i].name);
        filter.variables[i].values = reeve_from_strings(from->variables.ptr[i].values);
    }
    for (size_t i = 0; i < filter.entry_count; i++) {
        filter.entries[i] = from_entry(&from->entries.ptr[i]);
    }
    return filter;
}

static reeve_filter_ruleset_list_connection_state_t to_states(uint64_t states) {
    enum { COUNT = REEVE_FILTER_RULESET_CONNECTION_STATE_INVALID + 1 };
    reeve_filter_ruleset_list_connection_state_t list = {reeve_allocate(COUNT, sizeof(*list.ptr)), 0};
    for (uint8_t state = 0; state < COUNT; state++) {
        if ((states >> state & 1) != 0) {
            list.ptr[list.len++] = state;
        }
    }
    return list;
}

static reeve_filter_ruleset_operand_t to_operand(const reeve_operand *from) {
    reeve_filter_ruleset_operand_t to = {.tag = (uint8_t)from->kind};
    switch (from->kind) {
    case REEVE_OPERAND_NUMBER:
        to.val.number = from->number;
        break;
    case REEVE_OPERAND_RANGE:
        to.val.range.f0 = from->number;
        to.val.range.f1 = from->other;
        break;
    case REEVE_OPERAND_MASKED:
        to.val.masked.value = from->number;
        to.val.masked.mask = from->other;
        break;
    case REEVE_OPERAND_MAC:
        to.val.mac = to_string(from->text);
        break;
    case REEVE_OPERAND_MASKED_MAC:
        to.val.masked_mac.value = to_string(from->text);
        to.val.masked_mac.mask = to_string(from->other_text);
        break;
    case REEVE_OPERAND_ADDRESS:
        to.val.address = to_string(from->text);
        break;
    case REEVE_OPERAND_NETWORK:
        to.val.network.f0 = to_string(from->text);
        to.val.network.f1 = (uint8_t)from->other;
        break;
    case REEVE_OPERAND_ADDRESSES:
        to.val.addresses.f0 = to_string(from->text);
        to.val.addresses.f1 = to_string(from->other_text);
        break;
    case REEVE_OPERAND_SET:
        to.val.set = to_string(from->text);
        break;
    case REEVE_OPERAND_STATES:
        to.val.states = to_states(from->number);
        break;
    case REEVE_OPERAND_HOST_SET:
        to.val.host_set.name = to_string(from->text);
        to.val.host_set.sources.ptr = (bool *)from->sources;
        to.val.host_set.sources.len = from->source_count;
        break;
    }
    return to;
}

static reeve_filter_ruleset_verdict_t to_verdict(const reeve_packet_verdict *from) {
    reeve_filter_ruleset_verdict_t to = {.tag = (uint8_t)from->kind};
    if (from->kind == REEVE_PACKET_JUMP) {
        to.val.jump = to_string(from->name);
    } else if (from->kind == REEVE_PACKET_LOOKUP) {
        to.val.lookup.field = (reeve_filter_ruleset_field_t)from->field;
        to.val.lookup.verdict_map = to_string(from->name);
    }
    return to;
}

static reeve_filter_ruleset_rule_t to_rule(const reeve_rule *from) {
    reeve_filter_ruleset_rule_t to = {
        .matches = {reeve_allocate(from->match_count, sizeof(*to.matches.ptr)), from->match_count},
        .verdict = to_verdict(&from->verdict),
        .comment = {reeve_is_some(from->comment), to_string(from->comment)},
    };
    for (size_t i = 0; i < from->match_count; i++) {
        to.matches.ptr[i].field = (reeve_filter_ruleset_field_t)from->matches[i].field;
        to.matches.ptr[i].negated = from->matches[i].negated;
        to.matches.ptr[i].operand = to_operand(&from->matches[i].operand);
    }
    return to;
}

static reeve_filter_ruleset_chain_t to_chain(const reeve_chain *from) {
    reeve_filter_ruleset_chain_t to = {
        .name = to_string(from->name),
        .layer = (reeve_filter_ruleset_layer_t)from->layer,
        .rules = {reeve_allocate(from->rule_count, sizeof(*to.rules.ptr)), from->rule_count},
    };
    if (from->entry != REEVE_FLOW_NONE) {
        to.entry.is_some = true;
        to.entry.val = (reeve_filter_ruleset_flow_t)(from->entry - 1);
    }
    for (size_t i = 0; i < from->rule_count; i++) {
        to.rules.ptr[i] = to_rule(&from->rules[i]);
    }
    return to;
}

static reeve_filter_ruleset_set_t to_set(const reeve_set *from) {
    reeve_filter_ruleset_set_t to = {
        .name = to_string(from->name),
        .elements = {reeve_allocate(from->element_count, sizeof(*to.elements.ptr)), from->element_count},
    };
    for (size_t i = 0; i < from->element_count; i++) {
        to.elements.ptr[i] = to_operand(&from->elements[i]);
    }
    return to;
}

static reeve_filter_ruleset_verdict_map_t to_map(const reeve_map *from) {
    reeve_filter_ruleset_verdict_map_t to = {
        .name = to_string(from->name),
        .entries = {reeve_allocate(from->entry_count, sizeof(*to.entries.ptr)), from->entry_count},
    };
    for (size_t i = 0; i < from->entry_count; i++) {
        to.entries.ptr[i].f0 = to_operand(&from->entries[i].element);
        to.entries.ptr[i].f1 = to_verdict(&from->entries[i].verdict);
    }
    return to;
}

static void to_rules(const reeve_rules *from, reeve_filter_ruleset_rules_t *to) {
    to->chains.ptr = reeve_allocate(from->chain_count, sizeof(*to->chains.ptr));
    to->chains.len = from->chain_count;
    for (size_t i = 0; i < from->chain_count; i++) {
        to->chains.ptr[i] = to_chain(&from->chains[i]);
    }
    to->sets.ptr = reeve_allocate(from->set_count, sizeof(*to->sets.ptr));
    to->sets.len = from->set_count;
    for (size_t i = 0; i < from->set_count; i++) {
        to->sets.ptr[i] = to_set(&from->sets[i]);
    }
    to->maps.ptr = reeve_allocate(from->map_count, sizeof(*to->maps.ptr));
    to->maps.len = from->map_count;
    for (size_t i = 0; i < from->map_count; i++) {
        to->maps.ptr[i] = to_map(&from->maps[i]);
    }
}

bool exports_reeve_hooks_filter_generate_propose(
    exports_reeve_hooks_filter_generate_context_t *context,
    exports_reeve_hooks_filter_generate_subject_t *interface,
    exports_reeve_hooks_filter_generate_list_filter_t *filters,
    exports_reeve_hooks_filter_generate_rules_t *out,
    exports_reeve_hooks_filter_generate_failure_t *failure
) {
    reeve_context ctx = reeve_from_context(context);
    reeve_subject subject = {
        .domain = from_string(interface->domain),
        .link = from_string(interface->link),
        .mac = from_string(interface->mac),
        .addresses = reeve_from_strings(interface->addresses),
    };
    reeve_filters tree = {reeve_allocate(filters->len, sizeof(reeve_filter)), filters->len};
    for (size_t i = 0; i < tree.count; i++) {
        tree.items[i] = from_filter(&filters->ptr[i]);
    }
    reeve_rules rules = {.chain_count = 0};
    reeve_reply reply = filter_generate(&ctx, &subject, tree, &rules);
    if (!reply.failed) {
        to_rules(&rules, out);
    }
    return reeve_give_reply(reply, NULL, failure);
}
