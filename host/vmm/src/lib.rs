//! One virtual machine on KVM, and the worker process that runs it.
