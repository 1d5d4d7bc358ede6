//! A run as text for a terminal.

use std::fmt::Write;

use super::report::{Durations, QUANTILES, Rates, RunReport, SecondReport};

/// The table of one run.
pub fn table(report: &RunReport) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = write_table(&mut out, report);
    out
}

fn write_table(out: &mut String, report: &RunReport) -> std::fmt::Result {
    let load = &report.load;
    if report.partial {
        let cause = report.ended_by.as_deref().unwrap_or("an unknown cause");
        writeln!(out, "PARTIAL: ended after {:.1} of {:.1} s by {cause}", report.measured_s, load.duration_ms as f64 / 1e3)?;
    }
    writeln!(out, "broker    {} at {}, {}", report.identity.product, load.bootstrap, report.identity.durability.words())?;
    if load.producers > 0 {
        writeln!(
            out,
            "load      {} connections x {} in flight, {} partitions, batches of {} bytes ({} records), acks={}{}{}",
            load.producers,
            load.in_flight,
            load.partitions,
            load.batch_bytes,
            load.batch_records,
            load.acks,
            if load.idempotent { ", idempotent" } else { "" },
            if load.codec == "none" { String::new() } else { format!(", {}", load.codec) },
        )?;
        let arrivals = load.arrivals.as_deref().unwrap_or("closed loop (max throughput; latencies omit what a slow broker kept from being sent)");
        writeln!(out, "arrivals  {arrivals}")?;
        rates(out, "produced", &report.produced)?;
    }
    if let Some(fetch) = &load.fetch {
        let share = if fetch.fan_out { ", each reads all" } else { "" };
        let cold = if fetch.cold { ", cold" } else { "" };
        writeln!(out, "consumers {}{share}{cold}, {} partitions", fetch.consumers, load.partitions)?;
        rates(out, "fetched", &report.fetched)?;
    }
    if let Some(group) = &report.group {
        let churn = if group.churn_ms > 0 { format!("one replaced every {} ms", group.churn_ms) } else { "no change".to_owned() };
        writeln!(
            out,
            "group     {} members, {churn}: {} replaced, {} rebalances, {} records delivered again, {} commits ({} refused in a change)",
            group.members, group.replaced, group.rebalances, group.redelivered, group.commits, group.commits_refused
        )?;
        latency(out, "settled", &group.settle)?;
        rates(out, "fetched", &report.fetched)?;
    }
    if let Some(kept) = report.schedule {
        let percent = 100.0 * kept.achieved_per_s / kept.offered_per_s.max(f64::MIN_POSITIVE);
        writeln!(
            out,
            "schedule  offered {:.0}/s, achieved {:.0}/s ({percent:.1} %)",
            kept.offered_per_s, kept.achieved_per_s
        )?;
        if !kept.is_reached() {
            writeln!(
                out,
                "          RATE NOT REACHED: {} requests were not sent; no percentiles, as they would not be those of the rate",
                kept.unsent
            )?;
        }
    }
    latency(out, "latency", &report.latency)?;
    if load.arrivals.is_some() {
        latency(out, "from send", &report.service)?;
    }
    latency(out, "endtoend", &report.end_to_end)?;
    cost(out, report)?;
    if report.produced.requests + report.fetched.requests > 0 {
        writeln!(out, "limit     {}", report.limit.words())?;
    }
    verdict(out, report)
}

fn rates(out: &mut String, name: &str, rates: &Rates) -> std::fmt::Result {
    if rates.requests == 0 {
        // No figure: zero would be read as one.
        return writeln!(out, "{name:<9} NOTHING: no request was answered as it should be");
    }
    writeln!(
        out,
        "{name:<9} {:.1} MB/s, {:.0} requests/s, {:.0} records/s",
        rates.mb_per_s, rates.requests_per_s, rates.records_per_s
    )
}

fn latency(out: &mut String, name: &str, latency: &Durations) -> std::fmt::Result {
    if latency.quantiles_ns.is_empty() {
        return Ok(());
    }
    write!(out, "{name:<9} ")?;
    for (quantile, _) in QUANTILES {
        if let Some(ms) = latency.ms(quantile) {
            write!(out, "{quantile} {}  ", milliseconds(ms))?;
        }
    }
    writeln!(out, "ms")
}

