//! Starting the thread of an executor, for certain.
//!
//! Called on a thread that may block. glommio 0.9 may park in its very first turn, when the kernel keeps the new thread off
//! its core for longer than the preemption timer: before the work was polled once, so before any timer of ours could wake
//! it. Such a thread sleeps for ever. So a thread reports when its keep-alive timer is set, from when on no sleep is
//! longer than that timer; one that does not report in time is given up and another is started. The work lies where only
//! one of them can take it: a thread that was merely slow either takes it after all, or finds nothing and ends.

use std::{convert::Infallible, future::Future, io, pin::pin, thread, time::Duration};

use futures_lite::future;
use glommio::LocalExecutorBuilder;

use super::{file::io_error, submission, timer};

/// How long the first thread has to report; each further one has twice as long.
const PATIENCE: Duration = Duration::from_millis(100);
/// Threads that are tried. The last one has 51 s.
const ATTEMPTS: usize = 10;
/// An executor that misses a wake-up (glommio parks with work to do, and `submission.rs` does not hinder it) sleeps no longer
/// than this. Each tick costs an idle executor a turn of its loop.
const KEEP_ALIVE: Duration = Duration::from_millis(12);
/// And if it misses the keep-alive timer itself, no longer than this.
const RESCUE: Duration = Duration::from_secs(1);

/// An executor's thread that is being started.
pub(super) struct Launch<T, W> {
    name: String,
    builder: Box<dyn Fn() -> LocalExecutorBuilder>,
    /// Where the work lies until a thread takes it.
    work: (flume::Sender<W>, flume::Receiver<W>),
    /// The attempt that has taken the work, or why there is no executor.
    reports: (flume::Sender<io::Result<usize>>, flume::Receiver<io::Result<usize>>),
    /// By attempt. Each ends with nothing if another one took the work.
    threads: Vec<thread::JoinHandle<Option<T>>>,
}

/// The thread of an executor that has begun its work.
#[derive(Debug)]
pub(super) struct Launched<T>(thread::JoinHandle<Option<T>>);

impl<T, W, F> Launch<T, W>
where
    T: Send + 'static,
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = T> + 'static,
{
    /// Starts a thread for `work` without waiting for it.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(super) fn begin(name: String, builder: impl Fn() -> LocalExecutorBuilder + 'static, work: W) -> io::Result<Self> {
        let deposit = flume::bounded(1);
        // The channel is new and has room for one.
        let _always_fits = deposit.0.try_send(work);
        let mut launch = Self { name, builder: Box::new(builder), work: deposit, reports: flume::unbounded(), threads: Vec::new() };
        launch.attempt()?;
        Ok(launch)
    }

    /// Waits until a thread has begun the work.
    ///
    /// # Errors
    /// The kernel refuses an executor, or no thread reports: [`io::ErrorKind::TimedOut`].
    pub(super) fn finish(mut self) -> io::Result<Launched<T>> {
        let mut patience = PATIENCE;
        loop {
            match self.reports.1.recv_timeout(patience) {
                Ok(begun) => return Ok(Launched(self.threads.swap_remove(begun?))),
                Err(_) if self.threads.len() < ATTEMPTS => {
                    tracing::warn!(thread = self.name, waited = ?patience, "the thread does not begin its work: another is started");
                    patience *= 2;
                    self.attempt()?;
                }
                Err(_) => {
                    let reason = format!("{}: none of {ATTEMPTS} threads began its work", self.name);
                    return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
                }
            }
        }
    }

    fn attempt(&mut self) -> io::Result<()> {
        let attempt = self.threads.len();
        let (builder, work, reports) = ((self.builder)(), self.work.1.clone(), self.reports.0.clone());
        let body = move || match builder.make() {
            Ok(executor) => executor.run(first_turn(work, move || drop(reports.send(Ok(attempt))))),
            Err(error) => {
                drop(reports.send(Err(io_error(error))));
                None
            }
        };
        self.threads.push(thread::Builder::new().name(self.name.clone()).spawn(body)?);
        Ok(())
    }
}

impl<T> Launched<T> {
    /// Waits for the end of the work.
    ///
    /// # Errors
    /// The thread died.
    pub(super) fn join(self) -> io::Result<T> {
        match self.0.join() {
            Ok(Some(done)) => Ok(done),
            Ok(None) => Err(io::Error::other("the thread took no work, although it said so")),
            Err(_) => Err(io::Error::other("the thread panicked")),
        }
    }
}

/// Takes the work, if it is still there, and does it. The timers are set before the work is polled.
async fn first_turn<T, W, F>(work: flume::Receiver<W>, report: impl FnOnce()) -> Option<T>
where
    W: FnOnce() -> F,
    F: Future<Output = T>,
{
    let work = work.try_recv().ok()?;
    let mut keep_alive = pin!(keep_alive());
    let _timers_set = future::poll_once(keep_alive.as_mut()).await;
    report();
    future::or(async { Some(work().await) }, async { match keep_alive.await {} }).await
}

/// Wakes the executor again and again. The second timer never fires unless the first one fired in a turn that ran nothing
/// and parked: then nobody has set the first one again.
async fn keep_alive() -> Infallible {
    loop {
        future::or(timer::sleep(KEEP_ALIVE), timer::sleep(RESCUE)).await;
        // This is not a task of `task.rs`, but one all the same.
        submission::task_runs();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use glommio::Placement;

    use super::*;

    /// An executor whose preemption timer has always run out before its first task parks for ever.
    fn born_asleep() -> LocalExecutorBuilder {
        LocalExecutorBuilder::new(Placement::Unbound).preempt_timer(Duration::from_nanos(1))
    }

    #[test]
    fn a_thread_that_sleeps_for_ever_is_replaced() {
        let asleep = Cell::new(2u32);
        let builder = move || match asleep.replace(asleep.get().saturating_sub(1)) {
            0 => LocalExecutorBuilder::new(Placement::Unbound).preempt_timer(Duration::from_millis(10)),
            _ => born_asleep(),
        };
        let launch = Launch::begin("test".to_owned(), builder, || async { 7 }).unwrap();
        let launched = launch.finish().unwrap();
        assert_eq!(launched.join().unwrap(), 7);
    }

    #[test]
    fn what_keeps_an_executor_from_being_is_told_at_once() {
        // More CPUs than a machine has.
        let launch = Launch::begin("test".to_owned(), || LocalExecutorBuilder::new(Placement::Fixed(1 << 20)), || async {}).unwrap();
        let error = launch.finish().unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }
}
