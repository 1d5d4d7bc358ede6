//! Line charts as inline SVG: axes, ticks, lines. No script, no font, no colour but those of the page.

use std::fmt::Write;

/// Pixels of the whole chart, and of its margins.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 44.0;
/// Told apart also by those who see few colours, on light and dark.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f"];

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    Linear,
    Log,
    /// Quantiles, 0 to 1: each nine takes the same room.
    Nines,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.max(1e-9).log10(),
            Self::Nines => -(1.0 - value).max(1e-9).log10(),
        }
    }

    /// The range of an axis that shows `values`.
    fn range(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            let at = self.place(value);
            (low, high) = (low.min(at), high.max(at));
        }
        if low > high {
            return (0.0, 1.0);
        }
        match self {
            // From zero, so that a difference looks as large as it is.
            Self::Linear => (low.min(0.0), if high > 0.0 { high * 1.05 } else { 1.0 }),
            Self::Log => (low.floor(), if high.ceil() > low.floor() { high.ceil() } else { high.ceil() + 1.0 }),
            Self::Nines => (0.0, high.max(1.0)),
        }
    }

    fn ticks(self, (low, high): (f64, f64)) -> Vec<(f64, String)> {
        match self {
            Self::Linear => {
                let step = nice((high - low) / 5.0);
                let first = (low / step).ceil() as i64;
                (first..).map(|at| at as f64 * step).take_while(|value| *value <= high).map(|value| (value, short(value))).collect()
            }
            Self::Log => {
                let inner: &[f64] = if high - low <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let decades = low as i32..=high as i32;
                let values = decades.flat_map(|decade| inner.iter().map(move |digit| digit * 10_f64.powi(decade)));
                values.map(|value| (value.log10(), short(value))).filter(|(at, _)| *at <= high + 1e-9).collect()
            }
            Self::Nines => {
                let nines = (1..=(high + 1e-6).floor() as i32).map(|nines| {
                    let decimals = (nines - 2).max(0) as usize;
                    (f64::from(nines), format!("{:.decimals$} %", 100.0 * (1.0 - 10_f64.powi(-nines))))
                });
                [(0.0, "0 %".to_owned()), (Self::Nines.place(0.5), "50 %".to_owned())].into_iter().chain(nines).collect()
            }
        }
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(1e-12).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|value| *value >= step * 0.999).unwrap_or(power)
}

/// A number for a tick.
fn short(value: f64) -> String {
    let scaled = |by: f64, unit: &str| format!("{}{unit}", (value / by * 1000.0).round() / 1000.0);
    match value.abs() {
        size if size >= 1e9 => scaled(1e9, "G"),
        size if size >= 1e6 => scaled(1e6, "M"),
        size if size >= 1e4 => scaled(1e3, "k"),
        size if size >= 1e-3 || size == 0.0 => scaled(1.0, ""),
        _ => format!("{value:e}"),
    }
}

/// Points in a row; one that is not finite leaves a gap.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    /// Lines of the same colour belong together, and only the first is named.
    pub(super) colour: usize,
    pub(super) points: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) x: (String, Scale),
    pub(super) y: (String, Scale),
    pub(super) lines: Vec<Line>,
    /// Horizontal bounds.
    pub(super) bounds: Vec<(f64, String)>,
    /// Shows each point.
    pub(super) dots: bool,
}

