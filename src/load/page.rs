//! A result as one HTML page: no script, nothing fetched, readable in ten years.

use std::fmt::Write;

use super::{
    compare::{CaseRuns, Comparison, METRICS, headline},
    compare_table::{figure, show},
    contrast::{Contrast, Pair},
    document::Document,
    environment::Host,
    plot::{Chart, Line, Scale, escape},
    report::{Durations, QUANTILES, RunReport, SecondReport},
    search::{Point, SearchReport},
};

const STYLE: &str = "
:root{color-scheme:light dark;--line:#8886;--soft:#8882;--bad:#c62828}
body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid var(--line)}h3{font-size:1rem}
table{border-collapse:collapse;margin:.8rem 0;font-variant-numeric:tabular-nums;display:block;overflow-x:auto}
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid var(--soft);white-space:nowrap}
th:first-child,td:first-child{text-align:left}
figure{margin:1.2rem 0}figcaption{font-weight:600}svg{width:100%;height:auto}
svg text{font:11px system-ui,sans-serif;fill:currentColor}
.grid{stroke:var(--soft);fill:none}.bound{stroke:var(--bad);stroke-dasharray:5 4;fill:none}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.legend span{margin-right:1.2rem}.legend i{display:inline-block;width:.8rem;height:.8rem;margin-right:.4rem;border-radius:2px}
.bad{color:var(--bad);font-weight:600}.note{opacity:.75}pre{overflow-x:auto}
summary{cursor:pointer}
";

/// The page of a result.
pub fn page(document: &Document) -> String {
    let mut out = head("corelog bench");
    // Writing into a string cannot fail.
    let _ = part(&mut out, document);
    out.push_str("</body></html>\n");
    out
}

/// The page of two results.
pub fn contrast(contrast: &Contrast) -> String {
    let mut out = head("corelog bench: two results");
    let _ = write_contrast(&mut out, contrast);
    out.push_str("</body></html>\n");
    out
}

fn head(title: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{0}</title><style>{STYLE}</style></head><body>\n<h1>{0}</h1>\n",
        escape(title)
    )
}

fn part(out: &mut String, document: &Document) -> std::fmt::Result {
    match document {
        Document::Run(run) => {
            writeln!(out, "<h2>One run</h2>")?;
            write_run(out, run)
        }
        Document::Comparison(comparison) => write_comparison(out, comparison),
        Document::Search(search) => write_search(out, search),
        Document::Set(set) => set.parts.iter().try_for_each(|document| part(out, document)),
    }
}

fn faults(out: &mut String, faults: &[String]) -> std::fmt::Result {
    faults.iter().try_for_each(|fault| writeln!(out, "<p class=\"bad\">FAULT {}</p>", escape(fault)))
}

fn write_run(out: &mut String, run: &RunReport) -> std::fmt::Result {
    if run.partial {
        let cause = run.ended_by.as_deref().unwrap_or("an unknown cause");
        writeln!(out, "<p class=\"bad\">PARTIAL: ended after {:.1} s by {}</p>", run.measured_s, escape(cause))?;
    }
    faults(out, &run.faults())?;
    writeln!(out, "<p>{}: {}.</p>", escape(&run.identity.product), run.identity.durability.words())?;
    writeln!(out, "<table>")?;
    for metric in METRICS {
        if let Some(value) = metric.of(run) {
            writeln!(out, "<tr><td>{}</td><td>{}</td></tr>", metric.name, figure(value))?;
        }
    }
    writeln!(out, "</table><p>Limit: {}.</p>", run.limit.words())?;
    percentiles_table(out, run)?;
    let mut lines = Vec::new();
    for (name, durations) in latencies(run) {
        lines.push(percentile_line(lines.len(), name, durations));
    }
    out.push_str(&percentile_chart(lines));
    for chart in over_time(&[("", vec![run])]) {
        out.push_str(&chart.html());
    }
    if let Some(ceilings) = &run.ceilings {
        writeln!(out, "<h3>Ceilings of this host</h3><p>{}</p><table>", escape(&ceilings.words()))?;
        for (name, percent) in ceilings.shares(run) {
            writeln!(out, "<tr><td>{name}</td><td>{percent:.0} %</td></tr>")?;
        }
        writeln!(out, "</table>")?;
    }
    if let Some(beside) = &run.beside {
        writeln!(out, "<details><summary>The load beside it</summary><pre>{}</pre></details>", escape(&super::table::table(beside)))?;
    }
    writeln!(out, "<details><summary>As text</summary><pre>{}</pre></details>", escape(&super::table::table(run)))?;
    environment(out, run)
}

