//! `corelog bench` tells the truth about brokers that do not: every fault is counted exactly, a stall appears where it must,
//! and what was not measured is not printed as if it were.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use corelog::load::{document::Document, report::RunReport, verify::Findings};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    Broker, broker, place,
    process::Process,
    proxy::{Fault, Proxy},
    talk, turn,
};

/// Longest that a run of some seconds may take.
const PATIENCE: Duration = Duration::from_secs(120);
const STALL: Duration = Duration::from_millis(200);

/// What came of a run of the harness.
struct Bench {
    ok: bool,
    output: String,
    report: Option<RunReport>,
}

fn start(folder: &Path, arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelog"));
    command.arg("bench").args(arguments).current_dir(folder);
    Process::start(command, &folder.join("output"))
}

fn finish(mut process: Process, folder: &Path) -> Bench {
    let started = Instant::now();
    let status = loop {
        match process.ended() {
            Some(status) => break status,
            None if started.elapsed() > PATIENCE => panic!("the harness is not done after {PATIENCE:?}"),
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let report = match Document::read(&folder.join("result.json")) {
        Ok(Document::Run(report)) => Some(*report),
        _ => None,
    };
    Bench { ok: status.success(), output: process.output(), report }
}

fn bench(arguments: &[&str]) -> Bench {
    let folder = place::folder("bench");
    let process = start(folder.path(), arguments);
    finish(process, folder.path())
}

/// A run of a few seconds at 400 requests a second over four connections, one record each, against one partition.
fn open_loop<'a>(address: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let common = "run --rate 400 --connections 4 --partitions 1 --batch-bytes 300 --record-bytes 200 --warmup 0s --duration 4s --json result.json --bootstrap";
    common.split(' ').chain([address]).chain(more.iter().copied()).collect()
}

/// As [`open_loop`], for so long that something else must end it.
fn long_open_loop<'a>(address: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    open_loop(address, more).into_iter().map(|word| if word == "4s" { "10m" } else { word }).collect()
}

/// Runs a verified load through a proxy that does one thing wrong; the findings, and how often it was done.
fn findings(fault: Fault) -> (Findings, u64, Bench) {
    let broker = Broker::start(&[]);
    let proxy = Proxy::start(broker.port(), fault);
    let bench = bench(&open_loop(&proxy.address(), &["--verify"]));
    let report = bench.report.as_ref().unwrap_or_else(|| panic!("no report: {}", bench.output));
    (report.verification.unwrap(), proxy.done(), bench)
}

/// The findings but for the count of records read.
fn wrong(found: &Findings) -> Findings {
    Findings { read: 0, ..*found }
}

#[test]
fn each_fault_of_a_broker_is_counted_exactly() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let clean = Findings::default();
    let cases = [
        (Fault::Drop { at: 100, count: 7 }, Findings { lost: 7, ..clean }, 7),
        (Fault::Duplicate { at: 50 }, Findings { duplicated: 1, ..clean }, 1),
        (Fault::Swap { at: 60 }, Findings { reordered: 1, ..clean }, 1),
        (Fault::Flip { at: 70 }, Findings { corrupt: 1, ..clean }, 1),
        (Fault::Forge { at: 80 }, Findings { corrupt: 1, ..clean }, 1),
    ];
    std::thread::scope(|scope| {
        for (fault, expected, times) in cases {
            scope.spawn(move || {
                let (found, done, bench) = findings(fault);
                assert_eq!((wrong(&found), done), (expected, times), "{fault:?}: {}", bench.output);
                assert!(!bench.ok && bench.output.contains("FAULT     verification: "), "{fault:?} is no failure: {}", bench.output);
            });
        }
    });
}

#[test]
fn a_broker_that_keeps_everything_is_not_accused() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let (found, _, bench) = findings(Fault::Drop { at: u64::MAX, count: 0 });
    assert_eq!(wrong(&found), Findings::default(), "{}", bench.output);
    assert!(bench.ok && found.read == 1600, "{} read: {}", found.read, bench.output);
    assert!(bench.output.contains("none lost, duplicated, out of order or corrupt"), "{}", bench.output);
}

