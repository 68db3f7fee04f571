//! Where tests make the process die.

/// Called at every point of an operation where the daemon could be killed with a difference: `begun`, before and after each
/// step, and before the operation is noted as ended.
pub trait FaultPoint: Send + Sync {
    /// Passes the point `name`, e.g. `domain-start:machine:after`, or does not return.
    fn pass(&self, name: &str);
}

/// Nothing ever happens: the product.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl FaultPoint for NoFaults {
    fn pass(&self, _name: &str) {}
}
