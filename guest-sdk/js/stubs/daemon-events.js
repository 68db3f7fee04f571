/** The daemon started, stops or reloaded. */
export const daemonEvents = reeve.notify((ctx, change) => reeve.log.info(`the daemon ${change}`));
