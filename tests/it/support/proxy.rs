//! A broker that misbehaves on purpose: a proxy that passes requests on one at a time, and does one wrong thing at the time it
//! is told.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use corelog::{
    protocol::{
        Message, api,
        header::{RequestHeader, ResponseHeader},
        messages::{
            fetch::FetchResponse,
            produce::{PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse},
        },
        wire::{Reader, Records, Writer},
    },
    record::Batches,
};

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;

/// What is done wrong. `at` counts produce requests from 1, or batches in answers to fetches.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// So many requests from `at` on are acknowledged, and thrown away.
    Drop { at: u64, count: u64 },
    /// The request is written twice.
    Duplicate { at: u64 },
    /// The request is written after the next one of its connection.
    Swap { at: u64 },
    /// A byte of the batch is changed on its way to the consumer.
    Flip { at: u64 },
    /// A byte of a value is changed, and the checksum is made to fit.
    Forge { at: u64 },
    /// Nothing moves for so long.
    Stall { at: u64, time: Duration },
    /// So many requests are answered with an error.
    Refuse { at: u64, count: u64, code: i16 },
    /// From `at` on, requests are taken and never answered.
    Silent { at: u64 },
    /// The connection is closed instead of an answer.
    Disconnect { at: u64 },
    /// The answer is one to another request.
    Mistake { at: u64 },
    /// The answer is announced as larger than anything.
    Giant { at: u64 },
}

/// A proxy on a port of its own. It serves for as long as the test's process lives.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    broker: u16,
    fault: Fault,
    produced: AtomicU64,
    fetched_batches: AtomicU64,
    stalled_until: Mutex<Option<Instant>>,
    done: AtomicU64,
}

