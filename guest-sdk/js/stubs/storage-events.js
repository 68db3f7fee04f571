/** Something happened to a storage pool or its volumes. */
export const storageEvents = reeve.notify((ctx, event) => reeve.log.info(`${event.name}: ${event.change} ${event.detail}`));
