//! Connections against a toy handler, over real sockets.

#![expect(clippy::disallowed_methods, reason = "clients have threads of their own, which may sleep")]

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;

use super::{Acceptor, ConnectionCounts, ConnectionLimits, Door, NetworkCounts, NetworkLimits, Registry};
use crate::{
    api::exchange::{ConnectionContext, Disposition, Handler, ResponseFrame, ResponseSlot},
    config::LiveConfig,
    runtime::{
        executor::run_alone,
        link,
        net::{Accepted, ListenOptions, Listener},
        task, timer,
    },
};

/// Echoes frames. The first byte says how: 'l' late, 's' late and serially, 't' after a moment, 'b' when the loop has turned, 'q' quietly, 'p' by a panic, 'x' close.
struct Echo {
    handled: RefCell<Vec<u8>>,
}

fn echo(frame: &Bytes) -> ResponseFrame {
    let mut bytes = (frame.len() as i32).to_be_bytes().to_vec();
    bytes.extend_from_slice(frame);
    ResponseFrame::gathered(Bytes::from(bytes), &[], Vec::new())
}

impl Handler for Echo {
    fn handle(self: &Rc<Self>, _: &Rc<ConnectionContext>, frame: Bytes, slot: ResponseSlot) -> Disposition {
        let kind = frame.first().copied().unwrap_or(0);
        self.handled.borrow_mut().push(kind);
        match kind {
            b'l' | b's' => {
                task::spawn("late", async move {
                    timer::sleep(Duration::from_millis(30)).await;
                    slot.fill(echo(&frame));
                });
                return if kind == b's' { Disposition::Serial } else { Disposition::Continue };
            }
            b't' => {
                task::spawn("moment", async move {
                    timer::sleep(Duration::from_micros(300)).await;
                    slot.fill(echo(&frame));
                });
            }
            b'b' => {
                task::spawn("begin", async move {
                    task::turn().await;
                    slot.fill(echo(&frame));
                });
                return Disposition::Begin;
            }
            b'q' => slot.skip(),
            b'p' => panic!("on purpose"),
            b'x' => return Disposition::Close("on purpose".to_owned()),
            _ => slot.fill(echo(&frame)),
        }
        Disposition::Continue
    }
}

fn limits() -> NetworkLimits {
    NetworkLimits {
        frame_bytes_max: 1 << 20,
        inflight_max: 8,
        inflight_bytes: 4 << 20,
        shard_request_bytes: 8 << 20,
        idle_ms: 60_000,
        frame_deadline_ms: 60_000,
        response_deadline_ms: 60_000,
        send_buffer_bytes: None,
    }
}

fn fixed(max_connections: usize, max_connections_per_ip: usize) -> ConnectionLimits {
    let limits = Rc::new(LiveConfig { max_connections, max_connections_per_ip, max_connections_per_ip_overrides: BTreeMap::new() });
    ConnectionLimits::new(move || Rc::clone(&limits))
}

/// Serves on a port of its own while `client` runs against it; what the client gives.
fn with_server<T: Send + 'static>(limits: NetworkLimits, client: impl FnOnce(SocketAddr) -> T + Send + 'static) -> T {
    counted(limits, client).0
}

/// As [`with_server`], with what the server counted.
fn counted<T: Send + 'static>(limits: NetworkLimits, client: impl FnOnce(SocketAddr) -> T + Send + 'static) -> (T, NetworkCounts) {
    let (done, finished) = flume::bounded(1);
    run_alone(move || async move {
        let registry = Registry::new(limits);
        task::spawn("sweep", Rc::clone(&registry).sweep());
        let handler = Rc::new(Echo { handled: RefCell::default() });
        let counts = ConnectionCounts::new(1);
        let admit = {
            let (registry, counts) = (Rc::clone(&registry), counts.clone());
            Rc::new(move |accepted: Accepted, listener| {
                let (counts, peer) = (counts.clone(), accepted.peer().ip());
                registry.admit(&handler, accepted, listener, move || counts.ended(0, peer));
            })
        };
        let listener = Listener::bind("127.0.0.1:0", ListenOptions::default()).unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = Acceptor { doors: vec![Door::Here(admit)], counts, limits: fixed(1100, 1050) };
        let accepting = acceptor.start(vec![listener]);
        std::thread::spawn(move || done.send(client(address)));
        let result = finished.recv_async().await.expect("the client finishes");
        accepting.stop().await;
        assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
        registry.stop(Duration::from_millis(200)).await;
        assert!(registry.is_empty());
        assert_eq!(registry.request_bytes(), 0, "all memory is given back");
        (result, registry.counters().now())
    })
    .unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn send(stream: &mut TcpStream, body: &[u8]) {
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    stream.write_all(&frame).unwrap();
}

fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; i32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body)?;
    Ok(body)
}

