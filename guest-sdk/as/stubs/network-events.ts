/** Something happened to a network, to what is plugged into it, or to a packet filter. */
export function networkEvents(ctx: Context, event: NetworkEvent): Failure | null {
  log.write(Level.Info, `network '${event.name}': ${event.detail}`);
  return null;
}
