//! The policy engine against real components, real verbs, a real database and simulated domains.

mod directory;
mod guard;
mod hostile;
mod load;
mod notify;
mod speed;
mod support;
mod tune;
mod wat_components;