#[test]
fn answers_come_in_the_order_of_requests() {
    let bodies = with_server(limits(), |address| {
        let mut stream = connect(address);
        let sent: Vec<Vec<u8>> = (0..42u8).map(|n| vec![[b'l', b'e', b's', b'q', b'e', b'b'][usize::from(n) % 6], n]).collect();
        sent.iter().for_each(|body| send(&mut stream, body));
        let heard = sent.iter().filter(|body| body[0] != b'q').count();
        let answers: Vec<Vec<u8>> = (0..heard).map(|_| receive(&mut stream).unwrap()).collect();
        (sent.into_iter().filter(|body| body[0] != b'q').collect::<Vec<_>>(), answers)
    });
    assert_eq!(bodies.0, bodies.1);
}

#[test]
fn a_panic_or_a_bad_request_ends_one_connection() {
    with_server(limits(), |address| {
        let mut good = connect(address);
        for bad in [b"p".as_slice(), b"x"] {
            let mut stream = connect(address);
            send(&mut stream, b"e1");
            send(&mut stream, bad);
            assert_eq!(receive(&mut stream).unwrap(), b"e1", "what was asked before is answered");
            assert!(receive(&mut stream).is_err());
        }
        send(&mut good, b"e2");
        assert_eq!(receive(&mut good).unwrap(), b"e2");
    });
}

#[test]
fn large_frames_and_slow_readers_are_served() {
    with_server(limits(), |address| {
        let mut stream = connect(address);
        let body = vec![b'e'; 900_000];
        let mut writer = stream.try_clone().unwrap();
        let sending = std::thread::spawn(move || (0..20).for_each(|_| send(&mut writer, &vec![b'e'; 900_000])));
        std::thread::sleep(Duration::from_millis(100));
        for _ in 0..20 {
            assert_eq!(receive(&mut stream).unwrap(), body);
        }
        sending.join().unwrap();
    });
}

#[test]
fn a_frame_that_does_not_end_is_cut_off() {
    with_server(NetworkLimits { frame_deadline_ms: 100, ..limits() }, |address| {
        let mut stream = connect(address);
        stream.write_all(&[0, 0, 1, 0, b'e']).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "the server closes");
        let mut silent = connect(address);
        send(&mut silent, b"e");
        assert_eq!(receive(&mut silent).unwrap(), b"e");
    });
}

#[test]
fn a_client_that_takes_no_answers_is_cut_off() {
    with_server(NetworkLimits { response_deadline_ms: 100, ..limits() }, |address| {
        let mut stream = connect(address);
        stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut frame = 900_000i32.to_be_bytes().to_vec();
        frame.resize(900_004, b'e');
        let stopped = (0..1000).any(|_| stream.write_all(&frame).is_err());
        assert!(stopped, "the server stops reading and then closes");
    });
}

#[test]
fn connections_over_the_limit_are_refused_until_others_go() {
    with_server(limits(), |address| {
        let mut open: Vec<TcpStream> = (0..1050).map(|_| connect(address)).collect();
        for stream in &mut open {
            send(stream, b"e");
        }
        for stream in &mut open {
            assert_eq!(receive(stream).unwrap(), b"e");
        }
        assert_eq!(connect(address).read(&mut [0; 1]).unwrap(), 0);
        drop(open);
        std::thread::sleep(Duration::from_millis(200));
        let mut stream = connect(address);
        send(&mut stream, b"e");
        assert_eq!(receive(&mut stream).unwrap(), b"e");
    });
}

#[test]
fn one_receive_takes_many_requests_and_one_send_all_their_answers() {
    let (_, counts) = counted(NetworkLimits { inflight_max: 1024, ..limits() }, |address| {
        let mut stream = connect(address);
        let mut burst = Vec::new();
        for _ in 0..500 {
            burst.extend_from_slice(&[0, 0, 0, 2, b'e', 7]);
        }
        for _ in 0..10 {
            stream.write_all(&burst).unwrap();
            let mut answers = vec![0; burst.len()];
            stream.read_exact(&mut answers).unwrap();
            assert_eq!(answers, burst);
        }
    });
    assert_eq!((counts.requests, counts.received_bytes, counts.sent_bytes), (5000, 30_000, 30_000));
    assert!(counts.receives <= 60 && counts.sends <= 60, "{counts:?}");
}

