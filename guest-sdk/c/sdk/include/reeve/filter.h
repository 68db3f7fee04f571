/* A packet filter with everything it refers to, as `filter-generate` gets it. The documents are checked: attributes belong to their
 * protocol, and every value fits its attribute. */
#ifndef REEVE_FILTER_H
#define REEVE_FILTER_H

#include "reeve/text.h"

/* What becomes of a packet that a rule matches. */
typedef enum reeve_filter_action {
    REEVE_FILTER_DROP,
    REEVE_FILTER_REJECT,
    REEVE_FILTER_ACCEPT,
    /* Back to the calling filter. */
    REEVE_FILTER_RETURN,
    /* On to the next rule. */
    REEVE_FILTER_CONTINUE,
} reeve_filter_action;

/* Which way a packet goes, seen from the guest. */
typedef enum reeve_filter_direction {
    REEVE_FILTER_IN,
    REEVE_FILTER_OUT,
    REEVE_FILTER_INOUT,
} reeve_filter_direction;

/* One attribute of a protocol node. */
typedef struct reeve_condition {
    /* Its name, as the document writes it, e.g. `srcipaddr`. */
    reeve_text attribute;
    /* True when its value is that of a variable of the filter that the rule stands in. */
    bool is_variable;
    /* The value as it is written, or the name of the variable. */
    reeve_text value;
    /* Of a variable: true for all its values, a rule each. Variables with the same iterator go in step, others are combined, the first
     * slowest. */
    bool is_iterator;
    /* Of a variable: the number of the iterator, or the place of the one value that is meant, from 0. */
    uint32_t place;
} reeve_condition;

/* A protocol node. */
typedef struct reeve_protocol_match {
    /* `mac`, `vlan`, `stp`, `arp`, `rarp`, `ip`, `ipv6`, `tcp`, `udp-ipv6`… */
    reeve_text protocol;
    /* Every attribute must differ. */
    bool negated;
    /* Attributes in document order, `comment` among them. */
    reeve_condition *conditions;
    size_t condition_count;
} reeve_protocol_match;

/* A rule of a filter. */
typedef struct reeve_filter_rule {
    reeve_filter_action action;
    reeve_filter_direction direction;
    /* -1000 to 1000, lower first; equal ones keep the order they have. */
    int32_t priority;
    /* False turns the state match off. */
    bool statematch;
    /* Protocol nodes, all of one protocol, all of which must match; none matches every packet. */
    reeve_protocol_match *matches;
    size_t match_count;
} reeve_filter_rule;

/* What stands in a filter. */
typedef struct reeve_filter_entry {
    /* True for another filter, false for a rule. */
    bool is_reference;
    /* Of another filter: its position in the tree; always a later one. */
    uint32_t reference;
    reeve_filter_rule rule;
} reeve_filter_entry;

/* All values of one variable. */
typedef struct reeve_parameter {
    /* Name, without `$`. */
    reeve_text name;
    reeve_texts values;
} reeve_parameter;

/* One filter. */
typedef struct reeve_filter {
    reeve_text name;
    /* `root`, the chain of a protocol (`stp`, `mac`, `vlan`, `ipv4`, `ipv6`, `arp`, `rarp`), or one with a suffix, e.g. `arp-xyz`. */
    reeve_text chain;
    /* Priority of the chain, lower first. */
    int32_t priority;
    reeve_parameter *variables;
    size_t variable_count;
    /* References and rules in document order. */
    reeve_filter_entry *entries;
    size_t entry_count;
} reeve_filter;

/* The filter that an interface names, which is the first, and all it refers to. */
typedef struct reeve_filters {
    reeve_filter *items;
    size_t count;
} reeve_filters;

/* The interface that rules are for. */
typedef struct reeve_subject {
    /* Name of the domain. */
    reeve_text domain;
    /* Name of the tap on the host. Rules are about this interface alone; they need not match it. */
    reeve_text link;
    /* MAC address, lower case with colons. */
    reeve_text mac;
    /* Addresses of the guest that are known, from the document or learned. */
    reeve_texts addresses;
} reeve_subject;

#endif
