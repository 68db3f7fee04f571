/* Journeys. Compiled for policies that answer a hook of migrations; the contract gives them to no others. */
#include "journey.h"

static reeve_peer from_peer(const reeve_migration_journey_peer_t *peer) {
    return (reeve_peer){.name = from_string(peer->name), .version = from_string(peer->version)};
}

reeve_journey reeve_from_journey(const reeve_migration_journey_journey_t *journey) {
    return (reeve_journey){
        .id = from_string(journey->id),
        .source = from_peer(&journey->source),
        .destination = from_peer(&journey->destination),
        .same_machine = journey->same_machine,
        .transport = from_string(journey->transport),
        .unchecked = journey->unchecked,
        .persistent = journey->persistent,
    };
}
