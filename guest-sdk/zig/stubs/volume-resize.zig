/// A volume is about to get another capacity, bytes. Rewrites are refused.
pub fn volumeResize(_: reeve.Context, _: reeve.storage.Pool, volume: reeve.storage.Volume, capacity: u64) !reeve.Verdict {
    _ = volume;
    _ = capacity;
    return .allow;
}
