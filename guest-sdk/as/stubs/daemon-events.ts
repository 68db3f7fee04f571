/** The daemon started, stops or reloaded. */
export function daemonEvents(ctx: Context, change: DaemonChange): Failure | null {
  if (change == DaemonChange.Stopping) log.write(Level.Info, "the daemon stops");
  return null;
}
