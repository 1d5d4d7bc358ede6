//! Tasks of a shard. A panic ends the task that caused it and nothing else.

use std::{
    any::Any,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};

use futures_lite::FutureExt;
use glommio::{Latency, Shares, TaskQueueHandle};

/// The task ended by a panic, or its executor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task did not finish")]
pub struct TaskFailed;

/// Waits for a task's result. Dropped, the task goes on by itself.
#[derive(Debug)]
pub struct JoinHandle<T>(glommio::task::JoinHandle<Option<T>>);

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, TaskFailed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(context).map(|result| result.flatten().ok_or(TaskFailed))
    }
}

/// Starts a task on this shard, with the shares of the task that calls it: what background work starts is background
/// work. `name` appears in the log if it panics.
pub fn spawn<T: 'static>(name: &'static str, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    JoinHandle(glommio::spawn_local(guarded(name, future)).detach())
}

/// Starts a task that gets little of the core while others want it: zeroing, retention, recovery.
pub fn spawn_background<T: 'static>(name: &'static str, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    thread_local! {
        static QUEUE: TaskQueueHandle =
            glommio::executor().create_task_queue(Shares::Static(50), Latency::NotImportant, "background");
    }
    let queue = QUEUE.with(|queue| *queue);
    match glommio::spawn_local_into(guarded(name, future), queue) {
        Ok(task) => JoinHandle(task.detach()),
        Err(_) => unreachable!("the queue was made by this executor"),
    }
}

async fn guarded<T>(name: &'static str, future: impl Future<Output = T>) -> Option<T> {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(value) => Some(value),
        Err(panic) => {
            tracing::error!(task = name, panic = panic_text(&*panic), "a task panicked: this is a defect of corelog");
            None
        }
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// Lets the other tasks run.
pub async fn yield_now() {
    glommio::executor().yield_now().await;
}

/// Lets the other tasks run if this one has had its time. Cheap: meant for loops over much data.
pub async fn yield_if_needed() {
    glommio::yield_if_needed().await;
}
