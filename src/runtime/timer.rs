//! Waiting for time to pass on a shard.

use std::{future::Future, time::Duration};

use futures_lite::future;

use super::clock;

/// Returns after `duration`.
pub async fn sleep(duration: Duration) {
    glommio::timer::sleep(duration).await;
}

/// Returns when `condition` holds, or after `patience`. It is looked at every millisecond: for what nobody tells of.
pub async fn wait_until(condition: impl Fn() -> bool, patience: Duration) {
    let began = clock::monotonic_ns();
    while !condition() && u128::from(clock::monotonic_ns() - began) < patience.as_nanos() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// What `work` gives, or `None` if it takes longer than `duration`. Only for work that may be dropped half done: waiting
/// on an inbox or a signal, never reading or writing.
pub async fn timeout<T>(duration: Duration, work: impl Future<Output = T>) -> Option<T> {
    future::or(async { Some(work.await) }, async {
        sleep(duration).await;
        None
    })
    .await
}
