/* The policy `echo` (tests/policies/echo) in C. */
#include "reeve.h"

#include <inttypes.h>

static reeve_text optional(reeve_text text) { return reeve_is_some(text) ? text : REEVE_TEXT("-"); }

static reeve_text joined(reeve_texts texts) { return reeve_join(texts, REEVE_TEXT(",")); }

reeve_answer network_start(const reeve_context *ctx, const reeve_network *network, reeve_text xml) {
    (void)ctx;
    reeve_text bridge = optional(network->bridge), addresses = joined(network->addresses);
    return reeve_deny(
        REEVE_S " " REEVE_S " %d %d%d%d " REEVE_S " " REEVE_S " %u " REEVE_S, REEVE_ARG(network->uuid), REEVE_ARG(network->name),
        (int)network->mode, network->active, network->persistent, network->autostart, REEVE_ARG(bridge), REEVE_ARG(addresses),
        (unsigned)network->connections, REEVE_ARG(xml)
    );
}

reeve_answer network_stop(const reeve_context *ctx, const reeve_network *network) {
    (void)ctx;
    if (network->connections == 0) {
        return reeve_allow();
    }
    return reeve_deny("'" REEVE_S "' has %u guests", REEVE_ARG(network->name), (unsigned)network->connections);
}

reeve_answer port_plug(const reeve_context *ctx, reeve_domain domain, const reeve_port *port) {
    (void)ctx;
    reeve_text name = reeve_domain_name(domain), addresses = joined(port->addresses);
    reeve_text network = optional(port->network), filter = optional(port->filter);
    return reeve_deny(
        REEVE_S " " REEVE_S " " REEVE_S " " REEVE_S " " REEVE_S " " REEVE_S " " REEVE_S, REEVE_ARG(name), REEVE_ARG(port->domain),
        REEVE_ARG(port->mac), REEVE_ARG(port->link), REEVE_ARG(network), REEVE_ARG(filter), REEVE_ARG(addresses)
    );
}

static reeve_text number(reeve_optional it) { return it.is_some ? reeve_format("%" PRIu64, it.value) : REEVE_TEXT("-"); }

static reeve_text volume_text(const reeve_volume *it) {
    reeve_text backing = optional(it->backing), created = number(it->created);
    return reeve_format(
        REEVE_S "," REEVE_S "," REEVE_S "," REEVE_S "," REEVE_S ",%" PRIu64 ",%" PRIu64 "," REEVE_S "," REEVE_S ",%d",
        REEVE_ARG(it->pool), REEVE_ARG(it->name), REEVE_ARG(it->key), REEVE_ARG(it->path), REEVE_ARG(it->format), it->capacity,
        it->allocation, REEVE_ARG(backing), REEVE_ARG(created), it->complete
    );
}

reeve_answer volume_create(
    const reeve_context *ctx, const reeve_pool *pool, const reeve_volume_plan *plan, reeve_volume_changes *changes
) {
    (void)ctx;
    if (reeve_equal(plan->name, REEVE_TEXT("fine"))) {
        return reeve_allow();
    }
    if (reeve_equal(plan->name, REEVE_TEXT("renamed"))) {
        changes->name = REEVE_TEXT("x");
        changes->allocation = (reeve_optional){true, 4096};
        return reeve_allow();
    }
    reeve_text path = optional(pool->path), available = number((reeve_optional){pool->has_space, pool->available});
    reeve_text capacity = number(plan->capacity), allocation = number(plan->allocation);
    reeve_text format = optional(plan->format), backing = optional(plan->backing);
    reeve_text source = plan->has_source ? volume_text(&plan->source) : REEVE_TEXT("-");
    return reeve_deny(
        REEVE_S " " REEVE_S " " REEVE_S " " REEVE_S " %u " REEVE_S " " REEVE_S " " REEVE_S " " REEVE_S " " REEVE_S " " REEVE_S,
        REEVE_ARG(pool->name), REEVE_ARG(pool->kind), REEVE_ARG(path), REEVE_ARG(available), (unsigned)pool->volumes,
        REEVE_ARG(plan->name), REEVE_ARG(capacity), REEVE_ARG(allocation), REEVE_ARG(format), REEVE_ARG(backing),
        REEVE_ARG(source)
    );
}

