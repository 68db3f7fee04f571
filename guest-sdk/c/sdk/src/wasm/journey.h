/* Journeys, for the hooks of migrations. */
#ifndef REEVE_JOURNEY_H
#define REEVE_JOURNEY_H

#include "glue.h"

/* A journey from host to host. */
reeve_journey reeve_from_journey(const reeve_migration_journey_journey_t *journey);

#endif
