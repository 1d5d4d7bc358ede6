//! TCP on a shard: accept anywhere, serve where the connection is attached; many slices in one send.

use std::{
    cell::RefCell,
    future::poll_fn,
    io::{self, IoSlice},
    net::{SocketAddr, ToSocketAddrs},
    os::fd::OwnedFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::net::{AcceptedTcpStream, TcpListener, TcpStream};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, bind, listen, sendmsg, socket_with,
    sockopt::set_socket_reuseaddr,
};

use super::{buffer::Slice, file::io_error, sys};

/// Slices in one send: the kernel's limit (UIO_MAXIOV).
const SLICES_MAX: usize = 1024;
/// So many slices are gathered without an allocation.
const FEW_SLICES: usize = 32;
/// Connections that the kernel completes before we accept them (bounded by net.core.somaxconn).
const BACKLOG: i32 = 4096;

/// Finds out on the main thread, before anything starts, whether `address` can be listened at; chooses a port if it has
/// none.
///
/// # Errors
/// The address is in use or not ours.
pub fn free_address(address: SocketAddr) -> io::Result<SocketAddr> {
    std::net::TcpListener::bind(address)?.local_addr()
}

/// A listening socket. Dropped, it refuses clients at once.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    /// The same socket: glommio does not tell its descriptor.
    socket: OwnedFd,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // An accept that glommio has under way would keep the socket open until the ring has cancelled it.
        if let Err(error) = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both) {
            tracing::debug!(%error, "a listener is closed later");
        }
    }
}

impl Listener {
    /// Listens at `address`. Unlike glommio's own, the socket is this process's alone: a second broker at the same address
    /// is told that it is in use, instead of sharing the clients with the first.
    ///
    /// # Errors
    /// The address is in use, not ours, or not resolvable.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut failed = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
        for address in address.to_socket_addrs()? {
            match listen_at(address) {
                Ok(socket) => {
                    let copy = rustix::io::fcntl_dupfd_cloexec(&socket, 0)?;
                    return Ok(Self { listener: sys::adopt(copy), socket });
                }
                Err(error) => failed = error.into(),
            }
        }
        Err(failed)
    }

    /// Where it listens: the port that the system chose, if 0 was asked for.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr().map_err(io_error)
    }

    /// The next connection whose client is still there.
    ///
    /// # Errors
    /// What the operating system says; with EMFILE and the like the caller must wait before it tries again.
    ///
    /// # Cancel safety
    /// Dropped early, a connection that arrives at that very moment may be left unserved in glommio: for stopping only.
    pub async fn accept(&self) -> io::Result<Accepted> {
        loop {
            match self.listener.shared_accept().await {
                Ok(stream) => {
                    let accepted = Accepted::of(stream);
                    match accepted {
                        Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                        accepted => return accepted,
                    }
                }
                // The client gave up in the queue: its trouble, not ours.
                Err(error) => match io_error(error) {
                    error if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
                    error => return Err(error),
                },
            }
        }
    }
}

fn listen_at(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // A restart does not wait for connections of its predecessor to time out.
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A connection that is accepted but not yet served. May go to another shard; dropped, it is closed.
#[derive(Debug)]
pub struct Accepted {
    socket: OwnedFd,
    peer: SocketAddr,
}

impl Accepted {
    fn of(stream: AcceptedTcpStream) -> io::Result<Self> {
        // glommio's type neither closes what it holds nor keeps it from child processes: a copy of ours does both.
        let stream = stream.bind_to_executor();
        let peer = stream.peer_addr().map_err(io_error)?;
        let socket = rustix::io::fcntl_dupfd_cloexec(sys::descriptor(&stream), 0)?;
        Ok(Self { socket, peer })
    }

    /// Who connected.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Takes the connection over on this shard. Answers are sent at once (TCP_NODELAY).
    ///
    /// # Errors
    /// The client is gone.
    pub fn attach(self) -> io::Result<Stream> {
        let stream: TcpStream = sys::adopt(self.socket);
        stream.set_nodelay(true).map_err(io_error)?;
        Ok(Stream { stream: Rc::new(RefCell::new(stream)), peer: self.peer })
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
        poll_fn(|context| self.poll_read(context, buffer)).await
    }

    /// As [`Stream::read`], one poll of it: for a reader that waits for something else besides.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_read(context, buffer)
    }

    /// Receives what is there now; `None` if nothing is, 0 if the other side is done. Only one task reads.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let stream = self.stream.borrow();
        match rustix::net::recv(sys::descriptor(&*stream), buffer, rustix::net::RecvFlags::DONTWAIT) {
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
            let mut vector: [IoSlice<'_>; FEW_SLICES] = [IoSlice::new(&[]); FEW_SLICES];
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
            sendmsg(sys::descriptor(&*stream), vector, &mut SendAncillaryBuffer::default(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
        };
        match sent {
            Ok(sent) => Ok(sent),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {
                // The socket is full: let glommio wait until it takes the next bytes.
                let Some(next) = vector.iter().find(|slice| !slice.is_empty()) else { return Ok(0) };
                poll_fn(|context| Pin::new(&mut *self.stream.borrow_mut()).poll_write(context, next)).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the connection in both directions; reads and writes under way return.
    pub fn shutdown(&self) {
        let stream = self.stream.borrow();
        if let Err(error) = rustix::net::shutdown(sys::descriptor(&*stream), rustix::net::Shutdown::Both) {
            tracing::trace!(%error, "the connection was gone already");
        }
    }
}
