def filter_generate(ctx: reeve.Context, interface: reeve.Subject, filters: List[reeve.Filter]) -> reeve.Rules:
    """The packet rules of an interface, from its filter and all that it refers to. No chain lets everything pass."""
    return reeve.Rules(chains=[], sets=[], maps=[])
