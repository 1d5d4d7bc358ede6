//! A one-way road between two shards: bounded, lock-free, waking the other side only if it sleeps.
//!
//! Made before the executors start; each end then connects on its shard.

use glommio::channels::shared_channel::{self, ConnectedReceiver, ConnectedSender, SharedReceiver, SharedSender};

/// The sending end before it is on its shard.
#[derive(Debug)]
pub struct LinkOut<T: Send>(SharedSender<T>);

/// The receiving end before it is on its shard.
#[derive(Debug)]
pub struct LinkIn<T: Send>(SharedReceiver<T>);

/// A link that holds at most `capacity` messages.
pub fn pair<T: Send>(capacity: usize) -> (LinkOut<T>, LinkIn<T>) {
    let (sender, receiver) = shared_channel::new_bounded(capacity);
    (LinkOut(sender), LinkIn(receiver))
}

impl<T: Send + 'static> LinkOut<T> {
    /// Binds the end to this shard; waits for the other end to do the same.
    pub async fn connect(self) -> Sender<T> {
        Sender(self.0.connect().await)
    }
}

impl<T: Send + 'static> LinkIn<T> {
    /// Binds the end to this shard; waits for the other end to do the same.
    pub async fn connect(self) -> Receiver<T> {
        Receiver(self.0.connect().await)
    }
}

/// The sending end on its shard.
#[derive(Debug)]
pub struct Sender<T: Send>(ConnectedSender<T>);

impl<T: Send + 'static> Sender<T> {
    /// Sends without waiting.
    ///
    /// # Errors
    /// Gives the message back if the link is full (back-pressure) or the other end is gone.
    pub fn try_send(&self, message: T) -> Result<(), T> {
        self.0.try_send(message).map_err(|error| match error {
            glommio::GlommioError::Closed(glommio::ResourceType::Channel(message))
            | glommio::GlommioError::WouldBlock(glommio::ResourceType::Channel(message)) => message,
            _ => unreachable!("a channel refuses a message only by giving it back"),
        })
    }
}

/// The receiving end on its shard.
#[derive(Debug)]
pub struct Receiver<T: Send>(ConnectedReceiver<T>);

impl<T: Send + 'static> Receiver<T> {
    /// The next message; `None` once the other end is gone.
    pub async fn recv(&self) -> Option<T> {
        self.0.recv().await
    }
}