impl Proxy {
    /// In front of the broker on port `broker`.
    pub(crate) fn start(broker: u16, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let counters = (AtomicU64::new(0), AtomicU64::new(0));
        let (produced, fetched_batches) = counters;
        let shared = Shared { broker, fault, produced, fetched_batches, stalled_until: Mutex::new(None), done: AtomicU64::new(0) };
        let shared = Arc::new(shared);
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, shared) = (client.unwrap(), Arc::clone(&serving));
                // An end of either side ends both.
                std::thread::spawn(move || shared.serve(client).unwrap_or_default());
            }
        });
        Self { port, shared }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How often the wrong thing was done.
    pub(crate) fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        let broker = TcpStream::connect(("127.0.0.1", self.broker))?;
        client.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        let outcome = self.pass_on(&client, &broker);
        let _ = client.shutdown(Shutdown::Both);
        outcome
    }

    fn pass_on(&self, client: &TcpStream, broker: &TcpStream) -> io::Result<()> {
        loop {
            let request = read_frame(client)?;
            self.wait_for_stall();
            let api = i16::from_be_bytes([request[0], request[1]]);
            if api != PRODUCE {
                let mut answer = ask(broker, &request)?;
                if api == FETCH {
                    answer = self.spoil(answer, version_of(&request));
                }
                write_frame(client, &answer)?;
                continue;
            }
            let number = self.produced.fetch_add(1, Ordering::Relaxed) + 1;
            self.produce(number, &request, client, broker)?;
        }
    }

    fn did(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn produce(&self, number: u64, request: &Bytes, client: &TcpStream, broker: &TcpStream) -> io::Result<()> {
        match self.fault {
            Fault::Drop { at, count } if (at..at + count).contains(&number) => {
                self.did();
                write_frame(client, &forged_answer(request, 0))
            }
            Fault::Refuse { at, count, code } if (at..at.saturating_add(count)).contains(&number) => {
                self.did();
                write_frame(client, &forged_answer(request, code))
            }
            Fault::Silent { at } if number >= at => {
                self.did();
                Ok(())
            }
            Fault::Duplicate { at } if at == number => {
                self.did();
                ask(broker, request)?;
                write_frame(client, &ask(broker, request)?)
            }
            Fault::Swap { at } if at == number => {
                let next = read_frame(client)?;
                self.produced.fetch_add(1, Ordering::Relaxed);
                self.did();
                let next = ask(broker, &next)?;
                write_frame(client, &ask(broker, request)?)?;
                write_frame(client, &next)
            }
            Fault::Disconnect { at } if at == number => {
                self.did();
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Fault::Mistake { at } if at == number => {
                self.did();
                let mut answer = ask(broker, request)?.to_vec();
                answer[3] ^= 1;
                write_frame(client, &answer)
            }
            Fault::Giant { at } if at == number => {
                self.did();
                let mut client = client;
                client.write_all(&i32::MAX.to_be_bytes())?;
                // Kept open: it is the announcement that must end this, not the end of the connection.
                read_frame(client).map(drop)
            }
            Fault::Stall { at, time } if at == number => {
                self.did();
                *self.stalled_until.lock().unwrap() = Some(Instant::now() + time);
                self.wait_for_stall();
                write_frame(client, &ask(broker, request)?)
            }
            _ => write_frame(client, &ask(broker, request)?),
        }
    }

    fn wait_for_stall(&self) {
        let until = *self.stalled_until.lock().unwrap();
        if let Some(left) = until.and_then(|until| until.checked_duration_since(Instant::now())) {
            std::thread::sleep(left);
        }
    }

    /// Changes a batch in an answer, if it is that batch's turn.
    fn spoil(&self, answer: Bytes, version: i16) -> Bytes {
        let (at, forge) = match self.fault {
            Fault::Flip { at } => (at, false),
            Fault::Forge { at } => (at, true),
            _ => return answer,
        };
        let mut reader = Reader::new(answer.clone());
        ResponseHeader::decode(&mut reader, api::served(FETCH).unwrap(), version).unwrap();
        let decoded = FetchResponse::decode(&mut reader, version).unwrap();
        let partitions = decoded.responses.iter().flat_map(|topic| &topic.partitions);
        for partition in partitions {
            let Some(Records::Bytes(records)) = &partition.records else { continue };
            for batch in Batches::new(records).map_while(Result::ok) {
                if self.fetched_batches.fetch_add(1, Ordering::Relaxed) + 1 == at {
                    let from = batch.bytes.as_ptr() as usize - answer.as_ptr() as usize;
                    let mut changed = answer.to_vec();
                    spoil_batch(&mut changed[from..from + batch.bytes.len()], forge);
                    self.did();
                    return Bytes::from(changed);
                }
            }
        }
        answer
    }
}

/// Changes the last byte of the last value.
fn spoil_batch(batch: &mut [u8], forge: bool) {
    // Behind the value stands the count of headers, one byte.
    let last = batch.len() - 2;
    batch[last] ^= 1;
    if forge {
        corelog::load::body::seal(batch);
    }
}

fn version_of(request: &[u8]) -> i16 {
    i16::from_be_bytes([request[2], request[3]])
}

/// An answer to a produce request that no broker has seen.
fn forged_answer(request: &Bytes, error_code: i16) -> Vec<u8> {
    let version = version_of(request);
    let mut reader = Reader::new(request.clone());
    let header = RequestHeader::decode(&mut reader).unwrap();
    let asked = ProduceRequest::decode(&mut reader, version).unwrap();
    let topic = &asked.topic_data[0];
    let partition = PartitionProduceResponse { index: topic.partition_data[0].index, error_code, ..PartitionProduceResponse::default() };
    let answer = ProduceResponse {
        responses: vec![TopicProduceResponse {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partition_responses: vec![partition],
        }],
        ..ProduceResponse::default()
    };
    let mut writer = Writer::new(BytesMut::new());
    ResponseHeader { correlation_id: header.correlation_id }.encode(&mut writer, api::served(PRODUCE).unwrap(), version);
    answer.encode(&mut writer, version).unwrap();
    writer.finish().0.to_vec()
}

fn ask(broker: &TcpStream, request: &[u8]) -> io::Result<Bytes> {
    write_frame(broker, request)?;
    read_frame(broker)
}

fn read_frame(mut from: &TcpStream) -> io::Result<Bytes> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    from.read_exact(&mut frame)?;
    Ok(Bytes::from(frame))
}

fn write_frame(mut to: &TcpStream, frame: &[u8]) -> io::Result<()> {
    let mut whole = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
    whole.extend_from_slice(frame);
    to.write_all(&whole)
}
