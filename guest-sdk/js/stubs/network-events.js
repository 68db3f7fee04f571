/** Something happened to a network, to what is plugged into it, or to a packet filter. */
export const networkEvents = reeve.notify((ctx, event) => reeve.log.info(`${event.name}: ${event.change} ${event.detail}`));
