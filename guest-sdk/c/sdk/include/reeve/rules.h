/* The rules of one interface, as `filter-generate` gives them. A packet is looked at twice: by layer `link` frame by frame, then by layer
 * `connection` with the state of its connection. It passes when both let it. Layer and flow without an entry chain let everything pass.
 *
 *     // Guests send nothing but ARP and IPv4.
 *     reeve_chain out_chain = {.name = REEVE_TEXT("out"), .layer = REEVE_LAYER_LINK, .entry = REEVE_FLOW_OUT};
 *     static const uint16_t let[] = {0x0806, 0x0800};
 *     for (size_t i = 0; i < 2; i++) {
 *         reeve_rule rule = {.verdict = {REEVE_PACKET_ACCEPT}};
 *         reeve_add_match(&rule, (reeve_match){REEVE_FIELD_ETHER_TYPE, false, reeve_number(let[i])});
 *         reeve_add_rule(&out_chain, rule);
 *     }
 *     reeve_add_rule(&out_chain, (reeve_rule){.verdict = {REEVE_PACKET_DROP}});
 *     reeve_add_chain(out, out_chain);
 */
#ifndef REEVE_RULES_H
#define REEVE_RULES_H

#include "reeve/text.h"

/* When packets are looked at. */
typedef enum reeve_layer {
    /* Frame by frame, first. */
    REEVE_LAYER_LINK,
    /* After it, with the state of the packet's connection. */
    REEVE_LAYER_CONNECTION,
} reeve_layer;

/* Which packets begin in a chain, seen from the guest. */
typedef enum reeve_flow {
    /* None: it is reached by jumps alone. */
    REEVE_FLOW_NONE,
    /* Those to the guest. */
    REEVE_FLOW_IN,
    /* Those from the guest. */
    REEVE_FLOW_OUT,
} reeve_flow;

/* A field of a packet; the contract's reference says what each is compared with. */
typedef enum reeve_field {
    REEVE_FIELD_ETHER_SOURCE,
    REEVE_FIELD_ETHER_DESTINATION,
    REEVE_FIELD_ETHER_TYPE,
    REEVE_FIELD_VLAN_ID,
    REEVE_FIELD_VLAN_TYPE,
    REEVE_FIELD_ARP_HARDWARE_TYPE,
    REEVE_FIELD_ARP_PROTOCOL_TYPE,
    REEVE_FIELD_ARP_OPERATION,
    REEVE_FIELD_ARP_SOURCE_MAC,
    REEVE_FIELD_ARP_TARGET_MAC,
    REEVE_FIELD_ARP_SOURCE_IP,
    REEVE_FIELD_ARP_TARGET_IP,
    REEVE_FIELD_ARP_GRATUITOUS,
    REEVE_FIELD_IP_SOURCE,
    REEVE_FIELD_IP_DESTINATION,
    REEVE_FIELD_IP_PROTOCOL,
    REEVE_FIELD_IP_DSCP,
    REEVE_FIELD_IP6_SOURCE,
    REEVE_FIELD_IP6_DESTINATION,
    REEVE_FIELD_IP6_PROTOCOL,
    REEVE_FIELD_IP6_DSCP,
    REEVE_FIELD_SOURCE_PORT,
    REEVE_FIELD_DESTINATION_PORT,
    REEVE_FIELD_TCP_FLAGS,
    REEVE_FIELD_ICMP_TYPE,
    REEVE_FIELD_ICMP_CODE,
    REEVE_FIELD_ICMP6_TYPE,
    REEVE_FIELD_ICMP6_CODE,
    REEVE_FIELD_STP_TYPE,
    REEVE_FIELD_STP_FLAGS,
    REEVE_FIELD_STP_ROOT_PRIORITY,
    REEVE_FIELD_STP_ROOT_ADDRESS,
    REEVE_FIELD_STP_ROOT_COST,
    REEVE_FIELD_STP_SENDER_PRIORITY,
    REEVE_FIELD_STP_SENDER_ADDRESS,
    REEVE_FIELD_STP_PORT,
    REEVE_FIELD_STP_MESSAGE_AGE,
    REEVE_FIELD_STP_MAX_AGE,
    REEVE_FIELD_STP_HELLO_TIME,
    REEVE_FIELD_STP_FORWARD_DELAY,
    REEVE_FIELD_STATE,
    REEVE_FIELD_CONNECTIONS_ABOVE,
    REEVE_FIELD_HOST_SET,
} reeve_field;

/* States of a packet's connection, to be combined with `|`. */
typedef enum reeve_connection_states {
    REEVE_CONNECTION_NEW = 1,
    REEVE_CONNECTION_ESTABLISHED = 2,
    REEVE_CONNECTION_RELATED = 4,
    REEVE_CONNECTION_INVALID = 8,
} reeve_connection_states;

/* Kinds of operands. */
typedef enum reeve_operand_kind {
    REEVE_OPERAND_NUMBER,
    REEVE_OPERAND_RANGE,
    REEVE_OPERAND_MASKED,
    REEVE_OPERAND_MAC,
    REEVE_OPERAND_MASKED_MAC,
    REEVE_OPERAND_ADDRESS,
    REEVE_OPERAND_NETWORK,
    REEVE_OPERAND_ADDRESSES,
    REEVE_OPERAND_SET,
    REEVE_OPERAND_STATES,
    REEVE_OPERAND_HOST_SET,
} reeve_operand_kind;

/* Fields of a packet that are looked up in a set of the host, at most. */
#define REEVE_SOURCES_MAX 6