reeve_answer volume_resize(const reeve_context *ctx, const reeve_pool *pool, const reeve_volume *volume, uint64_t capacity) {
    (void)ctx;
    reeve_text of = volume_text(volume);
    return reeve_deny(REEVE_S " " REEVE_S " %" PRIu64, REEVE_ARG(pool->name), REEVE_ARG(of), capacity);
}

static reeve_text disk_text(const reeve_migrated_disk *it) {
    reeve_text path = optional(it->path), pool = optional(it->pool), volume = optional(it->volume), format = optional(it->format);
    reeve_text capacity = number(it->capacity), allocation = number(it->allocation), kind = optional(it->file_system);
    reeve_text backing = optional(it->backing);
    reeve_text place = reeve_format(
        REEVE_S "," REEVE_S "," REEVE_S "," REEVE_S "," REEVE_S "," REEVE_S, REEVE_ARG(it->target), REEVE_ARG(it->device),
        REEVE_ARG(it->source), REEVE_ARG(path), REEVE_ARG(pool), REEVE_ARG(volume)
    );
    return reeve_format(
        REEVE_S "," REEVE_S "," REEVE_S "," REEVE_S "," REEVE_S ",%d%d%d,%d,%d," REEVE_S, REEVE_ARG(place), REEVE_ARG(format),
        REEVE_ARG(capacity), REEVE_ARG(allocation), REEVE_ARG(kind), it->readonly, it->shareable, it->coherent, (int)it->cache,
        (int)it->way, REEVE_ARG(backing)
    );
}

/* The disks of the guest, where it has some. */
static reeve_text brought(void) {
    reeve_migrated_disks disks = reeve_migration_disks();
    reeve_text said = REEVE_TEXT("");
    for (size_t i = 0; i < disks.count; i++) {
        reeve_text disk = disk_text(&disks.items[i]);
        said = reeve_format(REEVE_S " " REEVE_S, REEVE_ARG(said), REEVE_ARG(disk));
    }
    return said;
}

static reeve_text way(reeve_domain domain, const reeve_journey *it) {
    reeve_text name = reeve_domain_name(domain), disks = brought();
    return reeve_format(
        REEVE_S " " REEVE_S " " REEVE_S "/" REEVE_S " " REEVE_S "/" REEVE_S " %d%d%d " REEVE_S REEVE_S, REEVE_ARG(name), REEVE_ARG(it->id),
        REEVE_ARG(it->source.name), REEVE_ARG(it->source.version), REEVE_ARG(it->destination.name),
        REEVE_ARG(it->destination.version), it->same_machine, it->unchecked, it->persistent, REEVE_ARG(it->transport), REEVE_ARG(disks)
    );
}

static bool is(reeve_text id, const char *word) { return reeve_equal(id, reeve_text_of(word)); }

reeve_answer migrate_out(const reeve_context *ctx, reeve_domain domain, const reeve_journey *journey) {
    (void)ctx;
    if (is(journey->id, "fine")) {
        return reeve_allow();
    }
    if (is(journey->id, "titled")) {
        reeve_edits edits = {0};
        reeve_set_title(&edits, journey->destination.name);
        return reeve_rewrite(edits);
    }
    reeve_text text = way(domain, journey);
    return reeve_deny(REEVE_S, REEVE_ARG(text));
}

reeve_answer migrate_in(const reeve_context *ctx, reeve_domain domain, const reeve_journey *journey) {
    (void)ctx;
    reeve_text text = way(domain, journey);
    return reeve_deny(REEVE_S, REEVE_ARG(text));
}

reeve_answer migration_precheck(const reeve_context *ctx, reeve_domain domain, const reeve_journey *journey) {
    return is(journey->id, "fine") ? reeve_allow() : migrate_in(ctx, domain, journey);
}

static reeve_text offer(const reeve_capabilities *it) {
    return reeve_format("%d%d %u", it->compression, it->post_copy, (unsigned)it->streams);
}

static reeve_text allowed(const reeve_migration_limits *it) {
    reeve_text bandwidth = number(it->bandwidth);
    return reeve_format(
        "%" PRIu64 " " REEVE_S " %u %u", it->max_downtime_us, REEVE_ARG(bandwidth), (unsigned)it->max_throttle,
        (unsigned)it->max_rounds
    );
}