impl Chart {
    /// The chart as HTML; nothing if there is nothing to show.
    pub(super) fn html(&self) -> String {
        let mut out = String::new();
        if self.lines.iter().any(|line| line.points.iter().any(|point| point.1.is_finite())) {
            // Writing into a string cannot fail.
            let _ = self.write(&mut out);
        }
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let points = || self.lines.iter().flat_map(|line| &line.points).filter(|point| point.1.is_finite());
        let x_range = self.x.1.range(points().map(|point| point.0));
        let y_range = self.y.1.range(points().map(|point| point.1).chain(self.bounds.iter().map(|bound| bound.0)));
        let along = |at: f64, (low, high): (f64, f64)| (at - low) / (high - low).max(1e-12);
        let x_of = |at: f64| LEFT + along(at, x_range) * (WIDTH - LEFT - RIGHT);
        let y_of = |at: f64| HEIGHT - BOTTOM - along(at, y_range) * (HEIGHT - TOP - BOTTOM);
        writeln!(out, "<figure><figcaption>{}</figcaption>", escape(&self.title))?;
        writeln!(out, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", escape(&self.title))?;
        for (at, name) in self.x.1.ticks(x_range) {
            let x = x_of(at);
            let (bottom, below) = (HEIGHT - BOTTOM, HEIGHT - BOTTOM + 16.0);
            writeln!(out, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/><text x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{name}</text>")?;
        }
        for (at, name) in self.y.1.ticks(y_range) {
            let (y, right, beside) = (y_of(at), WIDTH - RIGHT, LEFT - 6.0);
            writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/><text x=\"{beside}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>", y + 4.0)?;
        }
        let (middle, last) = (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 8.0);
        writeln!(out, "<text x=\"{middle}\" y=\"{last}\" text-anchor=\"middle\">{}</text>", escape(&self.x.0))?;
        let half = f64::midpoint(TOP, HEIGHT - BOTTOM);
        writeln!(out, "<text transform=\"translate(12 {half}) rotate(-90)\" text-anchor=\"middle\">{}</text>", escape(&self.y.0))?;
        for (value, name) in &self.bounds {
            let y = y_of(self.y.1.place(*value));
            let right = WIDTH - RIGHT;
            writeln!(out, "<path class=\"bound\" d=\"M{LEFT} {y:.1}H{right}\"/><text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", y - 4.0, escape(name))?;
        }
        for line in &self.lines {
            let colour = COLOURS[line.colour % COLOURS.len()];
            let mut path = String::new();
            let mut pen = 'M';
            for (x, y) in &line.points {
                if !y.is_finite() {
                    pen = 'M';
                    continue;
                }
                let (x, y) = (x_of(self.x.1.place(*x)), y_of(self.y.1.place(*y)));
                write!(path, "{pen}{x:.1} {y:.1}")?;
                pen = 'L';
                if self.dots {
                    writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>")?;
                }
            }
            writeln!(out, "<path class=\"line\" stroke=\"{colour}\" d=\"{path}\"/>")?;
        }
        writeln!(out, "</svg><div class=\"legend\">")?;
        let mut named = Vec::new();
        for line in &self.lines {
            if !named.contains(&line.colour) {
                named.push(line.colour);
                let colour = COLOURS[line.colour % COLOURS.len()];
                writeln!(out, "<span><i style=\"background:{colour}\"></i>{}</span>", escape(&line.name))?;
            }
        }
        writeln!(out, "</div></figure>")
    }
}

/// `text` as HTML shows it.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let names = |scale: Scale, values: &[f64]| {
            let range = scale.range(values.iter().copied());
            scale.ticks(range).into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(Scale::Linear, &[3.0, 97.0]), ["0", "50", "100"]);
        assert_eq!(names(Scale::Linear, &[0.0, 43_000.0]), ["0", "10k", "20k", "30k", "40k"]);
        assert_eq!(names(Scale::Log, &[0.12, 0.7]), ["0.1", "0.2", "0.5", "1"]);
        assert_eq!(names(Scale::Nines, &[0.0, 0.999]), ["0 %", "50 %", "90 %", "99 %", "99.9 %"]);
    }

    #[test]
    fn nothing_that_is_shown_is_taken_for_markup() {
        let line = Line { name: "<script>".into(), colour: 0, points: vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)] };
        let chart = Chart {
            title: "a \"b\" & c".into(),
            x: ("s".into(), Scale::Linear),
            y: ("ms".into(), Scale::Log),
            lines: vec![line],
            bounds: vec![(2.0, "<bound>".into())],
            dots: true,
        };
        let html = chart.html();
        assert!(!html.contains("<script>") && !html.contains("<bound>") && html.contains("a &quot;b&quot; &amp; c"), "{html}");
        assert_eq!(html.matches("<circle").count(), 2);
        assert!(!html.contains("NaN") && !html.contains("inf"));
        assert_eq!(Chart { lines: Vec::new(), ..chart }.html(), "");
    }
}
