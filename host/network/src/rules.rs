//! Rules of the packet filter.