reeve_reply migration_plan(
    const reeve_context *ctx, const reeve_capabilities *offered, const reeve_migration_limits *limits, const reeve_journey *journey,
    reeve_migration_plan *plan
) {
    (void)ctx;
    if (!is(journey->id, "fine")) {
        reeve_text of = offer(offered), at = allowed(limits), disks = brought();
        return reeve_failed(
            REEVE_S " " REEVE_S " " REEVE_S REEVE_S, REEVE_ARG(of), REEVE_ARG(at), REEVE_ARG(journey->id), REEVE_ARG(disks)
        );
    }
    *plan = (reeve_migration_plan){limits->max_downtime_us / 2, offered->compression, offered->streams};
    return reeve_done();
}

static reeve_text round_text(const reeve_round *it) {
    return reeve_format(
        "%u,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%u,%d,%u",
        (unsigned)it->number, it->elapsed_us, it->duration_us, it->pages, it->zero_pages, it->sent, it->dirty_pages,
        it->bandwidth, it->expected_downtime_us, it->max_downtime_us, (unsigned)it->throttle, it->compressed,
        (unsigned)it->streams
    );
}

static reeve_step told(const reeve_progress *now) {
    reeve_texts rounds = {reeve_allocate(now->round_count, sizeof(reeve_text)), now->round_count};
    for (size_t i = 0; i < rounds.count; i++) {
        rounds.items[i] = round_text(&now->rounds[i]);
    }
    reeve_text of = offer(&now->capabilities), at = allowed(&now->limits), all = reeve_join(rounds, REEVE_TEXT(";"));
    reeve_text disks = brought();
    return reeve_step_abort(
        reeve_format(REEVE_S " " REEVE_S " " REEVE_S REEVE_S, REEVE_ARG(of), REEVE_ARG(at), REEVE_ARG(all), REEVE_ARG(disks))
    );
}

reeve_reply migration_step(const reeve_context *ctx, const reeve_progress *now, reeve_step *step) {
    (void)ctx;
    if (now->round_count == 0) {
        return reeve_done();
    }
    const reeve_round *last = &now->rounds[now->round_count - 1];
    switch (last->number) {
    case 1:
        *step = reeve_step_continue();
        break;
    case 2:
        *step = reeve_step_throttle(last->throttle + 5);
        break;
    case 3:
        *step = reeve_step_set_max_downtime(last->expected_downtime_us);
        break;
    case 4:
        *step = reeve_step_compress();
        break;
    case 5:
        *step = reeve_step_add_streams(last->streams);
        break;
    case 6:
        *step = reeve_step_switch_to_post_copy();
        break;
    case 7:
        *step = reeve_step_stop_and_copy();
        break;
    default:
        *step = told(now);
    }
    return reeve_done();
}

/* What the host says of a pool, and of the volumes that are made there. */
static reeve_reply stored(reeve_text pool) {
    reeve_error error;
    reeve_pools all;
    reeve_pool of;
    reeve_volumes there;
    reeve_volume one, made, copied, resized;
    reeve_new_volume wanted = {.name = REEVE_TEXT("b"), .capacity = 5, .allocation = {true, 7}};
    reeve_text data, b = REEVE_TEXT("b"), c = REEVE_TEXT("c");
    if (!reeve_pools_list(&all, &error) || !reeve_pools_get(pool, &of, &error) || !reeve_volumes_list(pool, &there, &error)
        || !reeve_volumes_get(pool, REEVE_TEXT("a"), &one, &error) || !reeve_volumes_create(pool, &wanted, &made, &error)
        || !reeve_volumes_copy(pool, b, c, &copied, &error) || !reeve_volumes_resize(pool, c, 9, true, &resized, &error)
        || !reeve_volumes_read(pool, c, 1, 3, &data, &error) || !reeve_volumes_write(pool, c, 2, data, &error)
        || !reeve_volumes_delete(pool, b, &error)) {
        return reeve_failed_with(error);
    }
    reeve_texts names = {reeve_allocate(all.count, sizeof(reeve_text)), all.count};
    for (size_t i = 0; i < all.count; i++) {
        names.items[i] = all.items[i].name;
    }
    reeve_texts list = {reeve_allocate(there.count, sizeof(reeve_text)), there.count};
    for (size_t i = 0; i < there.count; i++) {
        list.items[i] = volume_text(&there.items[i]);
    }
    reeve_text first = joined(names), second = reeve_join(list, REEVE_TEXT(";"));
    reeve_text third = volume_text(&one), fourth = volume_text(&made);
    return reeve_failed(
        REEVE_S " " REEVE_S " " REEVE_S " " REEVE_S " " REEVE_S " " REEVE_S " %" PRIu64 " %u", REEVE_ARG(first),
        REEVE_ARG(of.kind), REEVE_ARG(second), REEVE_ARG(third), REEVE_ARG(fourth), REEVE_ARG(copied.name), resized.capacity,
        (unsigned)data.length
    );
}

