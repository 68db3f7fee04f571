//! How the binary is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Relative relocations as a bitmap instead of 24 bytes each. All of them are read when a process starts, and every worker is one:
    // 2.4 MiB less resident for each domain. glibc reads them since 2.36.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
}
