/** A definition is added or replaced; a rewrite changes what is stored. */
export const domainDefine = reeve.guard((ctx, domain) => reeve.allow());
