//! TCP on a shard: accept anywhere, serve where the connection is attached; many slices in one send.

use std::{
    cell::RefCell,
    future::poll_fn,
    io::{self, IoSlice},
    net::{SocketAddr, ToSocketAddrs},
    pin::Pin,
    rc::Rc,
    task::Poll,
};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::net::{AcceptedTcpStream, TcpListener, TcpStream};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use super::{buffer::Slice, descriptor, file::io_error};

/// Slices in one send: the kernel's limit (UIO_MAXIOV).
const SLICES_MAX: usize = 1024;

/// A listening socket.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Listens at `address`.
    ///
    /// # Errors
    /// The address is in use, not ours, or not resolvable.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        TcpListener::bind(address).map(Self).map_err(io_error)
    }

    /// Where it listens: the port that the system chose, if 0 was asked for.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr().map_err(io_error)
    }

    /// The next connection.
    ///
    /// # Errors
    /// What the operating system says; with EMFILE the caller must wait before it tries again.
    pub async fn accept(&self) -> io::Result<Accepted> {
        let stream = self.0.shared_accept().await.map_err(io_error)?;
        let mut accepted = Accepted { stream: Some(stream), peer: SocketAddr::from(([0, 0, 0, 0], 0)) };
        // A client may be gone already: then this is where it is noticed.
        accepted.peer = accepted.stream.as_ref().map_or(Err(io::ErrorKind::NotConnected.into()), |stream| stream.peer_addr().map_err(io_error))?;
        Ok(accepted)
    }
}

/// A connection that is accepted but not yet served. May go to another shard; dropped on a shard, it is closed.
#[derive(Debug)]
pub struct Accepted {
    stream: Option<AcceptedTcpStream>,
    peer: SocketAddr,
}

impl Accepted {
    /// Who connected.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Takes the connection over on this shard. Answers are sent at once (TCP_NODELAY).
    ///
    /// # Errors
    /// The client is gone.
    pub fn attach(mut self) -> io::Result<Stream> {
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?.bind_to_executor();
        stream.set_nodelay(true).map_err(io_error)?;
        Ok(Stream { stream: Rc::new(RefCell::new(stream)), peer: self.peer })
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        // glommio's type does not close what it holds.
        drop(self.stream.take().map(AcceptedTcpStream::bind_to_executor));
    }
}

/// A connection on its shard. Clones are the same connection: one task reads, another writes.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Borrowed only inside one poll, never across an await.
    stream: Rc<RefCell<TcpStream>>,
    peer: SocketAddr,
}

impl Stream {
    /// Connects to a server.
    ///
    /// # Errors
    /// Nobody listens, or what the operating system says.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await.map_err(io_error)?;
        stream.set_nodelay(true).map_err(io_error)?;
        Ok(Self { stream: Rc::new(RefCell::new(stream)), peer: address })
    }

    /// The other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Receives what is there, at least one byte; 0 if the other side is done. Only one task reads.
    ///
    /// # Errors
    /// The connection is broken.
    ///
    /// # Cancel safety
    /// Dropped early, nothing is lost.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut *self.stream.borrow_mut()).poll_read(context, buffer)).await
    }

    /// Receives what is there now; `None` if nothing is, 0 if the other side is done. Only one task reads.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let stream = self.stream.borrow();
        match rustix::net::recv(descriptor::of(&*stream), buffer, rustix::net::RecvFlags::DONTWAIT) {
            Ok((bytes, _)) => Ok(Some(bytes)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends all slices in order, as many as possible in each system call. Only one task writes.
    ///
    /// # Errors
    /// The connection is broken.
    ///
    /// # Cancel safety
    /// None: dropped early, a part may have been sent.
    pub async fn write_gather(&self, slices: &[Slice]) -> io::Result<()> {
        let mut first = 0;
        let mut skip = 0;
        while first < slices.len() {
            let mut vector: [IoSlice<'_>; 64] = [IoSlice::new(&[]); 64];
            let many: Vec<IoSlice<'_>>;
            let rest = &slices[first..slices.len().min(first + SLICES_MAX)];
            let all = rest.iter().enumerate().map(|(index, slice)| IoSlice::new(if index == 0 { &slice[skip..] } else { slice }));
            let vector = if rest.len() <= vector.len() {
                vector.iter_mut().zip(all).for_each(|(place, slice)| *place = slice);
                &vector[..rest.len()]
            } else {
                many = all.collect();
                &many
            };
            let mut sent = self.send(vector).await?;
            while first < slices.len() && sent >= slices[first].len() - skip {
                sent -= slices[first].len() - skip;
                first += 1;
                skip = 0;
            }
            skip += sent;
        }
        Ok(())
    }

    async fn send(&self, vector: &[IoSlice<'_>]) -> io::Result<usize> {
        let sent = {
            let stream = self.stream.borrow();
            sendmsg(descriptor::of(&*stream), vector, &mut SendAncillaryBuffer::default(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
        };
        match sent {
            Ok(sent) => Ok(sent),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {
                // The socket is full: let glommio wait until it takes the next bytes.
                let Some(next) = vector.iter().find(|slice| !slice.is_empty()) else { return Ok(0) };
                poll_fn(|context| match Pin::new(&mut *self.stream.borrow_mut()).poll_write(context, next) {
                    Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                    result => result,
                })
                .await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the connection in both directions; reads and writes under way return.
    pub fn shutdown(&self) {
        let stream = self.stream.borrow();
        if let Err(error) = rustix::net::shutdown(descriptor::of(&*stream), rustix::net::Shutdown::Both) {
            tracing::trace!(%error, "the connection was gone already");
        }
    }
}