/// Coordinated omission: one stall of 200 ms is one slow request to a client that waits for its answers, and eighty to
/// clients that would have sent four hundred a second.
#[test]
fn a_stall_appears_in_the_open_loop_and_hides_in_the_closed_one() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::alone();
    let broker = Broker::start(&[]);
    let run = |rate: bool| {
        let proxy = Proxy::start(broker.port(), Fault::Stall { at: 600, time: STALL });
        let address = proxy.address();
        let arguments = open_loop(&address, &[]);
        let closed: Vec<&str> = "run --connections 1 --in-flight 1 --partitions 1 --batch-bytes 300 --record-bytes 200 --warmup 0s --duration 4s --json result.json --bootstrap"
            .split(' ')
            .chain([address.as_str()])
            .collect();
        let bench = bench(if rate { &arguments } else { &closed });
        assert_eq!(proxy.done(), 1, "{}", bench.output);
        bench.report.unwrap_or_else(|| panic!("no report: {}", bench.output))
    };
    let (open, closed) = (run(true), run(false));
    let slow = |report: &RunReport, ms: u64| {
        let histogram = report.latency.histogram().unwrap();
        histogram.count_between(ms * 1_000_000, u64::MAX)
    };
    let [open_p999, closed_p999] = [&open, &closed].map(|report| report.latency.ms("p99.9").unwrap());
    eprintln!(
        "open: p99.9 {open_p999:.1} ms, {} of {} over 100 ms; closed: p99.9 {closed_p999:.1} ms, {} of {}",
        slow(&open, 100),
        open.latency.count,
        slow(&closed, 100),
        closed.latency.count
    );
    // Due in the first 100 ms of the stall: 40.
    assert!((35..=80).contains(&slow(&open, 100)), "{} requests waited longer than 100 ms", slow(&open, 100));
    assert!(open_p999 >= 180.0, "the stall is not in the open loop's p99.9: {open_p999} ms");
    assert!(closed.latency.ms("max").unwrap() >= 195.0 && (1..=3).contains(&slow(&closed, 150)));
    assert!(closed_p999 < open_p999 / 2.0, "the closed loop shows the stall in its p99.9: {closed_p999} ms");
}

#[test]
fn errors_disconnects_and_lies_are_named() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let broker = Broker::start(&[]);
    let cases = [
        (Fault::Refuse { at: 10, count: 5, code: 6 }, "5 requests refused with NOT_LEADER_OR_FOLLOWER (6)", 1500..=1595),
        (Fault::Disconnect { at: 40 }, "1 connections lost; the first: the connection broke", 1000..=1599),
        (Fault::Mistake { at: 40 }, "1 connections lost; the first: an answer of the broker cannot be understood", 1000..=1599),
        (Fault::Giant { at: 40 }, "the broker announces an answer of impossible size", 1000..=1599),
    ];
    std::thread::scope(|scope| {
        for (fault, words, acknowledged) in cases {
            let port = broker.port();
            scope.spawn(move || {
                let proxy = Proxy::start(port, fault);
                let bench = bench(&open_loop(&proxy.address(), &[]));
                assert!(!bench.ok && bench.output.contains(words), "{fault:?}: {}", bench.output);
                let report = bench.report.unwrap();
                assert!(acknowledged.contains(&report.produced.requests), "{fault:?}: {} acknowledged", report.produced.requests);
                // A connection that is gone keeps no schedule: then there are no percentiles to be taken for those of the rate.
                let reached = report.schedule.unwrap().is_reached();
                assert_eq!(reached, report.latency.ms("p99").is_some(), "{fault:?}");
                assert!(!reached || matches!(fault, Fault::Refuse { .. }), "{fault:?}: {:?}", report.schedule);
            });
        }
    });
}

