/** Somebody asks to stop a virtual network. Rewrites are refused. */
export function networkStop(ctx: Context, network: Network): Decision {
  return allow();
}
