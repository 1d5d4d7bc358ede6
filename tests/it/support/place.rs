//! Where tests put their files, and which ports they use.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Mutex,
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
pub(crate) fn port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap();
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let Some(next) = port.checked_add(1) else { continue };
        if !given.contains(&port) && !given.contains(&next) && TcpListener::bind(("127.0.0.1", next)).is_ok() {
            given.extend([port, next]);
            return port;
        }
    }
}