#[test]
fn a_signal_ends_a_run_with_a_partial_report() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let broker = Broker::start(&[]);
    let folder = place::folder("bench");
    let address = broker.address();
    let arguments: Vec<&str> = open_loop(&address, &["--verify"]).into_iter().map(|word| if word == "4s" { "60s" } else { word }).collect();
    let process = start(folder.path(), &arguments);
    std::thread::sleep(Duration::from_secs(4));
    let pid = Pid::from_raw(i32::try_from(process.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let bench = finish(process, folder.path());
    assert!(!bench.ok && bench.output.starts_with("PARTIAL: ended after"), "{}", bench.output);
    let report = bench.report.unwrap();
    assert!(report.partial && report.measured_s > 1.0 && report.measured_s < 30.0, "{}", report.measured_s);
    // What ran is told as it was: the rate was kept, and what was not read back is no loss.
    assert!(report.schedule.unwrap().is_reached(), "{:?}", report.schedule);
    assert!(bench.output.contains("ended before its time by a signal"), "{}", bench.output);
    assert!(!bench.output.contains("verification: "), "{}", bench.output);
    assert!(talk::topics(&mut broker.connect()).is_empty(), "the topic of the run was left");
}

#[test]
fn a_disk_without_room_and_a_broker_that_is_not_there_are_said_before_anything_runs() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let broker = Broker::start(&[]);
    let address = broker.address();
    let flood = bench(&["run", "--bootstrap", &address, "--rate", "1000000", "--batch-bytes", "1MiB", "--duration", "1h"]);
    assert!(!flood.ok && flood.output.contains("the run writes 3") && flood.output.contains("GB are free under"), "{}", flood.output);
    let full = bench(&["run", "--bootstrap", &address, "--min-free", "100000GiB"]);
    assert!(!full.ok && full.output.contains("no room for the run on the disk"), "{}", full.output);
    assert!(talk::topics(&mut broker.connect()).is_empty());
    let nobody = bench(&["run", "--bootstrap", &format!("127.0.0.1:{}", place::port())]);
    assert!(!nobody.ok && nobody.output.contains("cannot connect to 127.0.0.1"), "{}", nobody.output);
}

/// Members that come and go: everything that was acknowledged comes to somebody, what is lost on the way is found out, and the
/// changes are counted.
#[test]
fn a_group_whose_members_are_replaced_reads_everything() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let churn = "run --mode end-to-end --group-members 4 --group-churn 1s --rate 100 --connections 8 --partitions 8 --batch-bytes 300 --record-bytes 200 --warmup 0s --duration 8s --json result.json --bootstrap";
    std::thread::scope(|scope| {
        for (fault, lost) in [(Fault::Drop { at: u64::MAX, count: 0 }, 0), (Fault::Drop { at: 300, count: 7 }, 7)] {
            scope.spawn(move || {
                let broker = Broker::start(&[]);
                let proxy = Proxy::start(broker.port(), fault);
                let address = proxy.address();
                let bench = bench(&churn.split(' ').chain([address.as_str()]).collect::<Vec<_>>());
                let report = bench.report.as_ref().unwrap_or_else(|| panic!("no report: {}", bench.output));
                let found = report.verification.unwrap();
                assert_eq!(wrong(&found), Findings { lost, ..Findings::default() }, "{}", bench.output);
                assert_eq!(bench.ok, lost == 0, "{}", bench.output);
                assert_eq!(found.read, 800 - lost, "{}", bench.output);
                let group = report.group.as_ref().unwrap();
                // Each that is replaced makes one generation at least; how many there is time for is the machine's affair.
                assert!((1..=8).contains(&group.replaced) && group.rebalances >= group.replaced, "{group:?}");
                assert_eq!(group.settle.count, group.replaced);
                assert!(group.commits > 8 && report.end_to_end.count >= 700, "{}", bench.output);
                assert!(bench.output.contains("group     4 members, one replaced every 1000 ms"), "{}", bench.output);
            });
        }
    });
}

