//! Connections against a toy handler, over real sockets.

use std::{
    cell::RefCell,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;

use super::{Acceptor, ConnectionCounts, Door, NetworkLimits, Registry};
use crate::{
    api::exchange::{ConnectionContext, Disposition, Handler, ResponseFrame, ResponseSlot},
    runtime::{
        executor::run_alone,
        net::{Accepted, Listener, free_address},
        task, timer,
    },
};

/// Echoes frames. The first byte says how: 'l' late, 's' late and serially, 'q' quietly, 'p' by a panic, 'x' close.
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
    }
}

/// Serves on a port of its own while `client` runs against it; what the client gives.
fn with_server<T: Send + 'static>(limits: NetworkLimits, client: impl FnOnce(SocketAddr) -> T + Send + 'static) -> T {
    let address = free_address(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
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
        let acceptor = Acceptor { doors: vec![Door::Here(admit)], counts, connections_max: 100, connections_per_ip_max: 50 };
        acceptor.start(vec![Listener::bind(address).unwrap()]);
        std::thread::spawn(move || done.send(client(address)));
        let result = finished.recv_async().await.expect("the client finishes");
        registry.stop(Duration::from_millis(200)).await;
        assert!(registry.is_empty());
        result
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
        let sent: Vec<Vec<u8>> = (0..40u8).map(|n| vec![[b'l', b'e', b's', b'q', b'e'][usize::from(n) % 5], n]).collect();
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
        let mut open: Vec<TcpStream> = (0..50).map(|_| connect(address)).collect();
        for stream in &mut open {
            send(stream, b"e");
            receive(stream).unwrap();
        }
        assert_eq!(connect(address).read(&mut [0; 1]).unwrap(), 0);
        drop(open);
        std::thread::sleep(Duration::from_millis(100));
        let mut stream = connect(address);
        send(&mut stream, b"e");
        assert_eq!(receive(&mut stream).unwrap(), b"e");
    });
}
