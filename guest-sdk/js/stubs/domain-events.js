/** Something happened to a domain; calls for one domain come in order. */
export const domainEvents = reeve.notify((ctx, event) => reeve.log.info(`${event.name}: ${event.change}`));
