//! Tasks of a shard. A panic ends the task that caused it and nothing else.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use glommio::{Latency, Shares, TaskQueueHandle};

use super::submission;

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
        Pin::new(&mut self.0).poll(context).map(|result| result.flatten().ok_or(TaskFailed))
    }
}

/// Starts a task on this shard, with the shares of the task that calls it: what background work starts is background
/// work. `name` appears in the log if it panics.
pub fn spawn<T: 'static>(name: &'static str, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    JoinHandle(glommio::spawn_local(Guarded::new(name, future)).detach())
}

/// Starts a task that gets little of the core while others want it: zeroing, retention, recovery.
pub fn spawn_background<T: 'static>(name: &'static str, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    thread_local! {
        static QUEUE: TaskQueueHandle =
            glommio::executor().create_task_queue(Shares::Static(50), Latency::NotImportant, "background");
    }
    let queue = QUEUE.with(|queue| *queue);
    match glommio::spawn_local_into(Guarded::new(name, future), queue) {
        Ok(task) => JoinHandle(task.detach()),
        Err(_) => unreachable!("the queue was made by this executor"),
    }
}

/// A task's future that survives its panic. Boxed, because a future that is moved into another takes its size twice, and
/// there may be thousands of tasks.
struct Guarded<F: Future> {
    name: &'static str,
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Guarded<F> {
    fn new(name: &'static str, future: F) -> Self {
        Self { name, future: Some(Box::pin(future)) }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        submission::task_runs();
        let Some(future) = &mut self.future else { return Poll::Ready(None) };
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        let panic = match polled {
            Ok(polled) => return polled.map(Some),
            Err(panic) => panic,
        };
        tracing::error!(task = self.name, panic = panic_text(&*panic), "a task panicked: this is a defect of corelog");
        // What it holds is dropped at once: others may wait for that, and that may panic too.
        let future = self.future.take();
        if catch_unwind(AssertUnwindSafe(|| drop(future))).is_err() {
            tracing::error!(task = self.name, "a task panicked again while it was dropped");
        }
        Poll::Ready(None)
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

/// Lets the runtime's loop turn once: what has completed meanwhile is seen, and whoever waits for it runs.
pub async fn turn() {
    // Not over when it is first looked at, and over when the loop looks: a yield would not leave the tasks.
    glommio::timer::sleep(Duration::from_micros(1)).await;
}

/// Lets the other tasks run if this one has had its time. Cheap: meant for loops over much data.
pub async fn yield_if_needed() {
    glommio::yield_if_needed().await;
}
