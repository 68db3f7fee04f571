//! The API over a real unix socket, with the verbs on simulated domains.

mod calls;
mod host;
mod shape;
mod streams;