reeve_reply storage_events(const reeve_context *ctx, const reeve_storage_event *event) {
    (void)ctx;
    if (reeve_equal(event->name, REEVE_TEXT("asked"))) {
        return stored(event->detail);
    }
    return reeve_failed(
        REEVE_S " " REEVE_S " %d " REEVE_S, REEVE_ARG(event->uuid), REEVE_ARG(event->name), (int)event->change,
        REEVE_ARG(event->detail)
    );
}

reeve_reply clone_name(const reeve_context *ctx, const reeve_clone_request *clone) {
    (void)ctx;
    reeve_text pool = optional(clone->pool), taken = joined(clone->taken);
    return reeve_say(
        "%d " REEVE_S " " REEVE_S " " REEVE_S, (int)clone->kind, REEVE_ARG(clone->source), REEVE_ARG(pool), REEVE_ARG(taken)
    );
}

static reeve_text lease_text(const reeve_lease *lease) {
    reeve_text mac = optional(lease->mac), hostname = optional(lease->hostname);
    reeve_text expires = lease->has_expires ? reeve_format("%" PRIu64, lease->expires) : REEVE_TEXT("-");
    return reeve_format(
        REEVE_S "/" REEVE_S "/" REEVE_S "/" REEVE_S, REEVE_ARG(mac), REEVE_ARG(lease->ip), REEVE_ARG(hostname), REEVE_ARG(expires)
    );
}

/* What the host says of a network. */
static reeve_reply asked(reeve_text name) {
    reeve_error error;
    reeve_networks all;
    reeve_network of;
    reeve_ports ports;
    reeve_leases leases;
    reeve_counters counted;
    if (!reeve_networks_list(&all, &error) || !reeve_networks_get(name, &of, &error) || !reeve_networks_ports(name, &ports, &error)
        || !reeve_networks_leases(name, &leases, &error)
        || !reeve_networks_port_counters(name, REEVE_TEXT("vnet0"), &counted, &error)) {
        return reeve_failed_with(error);
    }
    reeve_texts names = {reeve_allocate(all.count, sizeof(reeve_text)), all.count};
    for (size_t i = 0; i < all.count; i++) {
        names.items[i] = all.items[i].name;
    }
    reeve_texts links = {reeve_allocate(ports.count, sizeof(reeve_text)), ports.count};
    for (size_t i = 0; i < ports.count; i++) {
        links.items[i] = ports.items[i].link;
    }
    reeve_texts given = {reeve_allocate(leases.count, sizeof(reeve_text)), leases.count};
    for (size_t i = 0; i < leases.count; i++) {
        given.items[i] = lease_text(&leases.items[i]);
    }
    reeve_text one = joined(names), two = joined(links), three = joined(given);
    return reeve_failed(
        REEVE_S " %d " REEVE_S " " REEVE_S " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, REEVE_ARG(one),
        (int)of.mode, REEVE_ARG(two), REEVE_ARG(three), counted.received_bytes, counted.received_packets, counted.received_dropped,
        counted.sent_bytes, counted.sent_packets, counted.sent_dropped
    );
}

reeve_reply network_events(const reeve_context *ctx, const reeve_network_event *event) {
    (void)ctx;
    if (reeve_equal(event->name, REEVE_TEXT("asked"))) {
        return asked(event->detail);
    }
    return reeve_failed(
        REEVE_S " " REEVE_S " %d " REEVE_S, REEVE_ARG(event->uuid), REEVE_ARG(event->name), (int)event->change,
        REEVE_ARG(event->detail)
    );
}

