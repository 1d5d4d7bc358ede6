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
    time::Duration,
};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::net::{AcceptedTcpStream, TcpListener, TcpStream};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, bind, listen, sendmsg, socket_with,
    sockopt::{set_socket_recv_buffer_size, set_socket_reuseaddr, set_socket_send_buffer_size},
};

use super::{buffer::Slice, clock, file::io_error, solitude, sys};

/// Slices in one send: the kernel's limit (UIO_MAXIOV).
const SLICES_MAX: usize = 1024;
/// So many slices are gathered without an allocation.
const FEW_SLICES: usize = 32;

/// How a listener's sockets are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// Connections that the kernel completes before we accept them (bounded by net.core.somaxconn).
    pub backlog: i32,
    /// SO_RCVBUF of the sockets that are accepted: it must be known before a client connects. Absent: the kernel tunes it.
    pub receive_buffer_bytes: Option<usize>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: 1024, receive_buffer_bytes: None }
    }
}

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
    pub fn bind(address: impl ToSocketAddrs, options: ListenOptions) -> io::Result<Self> {
        let mut failed = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
        for address in address.to_socket_addrs()? {
            match listen_at(address, options) {
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

fn listen_at(address: SocketAddr, options: ListenOptions) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // A restart does not wait for connections of its predecessor to time out.
    set_socket_reuseaddr(&socket, true)?;
    if let Some(bytes) = options.receive_buffer_bytes {
        set_socket_recv_buffer_size(&socket, bytes)?;
    }
    bind(&socket, &address)?;
    listen(&socket, options.backlog)?;
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

    /// Sets SO_SNDBUF, which the kernel tunes otherwise.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn set_send_buffer(&self, bytes: usize) -> io::Result<()> {
        Ok(set_socket_send_buffer_size(&self.socket, bytes)?)
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

    /// As [`Stream::try_read`], again and again until something is there or `patience` is over. Nothing else runs on the shard
    /// meanwhile.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn read_in_place(&self, buffer: &mut [u8], patience: Duration) -> io::Result<Option<usize>> {
        let began = clock::monotonic_ns();
        loop {
            let received = self.try_read(buffer)?;
            let looked_ns = clock::monotonic_ns() - began;
            if received.is_some() || u128::from(looked_ns) >= patience.as_nanos() {
                solitude::looked_for(looked_ns);
                return Ok(received);
            }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::net::sockopt::{socket_recv_buffer_size, socket_send_buffer_size};

    use super::*;
    use crate::runtime::executor::run_alone;

    #[test]
    fn sockets_are_set_up_as_asked() {
        let (set, tuned, completed) = run_alone(|| async {
            let listen = |options| {
                let listener = Listener::bind("127.0.0.1:0", options).unwrap();
                let address = listener.local_addr().unwrap();
                (listener, address)
            };
            let sizes = |accepted: &Accepted| (socket_recv_buffer_size(&accepted.socket).unwrap(), socket_send_buffer_size(&accepted.socket).unwrap());
            let (listener, address) = listen(ListenOptions { receive_buffer_bytes: Some(10_000), ..ListenOptions::default() });
            let _client = std::net::TcpStream::connect(address).unwrap();
            let accepted = listener.accept().await.unwrap();
            accepted.set_send_buffer(20_000).unwrap();
            let set = sizes(&accepted);
            let (listener, address) = listen(ListenOptions::default());
            let _client = std::net::TcpStream::connect(address).unwrap();
            let tuned = sizes(&listener.accept().await.unwrap());
            // Nobody accepts: the kernel completes as many connections as the backlog has room for, and one more.
            let (_listener, address) = listen(ListenOptions { backlog: 2, ..ListenOptions::default() });
            let tries = (0..6).map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)));
            let clients: Vec<_> = tries.filter_map(Result::ok).collect();
            (set, tuned, clients.len())
        })
        .unwrap();
        // The kernel doubles what it is asked for (socket(7)).
        assert_eq!(set, (20_000, 40_000));
        assert!(tuned.0 > 40_000 && tuned.1 > 40_000, "{tuned:?}");
        assert!((2..=3).contains(&completed), "{completed}");
    }
}
