/// A volume is about to be made or copied; `.{ .rewrite = .{ .name = … } }` changes its document.
pub fn volumeCreate(_: reeve.Context, pool: reeve.storage.Pool, plan: reeve.storage.Plan) !reeve.storage.Verdict {
    _ = pool;
    _ = plan;
    return .allow;
}
