//! libvirt XML documents to and from the model.
#![forbid(unsafe_code)]