/// Neither a broker that says nothing at all nor one that never acknowledges keeps a run for ever, or gives it a figure.
#[test]
fn a_broker_that_never_answers_is_given_up_without_a_figure() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let no_figure = |bench: &Bench| {
        let figure = ["MB/s", "p50", "p99", "records/s"].into_iter().find(|word| bench.output.contains(word));
        assert!(!bench.ok && figure.is_none(), "{figure:?} of a broker that answers nothing: {}", bench.output);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The kernel takes connections for a listener, and nobody reads them.
            let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let started = Instant::now();
            let bench = bench(&["run", "--duration", "1h", "--bootstrap", &mute.local_addr().unwrap().to_string()]);
            assert!(started.elapsed() < Duration::from_secs(30), "given up after {:?}", started.elapsed());
            assert!(bench.output.contains("ApiVersions: no answer within 10 s") && bench.report.is_none(), "{}", bench.output);
            no_figure(&bench);
        });
        for rate in [true, false] {
            scope.spawn(move || {
                let broker = Broker::start(&[]);
                let proxy = Proxy::start(broker.port(), Fault::Silent { at: 1 });
                let address = proxy.address();
                let mut arguments = open_loop(&address, &[]);
                if !rate {
                    arguments.retain(|word| !["--rate", "400"].contains(word));
                }
                let started = Instant::now();
                let bench = bench(&arguments);
                // Four seconds of load, and thirty in which answers may still come.
                assert!(started.elapsed() < Duration::from_secs(60), "given up after {:?}", started.elapsed());
                let words = format!("{} requests without an answer", proxy.done());
                assert!(proxy.done() > 0 && bench.output.contains(&words), "{words}: {}", bench.output);
                assert!(bench.output.contains("produced  NOTHING"), "{}", bench.output);
                no_figure(&bench);
                let report = bench.report.unwrap();
                assert!(report.produced.requests == 0 && report.latency.count == 0 && report.latency.ms("p99").is_none());
            });
        }
    });
}

#[test]
fn a_broker_that_refuses_everything_ends_the_run_early() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let broker = Broker::start(&[]);
    let proxy = Proxy::start(broker.port(), Fault::Refuse { at: 1, count: u64::MAX, code: 56 });
    let address = proxy.address();
    let bench = bench(&long_open_loop(&address, &[]));
    assert!(!bench.ok && bench.output.starts_with("PARTIAL: ended after"), "{}", bench.output);
    let words = "by the broker, which refused everything for 3 seconds, with KAFKA_STORAGE_ERROR (56)";
    assert!(bench.output.contains(words) && bench.output.contains("produced  NOTHING"), "{}", bench.output);
    let report = bench.report.unwrap();
    assert!(report.partial && report.produced.requests == 0 && report.latency.count == 0);
    assert!((3.0..60.0).contains(&report.measured_s), "ended after {} s", report.measured_s);
    assert!(report.errors["KAFKA_STORAGE_ERROR (56)"] >= 400, "{:?}", report.errors);
}

/// Free space that the disk of the tests must have for one of them to fill a part of it.
const SPACE_BYTES_MIN: u64 = 20 << 30;
/// How far above the bound free space is when the run begins, and below it when the disk is full: others use the disk, too.
const MARGIN_BYTES: u64 = 4 << 30;

