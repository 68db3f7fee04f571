/** The packet rules of an interface, from its filter and all that it refers to. No chain lets everything pass. */
export const filterGenerate = reeve.generate((ctx, subject, filters) => ({ chains: [], sets: [], maps: [] }));
