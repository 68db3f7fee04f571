/** Something happened to a domain; calls for one domain come in order. */
export function domainEvents(ctx: Context, event: DomainEvent): Failure | null {
  log.write(Level.Info, `domain '${event.name}': ${event.reason}`);
  return null;
}