static reeve_text condition(const reeve_condition *it) {
    if (!it->is_variable) {
        return reeve_format(REEVE_S "=" REEVE_S, REEVE_ARG(it->attribute), REEVE_ARG(it->value));
    }
    const char *at = it->is_iterator ? "@" : "";
    return reeve_format(
        REEVE_S "=$" REEVE_S "[%s%u]", REEVE_ARG(it->attribute), REEVE_ARG(it->value), at, (unsigned)it->place
    );
}

static reeve_text protocol(const reeve_protocol_match *it) {
    reeve_texts conditions = {reeve_allocate(it->condition_count, sizeof(reeve_text)), it->condition_count};
    for (size_t i = 0; i < conditions.count; i++) {
        conditions.items[i] = condition(&it->conditions[i]);
    }
    reeve_text all = joined(conditions);
    return reeve_format(" " REEVE_S "%s(" REEVE_S ")", REEVE_ARG(it->protocol), it->negated ? "!" : "", REEVE_ARG(all));
}

static reeve_rule of_entry(const reeve_filter_entry *entry) {
    if (entry->is_reference) {
        return (reeve_rule){.verdict = {.kind = REEVE_PACKET_RETURN}, .comment = reeve_format("-> %u", (unsigned)entry->reference)};
    }
    static const reeve_packet_kind kinds[] = {
        [REEVE_FILTER_DROP] = REEVE_PACKET_DROP,     [REEVE_FILTER_REJECT] = REEVE_PACKET_REJECT,
        [REEVE_FILTER_ACCEPT] = REEVE_PACKET_ACCEPT, [REEVE_FILTER_RETURN] = REEVE_PACKET_RETURN,
        [REEVE_FILTER_CONTINUE] = REEVE_PACKET_CONTINUE,
    };
    const reeve_filter_rule *rule = &entry->rule;
    reeve_text matches = REEVE_TEXT("");
    for (size_t i = 0; i < rule->match_count; i++) {
        reeve_text match = protocol(&rule->matches[i]);
        matches = reeve_format(REEVE_S REEVE_S, REEVE_ARG(matches), REEVE_ARG(match));
    }
    reeve_text comment = reeve_format(
        "%d %d %d" REEVE_S, (int)rule->direction, (int)rule->priority, rule->statematch, REEVE_ARG(matches)
    );
    return (reeve_rule){.verdict = {.kind = kinds[rule->action]}, .comment = comment};
}

/* Rules that say what stands in a filter. */
static void tell(reeve_chain *chain, const reeve_filter *filter) {
    reeve_text comment =
        reeve_format(REEVE_S " " REEVE_S " %d", REEVE_ARG(filter->name), REEVE_ARG(filter->chain), (int)filter->priority);
    for (size_t i = 0; i < filter->variable_count; i++) {
        reeve_text values = reeve_join(filter->variables[i].values, REEVE_TEXT("|"));
        comment = reeve_format(
            REEVE_S " " REEVE_S "=" REEVE_S, REEVE_ARG(comment), REEVE_ARG(filter->variables[i].name), REEVE_ARG(values)
        );
    }
    reeve_add_rule(chain, (reeve_rule){.verdict = {.kind = REEVE_PACKET_CONTINUE}, .comment = comment});
    for (size_t i = 0; i < filter->entry_count; i++) {
        reeve_add_rule(chain, of_entry(&filter->entries[i]));
    }
}

static void add(reeve_chain *chain, reeve_packet_kind kind, reeve_field field, reeve_operand operand) {
    reeve_rule rule = {.verdict = {.kind = kind}};
    reeve_add_match(&rule, (reeve_match){.field = field, .operand = operand});
    reeve_add_rule(chain, rule);
}

static void add_of(reeve_chain *chain, reeve_packet_kind kind, uint8_t number, reeve_field field, reeve_operand operand) {
    reeve_rule rule = {.verdict = {.kind = kind}};
    reeve_add_match(&rule, (reeve_match){.field = REEVE_FIELD_IP_PROTOCOL, .operand = reeve_number(number)});
    reeve_add_match(&rule, (reeve_match){.field = field, .operand = operand});
    reeve_add_rule(chain, rule);
}

