//! One VM as a whole: drivers, lifecycle state machine, owner task.
#![forbid(unsafe_code)]
