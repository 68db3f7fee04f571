/** A definition is added or replaced; a rewrite changes what is stored. */
export function domainDefine(ctx: Context, domain: DomainConfig): Decision {
  return allow();
}