static reeve_chain from_guest(const reeve_subject *subject) {
    reeve_chain chain = {.name = REEVE_TEXT("out"), .layer = REEVE_LAYER_LINK, .entry = REEVE_FLOW_OUT};
    reeve_text group = REEVE_TEXT("01:00:00:00:00:00");
    reeve_rule foreign = {.verdict = {.kind = REEVE_PACKET_REJECT}, .comment = REEVE_TEXT("not its own")};
    reeve_add_match(&foreign, (reeve_match){REEVE_FIELD_ETHER_SOURCE, true, reeve_mac(subject->mac)});
    reeve_add_rule(&chain, foreign);
    add(&chain, REEVE_PACKET_RETURN, REEVE_FIELD_ETHER_DESTINATION, reeve_masked_mac(group, group));
    reeve_operand some = reeve_addresses(REEVE_TEXT("192.0.2.1"), REEVE_TEXT("192.0.2.9"));
    add(&chain, REEVE_PACKET_CONTINUE, REEVE_FIELD_IP_SOURCE, some);
    reeve_add_rule(&chain, (reeve_rule){.verdict = {.kind = REEVE_PACKET_JUMP, .name = REEVE_TEXT("tree")}});
    return chain;
}

static reeve_chain to_guest(void) {
    reeve_chain chain = {.name = REEVE_TEXT("in"), .layer = REEVE_LAYER_CONNECTION, .entry = REEVE_FLOW_IN};
    static const bool sources[] = {true, false};
    reeve_operand states = reeve_states(REEVE_CONNECTION_ESTABLISHED | REEVE_CONNECTION_RELATED);
    add(&chain, REEVE_PACKET_ACCEPT, REEVE_FIELD_STATE, states);
    add_of(&chain, REEVE_PACKET_DROP, 6, REEVE_FIELD_TCP_FLAGS, reeve_masked(2, 18));
    add_of(&chain, REEVE_PACKET_ACCEPT, 17, REEVE_FIELD_DESTINATION_PORT, reeve_range(1024, 65535));
    add(&chain, REEVE_PACKET_ACCEPT, REEVE_FIELD_IP_SOURCE, reeve_in_set(REEVE_TEXT("known")));
    add(&chain, REEVE_PACKET_DROP, REEVE_FIELD_IP_SOURCE, reeve_network_of(REEVE_TEXT("198.51.100.0"), 24));
    add(&chain, REEVE_PACKET_DROP, REEVE_FIELD_IP6_SOURCE, reeve_address(REEVE_TEXT("2001:db8::1")));
    add(&chain, REEVE_PACKET_ACCEPT, REEVE_FIELD_HOST_SET, reeve_host_set(REEVE_TEXT("trusted"), sources, 2));
    reeve_packet_verdict lookup = {REEVE_PACKET_LOOKUP, REEVE_TEXT("by-source"), REEVE_FIELD_IP_SOURCE};
    reeve_add_rule(&chain, (reeve_rule){.verdict = lookup});
    return chain;
}

reeve_reply filter_generate(const reeve_context *ctx, const reeve_subject *interface, reeve_filters filters, reeve_rules *out) {
    (void)ctx;
    reeve_chain tree = {.name = REEVE_TEXT("tree"), .layer = REEVE_LAYER_LINK};
    for (size_t i = 0; i < filters.count; i++) {
        tell(&tree, &filters.items[i]);
    }
    reeve_add_chain(out, tree);
    reeve_add_chain(out, from_guest(interface));
    reeve_add_chain(out, to_guest());
    reeve_set known = {.name = REEVE_TEXT("known")};
    for (size_t i = 0; i < interface->addresses.count; i++) {
        reeve_add_element(&known, reeve_address(interface->addresses.items[i]));
    }
    reeve_add_set(out, known);
    reeve_map by_source = {.name = REEVE_TEXT("by-source")};
    reeve_add_entry(&by_source, (reeve_map_entry){reeve_address(REEVE_TEXT("192.0.2.7")), {.kind = REEVE_PACKET_DROP}});
    reeve_add_entry(&by_source, (reeve_map_entry){reeve_address(REEVE_TEXT("192.0.2.8")), {.kind = REEVE_PACKET_ACCEPT}});
    reeve_add_map(out, by_source);
    return reeve_done();
}