#[test]
fn frames_may_come_in_any_pieces() {
    with_server(limits(), |address| {
        let mut stream = connect(address);
        stream.set_nodelay(true).unwrap();
        for piece in [&[0u8, 0][..], &[0], &[3, b'e'], &[1], &[2, 0, 0, 0, 1, b'e', 0, 0, 0], &[2, b'e'], &[9]] {
            stream.write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
        let answers: Vec<Vec<u8>> = (0..3).map(|_| receive(&mut stream).unwrap()).collect();
        assert_eq!(answers, [vec![b'e', 1, 2], vec![b'e'], vec![b'e', 9]]);
    });
}

#[test]
fn what_is_no_request_is_refused_after_what_was_one() {
    let (_, counts) = counted(limits(), |address| {
        for bad in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0x16, 3, 1, 2, 0, 1, 0], &[0xff; 8], &[0x7f, 0xff, 0xff, 0xff]] {
            let mut stream = connect(address);
            send(&mut stream, b"e1");
            stream.write_all(bad).unwrap();
            assert_eq!(receive(&mut stream).unwrap(), b"e1");
            assert!(receive(&mut stream).is_err());
        }
    });
    assert_eq!(counts.malformed, 4);
}

/// Three clients each send more than a third of the memory at once: they take turns instead of blocking each other half way.
#[test]
fn one_client_is_waited_for_in_place_and_keeps_nobody_waiting() {
    let (longest, counts) = counted(limits(), |address| {
        let ask = |stream: &mut TcpStream, n: usize| {
            let body = [b't', n as u8];
            send(stream, &body);
            assert_eq!(receive(stream).unwrap(), body);
        };
        let other = std::thread::spawn(move || {
            let mut stream = connect(address);
            // The first client is alone for a while before each of these comes.
            let waited = (0..40).map(|n| {
                std::thread::sleep(Duration::from_millis(20));
                let began = std::time::Instant::now();
                ask(&mut stream, n);
                began.elapsed()
            });
            waited.max().unwrap()
        });
        let mut stream = connect(address);
        let mut n = 0;
        while !other.is_finished() || n < 1000 {
            ask(&mut stream, n);
            n += 1;
        }
        // It may end while its next request is waited for, and while it waits for an answer.
        send(&mut stream, b"l");
        drop(stream);
        other.join().unwrap()
    });
    assert!(counts.receives_in_place > 0, "{counts:?}");
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

#[test]
fn large_requests_take_turns_when_memory_is_short() {
    let limits = NetworkLimits { frame_bytes_max: 3 << 20, shard_request_bytes: 4 << 20, ..limits() };
    with_server(limits, |address| {
        let clients: Vec<_> = (0..6)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut stream = connect(address);
                    for _ in 0..5 {
                        let body = vec![b'l'; 3 << 20];
                        send(&mut stream, &body);
                        assert_eq!(receive(&mut stream).unwrap().len(), body.len());
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

#[test]
fn a_request_that_never_comes_takes_memory_from_nobody_for_long() {
    let limits = NetworkLimits { frame_bytes_max: 3 << 20, shard_request_bytes: 4 << 20, frame_deadline_ms: 300, ..limits() };
    let (_, counts) = counted(limits, |address| {
        let mut liar = connect(address);
        liar.write_all(&(3i32 << 20).to_be_bytes()).unwrap();
        let mut honest = connect(address);
        std::thread::sleep(Duration::from_millis(50));
        send(&mut honest, &vec![b'e'; 2 << 20]);
        assert_eq!(receive(&mut honest).unwrap().len(), 2 << 20);
        assert_eq!(liar.read(&mut [0; 1]).unwrap(), 0);
    });
    assert_eq!(counts.overdue, 1);
}

#[test]
fn a_silent_connection_is_closed_and_a_waiting_one_is_not() {
    let (_, counts) = counted(NetworkLimits { idle_ms: 300, ..limits() }, |address| {
        let mut silent = connect(address);
        let mut asking = connect(address);
        for _ in 0..15 {
            send(&mut asking, b"l");
            assert_eq!(receive(&mut asking).unwrap(), b"l");
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    });
    assert_eq!((counts.overdue, counts.opened), (1, 2));
}

/// A client that asks and does not read is not served without end.
#[test]
fn answers_that_are_not_taken_stop_the_requests() {
    let (_, counts) = counted(NetworkLimits { inflight_max: 10_000, inflight_bytes: 1 << 30, shard_request_bytes: 1 << 30, ..limits() }, |address| {
        let mut stream = connect(address);
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut frame = 1_000_000i32.to_be_bytes().to_vec();
        frame.resize(1_000_004, b'e');
        while stream.write_all(&frame).is_ok() {}
    });
    assert!(counts.requests < 50, "{counts:?}");
}

#[test]
fn a_half_closed_client_still_gets_its_answers() {
    with_server(limits(), |address| {
        let mut stream = connect(address);
        for body in [b"l1", b"l2", b"e3"] {
            send(&mut stream, body);
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answers: Vec<Vec<u8>> = (0..3).map(|_| receive(&mut stream).unwrap()).collect();
        assert_eq!(answers, [b"l1", b"l2", b"e3"]);
        assert!(receive(&mut stream).is_err());
    });
}

/// A request that is in work when the broker stops is answered; one that comes later is not taken.
#[test]
fn stopping_finishes_what_is_in_work() {
    let (sender, receiver) = flume::bounded(1);
    with_server(limits(), move |address| {
        let mut stream = connect(address);
        send(&mut stream, b"l1");
        std::thread::sleep(Duration::from_millis(10));
        // The server stops while this thread waits.
        std::thread::spawn(move || sender.send((receive(&mut stream).unwrap(), receive(&mut stream).is_err())));
    });
    assert_eq!(receiver.recv_timeout(Duration::from_secs(10)).unwrap(), (b"l1".to_vec(), true));
}

/// More clients at once than the link to the other shard holds: they wait their turn.
#[test]
fn a_storm_of_clients_is_spread_over_the_shards() {
    const CLIENTS: usize = 200;
    let (out, inbound) = link::pair::<(Accepted, usize)>(2);
    let (told, address) = flume::bounded(1);
    let (stop, stopped) = flume::bounded::<()>(0);
    let stopped_too = stopped.clone();
    let counts = ConnectionCounts::new(2);
    let counts_too = counts.clone();
    let shard = move |own: usize, counts: ConnectionCounts| {
        let (registry, handler) = (Registry::new(limits()), Rc::new(Echo { handled: RefCell::default() }));
        let admitted = Rc::clone(&registry);
        let admit = move |accepted: Accepted, listener| {
            let (counts, peer) = (counts.clone(), accepted.peer().ip());
            admitted.admit(&handler, accepted, listener, move || counts.ended(own, peer));
        };
        (registry, admit)
    };
    let back = std::thread::spawn(move || {
        run_alone(move || async move {
            let (registry, admit) = shard(1, counts_too);
            let link = inbound.connect().await;
            task::spawn("entrance", async move {
                while let Some((accepted, listener)) = link.recv().await {
                    admit(accepted, listener);
                    // It is slow.
                    timer::sleep(Duration::from_millis(1)).await;
                }
            });
            assert!(stopped_too.recv_async().await.is_err());
            registry.counters().now().opened
        })
    });
    let front = std::thread::spawn(move || {
        run_alone(move || async move {
            let (registry, admit) = shard(0, counts.clone());
            let doors = vec![Door::Here(Rc::new(admit)), Door::There(out.connect().await)];
            let listener = Listener::bind("127.0.0.1:0", ListenOptions::default()).unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let accepting = Acceptor { doors, counts, limits: fixed(1000, 1000) }.start(vec![listener]);
            assert!(stopped.recv_async().await.is_err());
            assert_eq!(accepting.refused(), 0);
            registry.counters().now().opened
        })
    });
    let address = address.recv().unwrap();
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| connect(address)).collect();
    for client in &mut clients {
        send(client, b"e");
        assert_eq!(receive(client).unwrap(), b"e");
    }
    drop(stop);
    let opened = (front.join().unwrap().unwrap(), back.join().unwrap().unwrap());
    assert_eq!(opened, (CLIENTS as u64 / 2, CLIENTS as u64 / 2));
}
