//! Guests that move between hosts: what guards and strategies are told, and what a strategy answers.

pub use crate::bindings::reeve::migration::journey::{Journey, Peer};
pub use crate::bindings::reeve::migration::strategy::{
    Capabilities, Limits, MigrationPlan, Progress, Round, Step,
};
