/// A storage pool is about to start; `xml` is its document. Rewrites are refused.
pub fn poolStart(_: reeve.Context, pool: reeve.storage.Pool, xml: []const u8) !reeve.Verdict {
    _ = pool;
    _ = xml;
    return .allow;
}
