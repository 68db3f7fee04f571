/// One run by hand, on a schedule or on an event; the answer is a summary of one line.
pub fn task(_: reeve.Context, why: reeve.Occasion) ![]const u8 {
    return reeve.format("nothing to do, asked by {s}", .{@tagName(why)});
}
