/// A volume is about to be deleted. Rewrites are refused.
pub fn volumeDelete(_: reeve.Context, _: reeve.storage.Pool, volume: reeve.storage.Volume) !reeve.Verdict {
    _ = volume;
    return .allow;
}