/// The latencies that a run has, by name.
fn latencies(run: &RunReport) -> Vec<(&'static str, &Durations)> {
    let open = run.load.arrivals.is_some();
    let all = [
        (if open { "from the intended send time" } else { "from the send (closed loop)" }, &run.latency, true),
        ("from the actual send", &run.service, open),
        ("to the consumer", &run.end_to_end, true),
    ];
    let shown = all.into_iter().filter(|(_, durations, wanted)| *wanted && !durations.quantiles_ns.is_empty());
    shown.map(|(name, durations, _)| (name, durations)).collect()
}

fn percentiles_table(out: &mut String, run: &RunReport) -> std::fmt::Result {
    let rows = latencies(run);
    if rows.is_empty() {
        return writeln!(out, "<p class=\"bad\">No percentiles: the rate was not reached, or nothing was answered.</p>");
    }
    write!(out, "<table><tr><th>ms</th>")?;
    QUANTILES.iter().try_for_each(|(name, _)| write!(out, "<th>{name}</th>"))?;
    writeln!(out, "</tr>")?;
    for (name, durations) in rows {
        write!(out, "<tr><td>{name}</td>")?;
        for (quantile, _) in QUANTILES {
            write!(out, "<td>{}</td>", durations.ms(quantile).map_or_else(|| "-".to_owned(), figure))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</table>")
}

/// A line through the quantiles of a distribution, to the last one that a sample stands for.
fn percentile_line(colour: usize, name: &str, durations: &Durations) -> Line {
    let mut points = Vec::new();
    if let Some(histogram) = durations.histogram().filter(|histogram| !histogram.is_empty()) {
        let last = (histogram.len() as f64).log10();
        let steps = (last * 20.0).ceil().max(1.0) as u32;
        for step in 0..=steps {
            let quantile = 1.0 - 10_f64.powf(-(last * f64::from(step) / f64::from(steps)));
            points.push((quantile, histogram.value_at_quantile(quantile) as f64 / 1e6));
        }
    }
    Line { name: name.to_owned(), colour, points }
}

fn percentile_chart(lines: Vec<Line>) -> String {
    let chart = Chart {
        title: "Latency by percentile".to_owned(),
        x: ("percentile".to_owned(), Scale::Nines),
        y: ("ms".to_owned(), Scale::Log),
        lines,
        bounds: Vec::new(),
        dots: false,
    };
    chart.html()
}

/// What is drawn second by second.
struct Course {
    title: &'static str,
    unit: &'static str,
    scale: Scale,
    lines: &'static [Shown],
}

/// The name of a line, empty for a single one, and what it shows.
type Shown = (&'static str, fn(&SecondReport) -> Option<f64>);

const COURSES: [Course; 5] = [
    Course {
        title: "Throughput",
        unit: "MB/s",
        scale: Scale::Linear,
        lines: &[("produced", |s| positive(s.produced_mb)), ("fetched", |s| positive(s.fetched_mb))],
    },
    Course {
        title: "Latency",
        unit: "ms",
        scale: Scale::Log,
        lines: &[("p50", |s| ms(s.p50_ns)), ("p99", |s| ms(s.p99_ns)), ("max", |s| ms(s.max_ns))],
    },
    Course { title: "Broker's CPU", unit: "CPU s/s", scale: Scale::Linear, lines: &[("", |s| s.broker_cpu_s)] },
    Course {
        title: "Written to the device by the broker",
        unit: "MB/s",
        scale: Scale::Linear,
        lines: &[("", |s| s.broker_written_bytes.map(|bytes| bytes as f64 / 1e6))],
    },
    Course {
        title: "Broker's memory",
        unit: "MB",
        scale: Scale::Linear,
        lines: &[("", |s| s.broker_resident_bytes.map(|bytes| bytes as f64 / 1e6))],
    },
];

fn positive(value: f64) -> Option<f64> {
    (value > 0.0).then_some(value)
}

fn ms(ns: Option<u64>) -> Option<f64> {
    ns.map(|ns| ns as f64 / 1e6)
}

/// Charts over the seconds of runs; those of one name have one colour.
fn over_time(runs: &[(&str, Vec<&RunReport>)]) -> Vec<Chart> {
    let chart = |course: &Course| {
        let mut lines = Vec::new();
        let mut colour = 0;
        for (whose, runs) in runs {
            for (what, of) in course.lines {
                let name: Vec<&str> = [*whose, *what].into_iter().filter(|part| !part.is_empty()).collect();
                let name = if name.is_empty() { course.title.to_owned() } else { name.join(", ") };
                let mut shown = false;
                for run in runs {
                    let point = |second: &SecondReport| (second.at as f64 + 0.5, of(second).unwrap_or(f64::NAN));
                    let points: Vec<_> = run.seconds.iter().map(point).collect();
                    if points.iter().any(|point| point.1.is_finite()) {
                        shown = true;
                        lines.push(Line { name: name.clone(), colour, points });
                    }
                }
                colour += usize::from(shown);
            }
        }
        let (x, y) = (("seconds".to_owned(), Scale::Linear), (course.unit.to_owned(), course.scale));
        Chart { title: course.title.to_owned(), x, y, lines, bounds: Vec::new(), dots: false }
    };
    COURSES.iter().map(chart).collect()
}

fn environment(out: &mut String, run: &RunReport) -> std::fmt::Result {
    let Host { cpu, cores, memory_bytes, kernel, governor, clocksource, transparent_huge_pages } = &run.host;
    let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let mut rows = vec![
        ("harness", format!("corelog {}", run.harness_version)),
        ("CPU", format!("{}, {cores} cores", told(cpu))),
        ("memory", memory_bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.1} GB", bytes as f64 / 1e9))),
        ("kernel", told(kernel)),
        ("governor", told(governor)),
        ("clock", told(clocksource)),
        ("huge pages", told(transparent_huge_pages)),
    ];
    if let Some(storage) = &run.identity.storage {
        let cache = storage.write_cache.as_deref().unwrap_or("cache unknown");
        let words = format!("{} on {} ({cache}), {}", told(&storage.filesystem), told(&storage.device), storage.path);
        rows.push(("storage", words));
    }
    if let Some(broker) = &run.broker {
        rows.push(("broker", format!("pid {} on cores {}: {}", broker.pid, broker.cores, broker.command)));
    }
    writeln!(out, "<details><summary>Environment and settings</summary><table>")?;
    for (name, value) in rows {
        writeln!(out, "<tr><td>{name}</td><td>{}</td></tr>", escape(&value))?;
    }
    writeln!(out, "</table>")?;
    let load = serde_json::to_string_pretty(&run.load).unwrap_or_default();
    writeln!(out, "<h3>Load</h3><pre>{}</pre>", escape(&load))?;
    for (name, configs) in [("Topic", &run.identity.topic_configs), ("Broker", &run.identity.broker_configs)] {
        writeln!(out, "<h3>{name} configuration</h3><pre>")?;
        configs.iter().try_for_each(|(key, value)| writeln!(out, "{}={}", escape(key), escape(value)))?;
        writeln!(out, "</pre>")?;
    }
    writeln!(out, "</details>")
}

fn write_comparison(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    writeln!(out, "<h2>{}</h2>", escape(&comparison.title))?;
    comparison.about.lines().try_for_each(|line| writeln!(out, "<p>{}</p>", escape(line)))?;
    faults(out, &comparison.faults())?;
    if let Some(ceilings) = &comparison.ceilings {
        writeln!(out, "<p>Ceilings of this host: {}.</p>", escape(&ceilings.words()))?;
    }
    let verdicts = comparison.verdicts();
    if !verdicts.is_empty() {
        writeln!(out, "<h3>Targets</h3><ul>")?;
        for verdict in verdicts {
            let class = if verdict.met { "" } else { " class=\"bad\"" };
            writeln!(out, "<li{class}>{}</li>", escape(&verdict.words()))?;
        }
        writeln!(out, "</ul>")?;
    }
    for case in &comparison.cases {
        write_case(out, comparison, case)?;
    }
    writeln!(out, "<details><summary>As text</summary><pre>{}</pre></details>", escape(&comparison.table()))?;
    match comparison.of_first().next() {
        Some(run) => environment(out, run),
        None => Ok(()),
    }
}

fn write_case(out: &mut String, comparison: &Comparison, case: &CaseRuns) -> std::fmt::Result {
    let Some(first) = case.turns.first() else { return Ok(()) };
    if !case.name.is_empty() {
        writeln!(out, "<h3>{}</h3>", escape(&case.name))?;
    }
    write!(out, "<table><tr><th></th>")?;
    for (name, run) in comparison.contestants.iter().zip(first) {
        write!(out, "<th>{} [{}]</th>", escape(name), run.identity.durability.label())?;
    }
    let leader = comparison.contestants.first().map_or("", String::as_str);
    for name in comparison.contestants.iter().skip(1) {
        write!(out, "<th>{}</th>", escape(&format!("{leader}/{name}")))?;
    }
    writeln!(out, "</tr>")?;
    for metric in METRICS {
        let columns: Vec<_> = (0..first.len()).map(|at| case.spread(at, metric)).collect();
        if columns.iter().all(Option::is_none) {
            continue;
        }
        write!(out, "<tr><td>{}</td>", metric.name)?;
        columns.into_iter().try_for_each(|spread| write!(out, "<td>{}</td>", show(spread, "")))?;
        (1..first.len()).try_for_each(|other| write!(out, "<td>{}</td>", show(case.ratio(0, (case, other), metric), "x")))?;
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</table><p class=\"note\">Medians (lowest to highest) of {} turns; ratios are taken within each turn.</p>", case.turns.len())?;
    let of = |at: usize| case.turns.iter().filter_map(|turn| turn.get(at)).collect::<Vec<_>>();
    let runs: Vec<(&str, Vec<&RunReport>)> = comparison.contestants.iter().enumerate().map(|(at, name)| (name.as_str(), of(at))).collect();
    out.push_str(&percentile_chart(lines_of(&runs)));
    for chart in over_time(&runs) {
        out.push_str(&chart.html());
    }
    Ok(())
}

/// The headline latencies of all runs; those of one name in one colour.
fn lines_of(runs: &[(&str, Vec<&RunReport>)]) -> Vec<Line> {
    let lines = runs.iter().enumerate().flat_map(|(colour, (name, runs))| {
        let shown = runs.iter().map(|run| headline(run)).filter(|durations| !durations.quantiles_ns.is_empty());
        shown.map(move |durations| percentile_line(colour, name, durations))
    });
    lines.collect()
}

fn write_search(out: &mut String, search: &SearchReport) -> std::fmt::Result {
    writeln!(out, "<h2>{}</h2>", escape(&search.title))?;
    faults(out, &search.faults())?;
    let knee = search.knee_per_s.map_or_else(|| "no rate was held".to_owned(), |knee| format!("{knee:.0} requests/s"));
    writeln!(out, "<p>Highest rate with p99 at most {} ms, 99 % achieved and nothing piling up: <b>{knee}</b>.</p>", search.slo_p99_ms)?;
    let mut points: Vec<&Point> = search.points.iter().collect();
    points.sort_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s));
    let line = |colour: usize, name: &str| Line {
        name: name.to_owned(),
        colour,
        points: points.iter().map(|point| (point.offered_per_s, point.quantiles_ms.get(name).copied().unwrap_or(f64::NAN))).collect(),
    };
    let latency = Chart {
        title: "Latency by rate (the knee)".to_owned(),
        x: ("requests a second, offered".to_owned(), Scale::Linear),
        y: ("ms from the intended send time".to_owned(), Scale::Log),
        lines: ["p50", "p99", "p99.9"].iter().enumerate().map(|(colour, name)| line(colour, name)).collect(),
        bounds: vec![(search.slo_p99_ms, format!("p99 <= {} ms", search.slo_p99_ms))],
        dots: true,
    };
    out.push_str(&latency.html());
    let achieved = Chart {
        title: "Achieved rate".to_owned(),
        x: ("requests a second, offered".to_owned(), Scale::Linear),
        y: ("requests a second, achieved".to_owned(), Scale::Linear),
        lines: vec![Line {
            name: "achieved (no latency is shown above where less than 99 % was)".to_owned(),
            colour: 0,
            points: points.iter().map(|point| (point.offered_per_s, point.achieved_per_s)).collect(),
        }],
        bounds: Vec::new(),
        dots: true,
    };
    out.push_str(&achieved.html());
    writeln!(out, "<pre>{}</pre>", escape(&search.table()))?;
    match &search.best {
        Some(best) => {
            writeln!(out, "<h3>The run at the knee</h3>")?;
            write_run(out, best)
        }
        None => Ok(()),
    }
}

fn write_contrast(out: &mut String, contrast: &Contrast) -> std::fmt::Result {
    writeln!(out, "<p>A: {}<br>B: {}</p>", escape(&contrast.names[0]), escape(&contrast.names[1]))?;
    contrast.pairs.iter().try_for_each(|pair| write_pair(out, pair))?;
    for name in &contrast.unpaired {
        writeln!(out, "<p>Only in one of both: {}</p>", escape(name))?;
    }
    Ok(())
}

fn write_pair(out: &mut String, pair: &Pair) -> std::fmt::Result {
    writeln!(out, "<h2>{}</h2>", escape(if pair.name.is_empty() { "One load" } else { &pair.name }))?;
    writeln!(out, "<p>A: {}<br>B: {}</p>", escape(&pair.brokers[0]), escape(&pair.brokers[1]))?;
    for difference in &pair.differences {
        writeln!(out, "<p class=\"bad\">Not the same load: {}</p>", escape(difference))?;
    }
    writeln!(out, "<table><tr><th></th><th>A</th><th>B</th><th>B/A</th><th>95 % interval</th><th></th></tr>")?;
    for change in &pair.changes {
        let interval = change.interval.map_or_else(|| "-".to_owned(), |[low, high]| format!("{low:.3} to {high:.3}"));
        let [a, b] = change.values.map(figure);
        let class = if change.verdict() == "worse" { " class=\"bad\"" } else { "" };
        writeln!(
            out,
            "<tr><td>{}</td><td>{a}</td><td>{b}</td><td>{:.3}x</td><td>{interval}</td><td{class}>{}</td></tr>",
            change.figure,
            change.ratio(),
            change.verdict()
        )?;
    }
    writeln!(out, "</table>")?;
    let runs: Vec<(&str, Vec<&RunReport>)> = ["A", "B"].into_iter().zip(&pair.runs).map(|(name, runs)| (name, runs.iter().collect())).collect();
    out.push_str(&percentile_chart(lines_of(&runs)));
    for chart in over_time(&runs) {
        out.push_str(&chart.html());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunReport {
        let mut run = RunReport::blank();
        run.identity.product = "<b>broker</b>".to_owned();
        run.identity.broker_configs.insert("log.dirs".to_owned(), "</pre><script>alert(1)</script>".to_owned());
        let mut histogram = super::super::tally::histogram();
        (1..=100_000_u64).for_each(|sample| histogram.record(sample * 1000).unwrap());
        run.latency = Durations::new(&histogram, true);
        run
    }

    #[test]
    fn a_page_stands_alone_and_shows_what_brokers_say_as_text() {
        let html = page(&Document::Run(Box::new(run())));
        for outside in ["http://", "https://", "<script", "<link", "@import", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(html.contains("&lt;b&gt;broker&lt;/b&gt;") && html.contains("99.99 %") && html.ends_with("</html>\n"));
    }

    #[test]
    fn the_percentile_line_ends_at_its_largest_sample() {
        let run = run();
        let line = percentile_line(0, "x", &run.latency);
        let (last, ms) = line.points.last().copied().unwrap();
        assert!((last - 0.99999).abs() < 1e-9 && (ms - 100.0).abs() < 0.2, "{last} {ms}");
        assert!(line.points.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }
}
