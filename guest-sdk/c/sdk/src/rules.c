/* Rules of an interface, part by part. */
#include "reeve/rules.h"

#include <string.h>

reeve_operand reeve_number(uint64_t number) { return (reeve_operand){.kind = REEVE_OPERAND_NUMBER, .number = number}; }

reeve_operand reeve_range(uint64_t from, uint64_t to) {
    return (reeve_operand){.kind = REEVE_OPERAND_RANGE, .number = from, .other = to};
}

reeve_operand reeve_masked(uint64_t value, uint64_t mask) {
    return (reeve_operand){.kind = REEVE_OPERAND_MASKED, .number = value, .other = mask};
}

reeve_operand reeve_mac(reeve_text mac) { return (reeve_operand){.kind = REEVE_OPERAND_MAC, .text = mac}; }

reeve_operand reeve_masked_mac(reeve_text value, reeve_text mask) {
    return (reeve_operand){.kind = REEVE_OPERAND_MASKED_MAC, .text = value, .other_text = mask};
}

reeve_operand reeve_address(reeve_text address) { return (reeve_operand){.kind = REEVE_OPERAND_ADDRESS, .text = address}; }

reeve_operand reeve_network_of(reeve_text address, uint8_t prefix) {
    return (reeve_operand){.kind = REEVE_OPERAND_NETWORK, .text = address, .other = prefix};
}

reeve_operand reeve_addresses(reeve_text from, reeve_text to) {
    return (reeve_operand){.kind = REEVE_OPERAND_ADDRESSES, .text = from, .other_text = to};
}

reeve_operand reeve_in_set(reeve_text name) { return (reeve_operand){.kind = REEVE_OPERAND_SET, .text = name}; }

reeve_operand reeve_states(unsigned states) { return (reeve_operand){.kind = REEVE_OPERAND_STATES, .number = states}; }

reeve_operand reeve_host_set(reeve_text name, const bool *sources, size_t count) {
    reeve_operand operand = {.kind = REEVE_OPERAND_HOST_SET, .text = name};
    while (operand.source_count < count && operand.source_count < REEVE_SOURCES_MAX) {
        operand.sources[operand.source_count] = sources[operand.source_count];
        operand.source_count++;
    }
    return operand;
}

/* The list with room for one more item; it doubles when it is full. */
static void *with_room(void *items, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity == 0 ? 8 : *capacity * 2;
    void *larger = reeve_allocate(*capacity, size);
    if (count > 0) {
        memcpy(larger, items, count * size);
    }
    return larger;
}

#define APPEND(list, items, item, value)                                                                               \
    do {                                                                                                               \
        (list)->items = with_room((list)->items, (list)->item##_count, &(list)->item##_capacity, sizeof(value));       \
        (list)->items[(list)->item##_count++] = (value);                                                               \
    } while (false)

void reeve_add_match(reeve_rule *rule, reeve_match match) { APPEND(rule, matches, match, match); }

void reeve_add_rule(reeve_chain *chain, reeve_rule rule) { APPEND(chain, rules, rule, rule); }

void reeve_add_chain(reeve_rules *rules, reeve_chain chain) { APPEND(rules, chains, chain, chain); }

void reeve_add_element(reeve_set *set, reeve_operand element) { APPEND(set, elements, element, element); }

void reeve_add_set(reeve_rules *rules, reeve_set set) { APPEND(rules, sets, set, set); }

void reeve_add_entry(reeve_map *map, reeve_map_entry entry) { APPEND(map, entries, entry, entry); }

void reeve_add_map(reeve_rules *rules, reeve_map map) { APPEND(rules, maps, map, map); }
