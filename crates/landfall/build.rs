//! How the program is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    // Each task's shim is this program executed again. Linked to run at any address, the loader writes
    // some 900 KiB of pointers into every one of them; linked to run at one address, all of them share
    // the pages of the file. Heap, stack and libraries stay where chance puts them.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
