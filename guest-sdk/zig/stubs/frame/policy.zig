//! What __name__ decides.

const std = @import("std");
const reeve = @import("reeve");

__stubs__