/* What a field is compared with. Make it with the functions below. */
typedef struct reeve_operand {
    reeve_operand_kind kind;
    /* The number, the first one, the bits under the mask, or the states. */
    uint64_t number;
    /* The last number, the mask, or the length of a prefix. */
    uint64_t other;
    /* The hardware address, the address, the first one, or the name of the set. */
    reeve_text text;
    /* The mask of a hardware address, or the last address. */
    reeve_text other_text;
    /* Of a set of the host: for each of its fields, whether the source is looked up. */
    bool sources[REEVE_SOURCES_MAX];
    size_t source_count;
} reeve_operand;

/* One number. */
reeve_operand reeve_number(uint64_t number);
/* From and to, both included. */
reeve_operand reeve_range(uint64_t from, uint64_t to);
/* Bits of a number: `field & mask == value`. */
reeve_operand reeve_masked(uint64_t value, uint64_t mask);
/* One hardware address, lower case with colons. */
reeve_operand reeve_mac(reeve_text mac);
/* Bits of a hardware address. */
reeve_operand reeve_masked_mac(reeve_text value, reeve_text mask);
/* One IPv4 or IPv6 address. */
reeve_operand reeve_address(reeve_text address);
/* All addresses of a network. */
reeve_operand reeve_network_of(reeve_text address, uint8_t prefix);
/* From and to, both included. */
reeve_operand reeve_addresses(reeve_text from, reeve_text to);
/* Any element of a set of these rules, by name. */
reeve_operand reeve_in_set(reeve_text name);
/* Any of these states of a connection, e.g. `REEVE_CONNECTION_NEW | REEVE_CONNECTION_RELATED`. */
reeve_operand reeve_states(unsigned states);
/* A set that the host's administrator made; of `sources` at most REEVE_SOURCES_MAX are taken. */
reeve_operand reeve_host_set(reeve_text name, const bool *sources, size_t count);

/* One condition. */
typedef struct reeve_match {
    reeve_field field;
    /* The condition holds where the field does not match. */
    bool negated;
    reeve_operand operand;
} reeve_match;

/* Kinds of what follows when a rule matches. */
typedef enum reeve_packet_kind {
    /* The layer lets the packet pass. */
    REEVE_PACKET_ACCEPT,
    /* It is thrown away. */
    REEVE_PACKET_DROP,
    /* It is thrown away and the sender told where the kernel can do that. */
    REEVE_PACKET_REJECT,
    /* Back to the calling chain; from an entry chain the layer lets the packet pass. */
    REEVE_PACKET_RETURN,
    /* On to the next rule. */
    REEVE_PACKET_CONTINUE,
    /* On to the chain `name` of the same layer, and back after its end. */
    REEVE_PACKET_JUMP,
    /* What the map `name` says of `field`; the next rule where it says nothing. */
    REEVE_PACKET_LOOKUP,
} reeve_packet_kind;

/* What follows when a rule matches. */
typedef struct reeve_packet_verdict {
    reeve_packet_kind kind;
    reeve_text name;
    reeve_field field;
} reeve_packet_verdict;

/* Conditions, all of which must hold (none matches every packet), and what follows. */
typedef struct reeve_rule {
    reeve_packet_verdict verdict;
    /* For people; optional. At most 128 characters are kept. */
    reeve_text comment;
    reeve_match *matches;
    size_t match_count;
    size_t match_capacity;
} reeve_rule;

/* A list of rules. A packet that leaves the end returns to the caller; from an entry chain it passes. */
typedef struct reeve_chain {
    /* Unique in the rules: 1 to 64 letters, digits, `-` and `_`. */
    reeve_text name;
    reeve_layer layer;
    /* One chain a layer and flow at most. */
    reeve_flow entry;
    reeve_rule *rules;
    size_t rule_count;
    size_t rule_capacity;
} reeve_chain;

/* Elements of one type: numbers, hardware addresses, or addresses and networks of one family. */
typedef struct reeve_set {
    /* Unique in the rules, named as chains are. */
    reeve_text name;
    reeve_operand *elements;
    size_t element_count;
    size_t element_capacity;
} reeve_set;

/* An element, and what becomes of a packet that has it; not a look-up. */
typedef struct reeve_map_entry {
    reeve_operand element;
    reeve_packet_verdict verdict;
} reeve_map_entry;

/* Verdicts by element. */
typedef struct reeve_map {
    /* Unique in the rules, named as chains are. */
    reeve_text name;
    reeve_map_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
} reeve_map;

/* All rules of one interface. */
typedef struct reeve_rules {
    reeve_chain *chains;
    size_t chain_count;
    size_t chain_capacity;
    /* Sets that matches name. */
    reeve_set *sets;
    size_t set_count;
    size_t set_capacity;
    /* Maps that rules name. */
    reeve_map *maps;
    size_t map_count;
    size_t map_capacity;
} reeve_rules;

/* Appends a condition; a rule that is complete is then appended to its chain, and that to the rules. */
void reeve_add_match(reeve_rule *rule, reeve_match match);
/* Appends a rule. */
void reeve_add_rule(reeve_chain *chain, reeve_rule rule);
/* Appends a chain. */
void reeve_add_chain(reeve_rules *rules, reeve_chain chain);
/* Appends an element of a set. */
void reeve_add_element(reeve_set *set, reeve_operand element);
/* Appends a set. */
void reeve_add_set(reeve_rules *rules, reeve_set set);
/* Appends an element of a map. */
void reeve_add_entry(reeve_map *map, reeve_map_entry entry);
/* Appends a map. */
void reeve_add_map(reeve_rules *rules, reeve_map map);

#endif
