//! A blocking client that speaks the protocol plainly: one request, one answer, or any bytes at all.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use bytes::Bytes;
use corelog::{
    protocol::{
        Message, api,
        header::{self, ResponseHeader},
        wire::Reader,
    },
    types::Text,
};

/// Why there was no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The broker closed the connection.
    Closed,
    /// Nothing came in time.
    Silent,
    /// The answer does not say what its version may say.
    Malformed(String),
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => NoAnswer::Silent,
            _ => NoAnswer::Closed,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    correlation_id: i32,
}

impl Wire {
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_write_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, correlation_id: 0 })
    }

    /// How long to wait for an answer; 30 s at first.
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.stream.set_read_timeout(Some(patience)).unwrap();
    }

    /// Sends a request and returns its answer.
    pub(crate) fn call<Q: Message, R: Message>(&mut self, request: &Q, version: i16) -> R {
        self.try_call(request, version).unwrap_or_else(|error| panic!("key {} version {version}: {error:?}", Q::API_KEY))
    }

    /// Sends a request and returns its answer, if there is one.
    pub(crate) fn try_call<Q: Message, R: Message>(&mut self, request: &Q, version: i16) -> Result<R, NoAnswer> {
        self.send(request, version)?;
        self.receive(version)
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn send<Q: Message>(&mut self, request: &Q, version: i16) -> Result<(), NoAnswer> {
        self.correlation_id += 1;
        let frame = header::request_frame(self.correlation_id, Some(Text::from_static("it")), request, version)
            .unwrap_or_else(|error| panic!("the test's own request cannot be written: {error}"));
        Ok(self.stream.write_all(&frame)?)
    }

    /// Reads the answer to the request sent last.
    pub(crate) fn receive<R: Message>(&mut self, version: i16) -> Result<R, NoAnswer> {
        self.receive_for(self.correlation_id, version)
    }

    /// Reads the next answer, which must be that of `correlation_id`.
    pub(crate) fn receive_for<R: Message>(&mut self, correlation_id: i32, version: i16) -> Result<R, NoAnswer> {
        let frame = self.receive_frame()?;
        let mut reader = Reader::new(frame);
        let info = api::served(R::API_KEY).expect("a test asks what is served");
        let malformed = |error: &dyn std::fmt::Display| NoAnswer::Malformed(error.to_string());
        let header = ResponseHeader::decode(&mut reader, info, version).map_err(|error| malformed(&error))?;
        if header.correlation_id != correlation_id {
            return Err(NoAnswer::Malformed(format!("answer to {} instead of {correlation_id}", header.correlation_id)));
        }
        let answer = R::decode(&mut reader, version).map_err(|error| malformed(&error))?;
        reader.expect_end().map_err(|error| malformed(&error))?;
        Ok(answer)
    }

    /// The id of the request sent last.
    pub(crate) fn correlation_id(&self) -> i32 {
        self.correlation_id
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends `body` as one frame.
    pub(crate) fn send_frame(&mut self, body: &[u8]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(body.len() + 4);
        frame.extend_from_slice(&i32::try_from(body.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(body);
        self.stream.write_all(&frame)
    }

    /// Reads one frame without its length.
    pub(crate) fn receive_frame(&mut self) -> Result<Bytes, NoAnswer> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > 1 << 28 {
            return Err(NoAnswer::Malformed(format!("an answer of {length} bytes")));
        }
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(Bytes::from(frame))
    }

    /// True if the broker closes this connection within its patience without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => matches!(NoAnswer::from(error), NoAnswer::Closed),
        }
    }

    /// Says that no more will be sent.
    pub(crate) fn end_sending(&self) {
        // The broker may have closed the connection already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads whatever arrives until `bytes` are filled or nothing more comes.
    pub(crate) fn read_some(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}
