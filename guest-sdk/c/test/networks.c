// The networks and volumes of the host of tests, and rules made part by part.
#include "reeve/fake.h"

static void networks(void) {
    reeve_network network = {.name = REEVE_TEXT("blue")};
    reeve_port ports[] = {{.link = REEVE_TEXT("tap0"), .network = REEVE_TEXT("blue")}, {.link = REEVE_TEXT("tap1")}};
    reeve_lease lease = {.ip = REEVE_TEXT("192.0.2.9")};
    reeve_the_host.networks = (reeve_networks){&network, 1};
    reeve_the_host.ports = (reeve_ports){ports, 2};
    reeve_the_host.leases = (reeve_leases){&lease, 1};
    reeve_the_host.counters.sent_packets = 3;

    reeve_error error;
    reeve_networks all;
    REEVE_CHECK(reeve_networks_list(&all, &error) && all.count == 1);
    reeve_ports found;
    REEVE_CHECK(reeve_networks_ports(REEVE_TEXT("blue"), &found, &error) && found.count == 1);
    REEVE_CHECK(reeve_equal(found.items[0].link, REEVE_TEXT("tap0")));
    reeve_leases leases;
    REEVE_CHECK(reeve_networks_leases(REEVE_TEXT("blue"), &leases, &error) && leases.count == 1);
    reeve_counters counters;
    REEVE_CHECK(reeve_networks_port_counters(REEVE_TEXT("blue"), REEVE_TEXT("tap0"), &counters, &error));
    REEVE_CHECK(counters.sent_packets == 3);
    REEVE_CHECK(!reeve_networks_port_counters(REEVE_TEXT("blue"), REEVE_TEXT("tap1"), &counters, &error));
    REEVE_CHECK(error.code == REEVE_NOT_FOUND);
    REEVE_CHECK(reeve_equal(error.message, REEVE_TEXT("the host answered: there is no port 'tap1'")));
    REEVE_CHECK(!reeve_networks_get(REEVE_TEXT("red"), &network, &error));
    REEVE_CHECK(reeve_equal(error.message, REEVE_TEXT("the host answered: there is no network 'red'")));

    reeve_the_host.failure = (reeve_error){REEVE_DENIED, REEVE_TEXT("no")};
    REEVE_CHECK(!reeve_networks_list(&all, &error) && error.code == REEVE_DENIED);
}

static void volumes(void) {
    reeve_volume volume = {.name = REEVE_TEXT("a"), .pool = REEVE_TEXT("blue"), .capacity = 7};
    reeve_the_host = (reeve_fake_host){.volumes = {&volume, 1}};
    reeve_error error;
    reeve_volumes all;
    REEVE_CHECK(reeve_volumes_list(REEVE_TEXT("blue"), &all, &error) && all.count == 1);
    reeve_volume out;
    reeve_new_volume wanted = {.name = REEVE_TEXT("b"), .capacity = 5};
    REEVE_CHECK(reeve_volumes_create(REEVE_TEXT("blue"), &wanted, &out, &error) && out.capacity == 5);
    REEVE_CHECK(!reeve_volumes_resize(REEVE_TEXT("blue"), REEVE_TEXT("a"), 1, false, &out, &error));
    REEVE_CHECK(error.code == REEVE_INVALID);
    REEVE_CHECK(reeve_volumes_delete(REEVE_TEXT("blue"), REEVE_TEXT("a"), &error));
    REEVE_CHECK(!reeve_volumes_get(REEVE_TEXT("red"), REEVE_TEXT("a"), &out, &error));
    reeve_text bytes;
    REEVE_CHECK(reeve_volumes_read(REEVE_TEXT("blue"), REEVE_TEXT("a"), 5, 9, &bytes, &error) && bytes.length == 2);
    REEVE_CHECK(reeve_the_host.calls.count == 2);
    REEVE_CHECK(reeve_equal(reeve_the_host.calls.items[1], REEVE_TEXT("delete blue a")));
}

static void rules(void) {
    reeve_rules rules = {0};
    reeve_chain chain = {.name = REEVE_TEXT("out"), .layer = REEVE_LAYER_LINK, .entry = REEVE_FLOW_OUT};
    // More than a list has room for at first.
    for (uint64_t number = 0; number < 20; number++) {
        reeve_rule rule = {.verdict = {REEVE_PACKET_DROP}};
        reeve_add_match(&rule, (reeve_match){REEVE_FIELD_ETHER_TYPE, false, reeve_number(number)});
        reeve_add_rule(&chain, rule);
    }
    reeve_add_chain(&rules, chain);
    REEVE_CHECK(rules.chain_count == 1 && rules.chains[0].rule_count == 20);
    for (size_t i = 0; i < 20; i++) {
        REEVE_CHECK(rules.chains[0].rules[i].matches[0].operand.number == i);
    }
    static const bool sources[REEVE_SOURCES_MAX + 1] = {true};
    reeve_operand set = reeve_host_set(REEVE_TEXT("trusted"), sources, REEVE_SOURCES_MAX + 1);
    REEVE_CHECK(set.source_count == REEVE_SOURCES_MAX && set.sources[0] && !set.sources[1]);
}

int main(void) {
    networks();
    volumes();
    rules();
    return 0;
}
