//! Waiting for time to pass on a shard.

use std::{future::Future, time::Duration};

use futures_lite::future;

/// Returns after `duration`.
pub async fn sleep(duration: Duration) {
    glommio::timer::sleep(duration).await;
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
