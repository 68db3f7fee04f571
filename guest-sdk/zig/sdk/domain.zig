//! A domain's configuration, read piece by piece: each function is one call into the host.

const backend = @import("backend.zig");
const types = @import("types.zig");

/// A snapshot of one domain's configuration; it does not change while a hook looks at it.
pub const Domain = struct {
    handle: backend.Handle,

    /// Unique name.
    pub fn name(self: Domain) []const u8 {
        return backend.get([]const u8, "name", self.handle);
    }

    /// UUID, lower case with dashes.
    pub fn uuid(self: Domain) []const u8 {
        return backend.get([]const u8, "uuid", self.handle);
    }

    /// State when the hook was called.
    pub fn state(self: Domain) types.State {
        return backend.get(types.State, "state", self.handle);
    }

    /// Title; null when the document has none.
    pub fn title(self: Domain) ?[]const u8 {
        return backend.get(?[]const u8, "title", self.handle);
    }

    /// Driver it asks for: `kvm`, `sim` or another word.
    pub fn domainType(self: Domain) []const u8 {
        return backend.get([]const u8, "domain_type", self.handle);
    }

    /// Memory at boot and at most, bytes.
    pub fn memory(self: Domain) u64 {
        return backend.get(u64, "memory", self.handle);
    }

    /// Memory after the balloon took its share, bytes.
    pub fn currentMemory(self: Domain) u64 {
        return backend.get(u64, "current_memory", self.handle);
    }

    /// vCPUs at most.
    pub fn vcpus(self: Domain) u32 {
        return backend.get(u32, "vcpus", self.handle);
    }

    /// vCPUs at boot.
    pub fn currentVcpus(self: Domain) u32 {
        return backend.get(u32, "current_vcpus", self.handle);
    }

    /// True when the host may merge this guest's pages.
    pub fn mergeable(self: Domain) bool {
        return backend.get(bool, "mergeable", self.handle);
    }

    /// Path of the kernel; null when the document has none.
    pub fn kernel(self: Domain) ?[]const u8 {
        return backend.get(?[]const u8, "kernel", self.handle);
    }

    /// Kernel command line; null when the document has none.
    pub fn cmdline(self: Domain) ?[]const u8 {
        return backend.get(?[]const u8, "cmdline", self.handle);
    }

    /// Disks in document order.
    pub fn disks(self: Domain) []const types.Disk {
        return backend.get([]const types.Disk, "disks", self.handle);
    }

    /// Interfaces in document order.
    pub fn interfaces(self: Domain) []const types.NetworkInterface {
        return backend.get([]const types.NetworkInterface, "interfaces", self.handle);
    }

    /// Memory balloon; null when the document does not say.
    pub fn balloon(self: Domain) ?types.Balloon {
        return backend.get(?types.Balloon, "balloon", self.handle);
    }

    /// Number of random-number devices.
    pub fn rngCount(self: Domain) u32 {
        return backend.get(u32, "rng_count", self.handle);
    }

    /// `<metadata>` as XML text of the whole element; null when there is none.
    pub fn metadata(self: Domain) ?[]const u8 {
        return backend.get(?[]const u8, "metadata", self.handle);
    }

    /// The whole document in canonical form. Far dearer than the getters.
    pub fn xml(self: Domain) []const u8 {
        return backend.get([]const u8, "xml", self.handle);
    }
};
