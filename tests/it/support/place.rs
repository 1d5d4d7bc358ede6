//! Where tests put their files, and which ports they use.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fresh folder on the disk that also holds the build: never a tmpfs, which has no direct I/O.
///
/// It is removed when dropped, unless `CORELOG_KEEP` is set; then its path stands in the output of the test.
pub(crate) fn folder(name: &str) -> TempDir {
    let mut dir = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if std::env::var_os("CORELOG_KEEP").is_some() {
        dir.disable_cleanup(true);
        eprintln!("{name} keeps {}", dir.path().display());
    }
    dir
}

/// Where downloaded jars and built client programs are (`tests/support/install.sh`).
pub(crate) fn cache() -> PathBuf {
    std::env::var_os("CORELOG_TESTS_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/corelog-tests"),
        PathBuf::from,
    )
}

/// A loopback port P such that P and P+1 were free a moment ago, and that no other test of this process got.
///
/// It lies below those that Linux gives to outgoing connections and to listeners without a port (32768 and up): one of them
/// could take it before the broker listens, or while a broker is started again.
pub(crate) fn port() -> u16 {
    const FIRST: u32 = 10_000;
    const PAIRS: u32 = 11_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Two test processes at one time begin at different places.
    let begin = std::process::id().wrapping_mul(997);
    for _ in 0..PAIRS {
        let pair = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % PAIRS;
        let port = u16::try_from(FIRST + 2 * pair).unwrap();
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 1) {
            return port;
        }
    }
    panic!("no two ports in a row are free between {FIRST} and {}", FIRST + 2 * PAIRS);
}
