//! The binary: hands over to the command line.

use std::process::ExitCode;

/// One heap per thread, so that shards do not meet in the allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    corelog::runtime::keep_free_memory();
    corelog::cli::run()
}