/// A disk that fills while the run lasts: one run is ended by the harness, which watches the broker's disk, the other by the
/// broker, which refuses. Both say why, and mark what they print.
#[test]
fn a_disk_that_fills_ends_the_run() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let folder = place::folder("bench");
    let free = || {
        let stat = rustix::fs::statvfs(folder.path()).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    if free() < SPACE_BYTES_MIN {
        eprintln!("skipped: fewer than 20 GiB free, to fill 8 of them");
        return;
    }
    let bound = free() - MARGIN_BYTES;
    let broker = Broker::start(&[&format!("corelog.disk.reserve.bytes={bound}")]);
    let (address, min_free) = (broker.address(), bound.to_string());
    let (refused, watched) = std::thread::scope(|scope| {
        let refused = scope.spawn(|| bench(&long_open_loop(&address, &[])));
        let watched = scope.spawn(|| bench(&long_open_loop(&address, &["--min-free", &min_free])));
        std::thread::sleep(Duration::from_secs(4));
        let filler = std::fs::File::create(folder.path().join("filler")).unwrap();
        let size = free().saturating_sub(bound) + MARGIN_BYTES;
        rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, size).unwrap();
        (refused.join().unwrap(), watched.join().unwrap())
    });
    std::fs::remove_file(folder.path().join("filler")).unwrap();
    for (bench, words) in [(&refused, "the broker, which refused everything for 3 seconds, with KAFKA_STORAGE_ERROR (56): the log directory has"), (&watched, "by the disk: ")] {
        assert!(!bench.ok && bench.output.starts_with("PARTIAL: ended after"), "{}", bench.output);
        assert!(bench.output.contains(words), "not {words}: {}", bench.output);
        let report = bench.report.as_ref().unwrap();
        assert!(report.partial && report.ended_by.is_some() && report.produced.requests > 100, "{}", bench.output);
    }
    assert!(refused.output.contains("fewer than corelog.disk.reserve.bytes"), "{}", refused.output);
}

#[test]
fn a_scenario_is_searched_reported_and_held_against_another_result() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let broker = Broker::start(&[]);
    let folder = place::folder("bench");
    let run = |words: &str| {
        let process = start(folder.path(), &words.split(' ').collect::<Vec<_>>());
        finish(process, folder.path())
    };
    let typo = "title = 't'\nabout = 'a'\nlimit = 'l'\n[load]\npartitons = 3\n";
    std::fs::write(folder.path().join("typo.toml"), typo).unwrap();
    let refused = run("scenario typo.toml");
    assert!(!refused.ok && refused.output.contains("line 5: partitons is no key here, did you mean partitions?"), "{}", refused.output);
    let two = "title = 'two'\nabout = 'a'\nlimit = 'l'\n[load]\nrate = 100\nbatch-bytes = '1KiB'\nwarmup = '0s'\nduration = '5s'\n\
               [search]\nslo-p99 = '2s'\nfrom = 50\nto = 100\n[[case]]\nname = 'one'\n[[case]]\nname = 'beside'\nagainst = 'one'\n\
               [case.beside]\nstart = '1s'\nload = { rate = 50, partitions = 20, duration = '1s' }\n\
               [[target]]\nfigure = 'requests/s'\ncase = 'beside'\nof-case = 'one'\nat-least = 0.9\n";
    std::fs::write(folder.path().join("two.toml"), two).unwrap();
    let bootstrap = broker.address();
    let both = run(&format!("scenario two.toml --json first.json --html first.html --bootstrap {bootstrap}"));
    assert!(both.ok && both.output.contains("MET    requests/s (beside) over one >= 0.9x: "), "{}", both.output);
    assert!(run(&format!("scenario two.toml --json second.json --bootstrap {bootstrap}")).ok);
    let searched = run(&format!("search --scenario two.toml --duration 2s --html search.html --bootstrap {bootstrap}"));
    assert!(searched.ok && searched.output.contains("knee: 100 requests/s"), "{}", searched.output);
    let compared = run("report first.json second.json --html both.html");
    assert!(compared.ok && compared.output.contains("95 % interval"), "{}", compared.output);
    for page in ["first.html", "search.html", "both.html"] {
        let html = std::fs::read_to_string(folder.path().join(page)).unwrap();
        let outside = ["<script", "<link", "src=", "href=", "url(", "@import"].into_iter().find(|word| html.contains(word));
        assert!(html.contains("<svg") && outside.is_none(), "{page} does not stand alone: {outside:?}");
    }
    let beside = Document::read(&folder.path().join("first.json")).unwrap();
    let besides: Vec<bool> = beside.runs().iter().map(|run| run.beside.as_ref().is_some_and(|run| run.produced.requests > 0)).collect();
    assert_eq!(besides, [false, true]);
}
