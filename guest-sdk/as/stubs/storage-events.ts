/** Something happened to a storage pool or its volumes. */
export function storageEvents(ctx: Context, event: StorageEvent): Failure | null {
  log.write(Level.Info, `pool '${event.name}': ${event.detail}`);
  return null;
}
