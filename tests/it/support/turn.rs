//! Whose turn it is: tests that measure have the machine to themselves, the others share it.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::new(());
static JVM: Mutex<()> = Mutex::new(());

/// Shares the machine with other tests, but for those that need it [`alone`].
pub(crate) fn shared() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Has the machine alone until the guard is dropped.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// One test at a time uses much memory for Java: several brokers and tools at once would not fit a small machine.
pub(crate) fn jvm() -> MutexGuard<'static, ()> {
    JVM.lock().unwrap_or_else(PoisonError::into_inner)
}
