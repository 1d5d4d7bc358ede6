//! One value from one task to another of the same shard.

use super::channel;

/// Sends the value.
#[derive(Debug)]
pub struct Sender<T>(channel::Sender<T>);

/// Waits for the value.
#[derive(Debug)]
pub struct Receiver<T>(channel::Receiver<T>);

/// A pair for one value.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = channel::bounded(1);
    (Sender(sender), Receiver(receiver))
}

impl<T> Sender<T> {
    /// Sends the value; if nobody waits for it any more, it is dropped.
    pub fn send(self, value: T) {
        drop(self.0.try_send(value));
    }
}

impl<T> Receiver<T> {
    /// The value; `None` if the sender was dropped without one.
    pub async fn recv(self) -> Option<T> {
        self.0.recv().await
    }
}
