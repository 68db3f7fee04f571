/** The packet rules of an interface, from its filter and all that it refers to. No chain lets everything pass. */
export function filterGenerate(ctx: Context, on: Subject, filters: Array<Filter>): Generated {
  return generate(new Rules([], [], []));
}
