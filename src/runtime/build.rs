//! Build script: the one thing that the linker must know. Says how the crate's own binaries, tests and benches are linked, and
//! builds nothing.

fn main() {
    println!("cargo::rerun-if-changed=src/runtime/build.rs");
    // glommio sets up its rings without flags, and submits more to them than the kernel needs to see. The linker leads both calls to
    // functions of ours (`sys.rs`); where it does not, the rings are as they were.
    println!("cargo::rustc-link-arg=-Wl,--wrap=__sys_io_uring_setup");
    println!("cargo::rustc-link-arg=-Wl,--wrap=io_uring_submit");
}
