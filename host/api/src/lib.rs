//! HTTP and JSON over a unix socket, with an OpenAPI document made from the code.
#![forbid(unsafe_code)]
