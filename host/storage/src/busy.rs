//! Things that are busy for a moment.

pub(crate) use reeve_sys::busy::settled;