/// Three significant digits.
fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms >= 100.0 => format!("{ms:.0}"),
        ms if ms >= 10.0 => format!("{ms:.1}"),
        ms if ms >= 1.0 => format!("{ms:.2}"),
        ms => format!("{ms:.3}"),
    }
}

fn cost(out: &mut String, report: &RunReport) -> std::fmt::Result {
    if let Some(broker) = &report.broker {
        write!(out, "process   pid {} on cores {}", broker.pid, broker.cores)?;
        if let Some((busy, cpu_s)) = broker.busy.zip(broker.cpu_s) {
            write!(out, ", {:.0} % busy ({cpu_s:.2} CPU s)", busy * 100.0)?;
        }
        if let Some(per_gb) = broker.cpu_s_per_gb.filter(|per_gb| *per_gb > 0.0) {
            write!(out, ", {per_gb:.3} CPU s/GB ({:.2} GB/CPU s)", 1.0 / per_gb)?;
        }
        if let Some(per_request) = broker.cpu_us_per_request {
            write!(out, ", {per_request:.2} us/request")?;
        }
        writeln!(out)?;
        let mb = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), |bytes| format!("{:.0}", bytes as f64 / 1e6));
        writeln!(
            out,
            "          {} MB resident, {} MB written to the device, {} MB read from it",
            mb(broker.resident_bytes),
            mb(broker.written_bytes),
            mb(broker.read_bytes)
        )?;
    }
    let threads: Vec<String> = report.client.iter().map(|thread| format!("{:.0} %", thread.busy * 100.0)).collect();
    let cores: Vec<String> = report.load.cpus.iter().map(ToString::to_string).collect();
    let pinned = if cores.is_empty() { "not pinned".to_owned() } else { format!("cores {}", cores.join(",")) };
    writeln!(out, "client    {pinned}, busy {}", threads.join(" "))?;
    if let Some(ceilings) = &report.ceilings {
        writeln!(out, "ceilings  {}", ceilings.words())?;
        let shares: Vec<_> = ceilings.shares(report).iter().map(|(name, percent)| format!("{percent:.0} % of {name}")).collect();
        writeln!(out, "          this run: {}", shares.join(", "))?;
    }
    Ok(())
}

fn verdict(out: &mut String, report: &RunReport) -> std::fmt::Result {
    match &report.verification {
        Some(found) if found.is_clean() && !report.verification_incomplete => {
            writeln!(out, "verified  {} records: none lost, duplicated, out of order or corrupt", found.read)?;
        }
        Some(_) if report.partial => writeln!(out, "verified  not: the run was ended before everything was read")?,
        Some(_) => {}
        None if report.load.verify => writeln!(out, "verified  not: the run was ended before everything was read")?,
        None => writeln!(out, "verified  nothing (not asked for)")?,
    }
    if report.throttle_ms > 0 {
        writeln!(out, "throttled the broker asked for {} ms of silence in all, which was not kept", report.throttle_ms)?;
    }
    for fault in report.faults() {
        writeln!(out, "FAULT     {fault}")?;
    }
    Ok(())
}

/// The line that is shown while a run goes on.
pub fn live(second: &SecondReport, of_s: u64) -> String {
    let tail = second.p99_ns.map_or_else(String::new, |p99| format!(", p99 {} ms", milliseconds(p99 as f64 / 1e6)));
    let fetched = if second.fetched_mb > 0.0 { format!(", fetched {:.0} MB/s", second.fetched_mb) } else { String::new() };
    let cpu = second.broker_cpu_s.map_or_else(String::new, |cpu| format!(", broker {:.0} % CPU", cpu * 100.0));
    let errors = if second.errors > 0 { format!(", {} ERRORS", second.errors) } else { String::new() };
    format!(
        "{:>4}/{of_s} s  produced {:.0} MB/s {}/s{fetched}{tail}{cpu}{errors}",
        second.at + 1,
        second.produced_mb,
        second.produced_requests
    )
}
