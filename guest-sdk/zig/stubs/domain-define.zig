/// A definition is added or replaced; a rewrite changes what is stored.
pub fn domainDefine(_: reeve.Context, _: reeve.Domain) !reeve.Verdict {
    return .allow;
}
