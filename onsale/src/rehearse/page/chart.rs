//! Charts as inline SVG: lines over time, bars, bands that add up. No script; a title and a description say what they show.

use std::fmt::Write as _;

use super::escaped;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
/// More points than this are not to be told apart.
const POINTS_MAX: usize = 400;

/// One line or band: its name and its values.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    pub(super) values: Vec<f64>,
}

/// What is drawn, and how it is called.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    /// What the figures are, with their unit.
    pub(super) axis: &'a str,
    /// Seconds of the sale.
    pub(super) times: Vec<f64>,
    pub(super) series: Vec<Series<'a>>,
}

impl Chart<'_> {
    /// A line for each series.
    pub(super) fn lines(&self) -> String {
        let top = self.series.iter().flat_map(|series| series.values.iter().copied()).fold(0.0, f64::max);
        let frame = self.frame(top);
        let mut drawn = String::new();
        for (index, series) in self.series.iter().enumerate() {
            let points: Vec<_> = self.kept().map(|at| frame.point(self.times[at], series.values[at])).collect();
            let _ = write!(drawn, "<polyline class=\"l c{index}\" points=\"{}\"/>", points.join(" "));
        }
        self.figure(&frame, &drawn)
    }

    /// A band for each series, one upon the other.
    pub(super) fn bands(&self, top: f64) -> String {
        let frame = self.frame(top);
        let mut below = vec![0.0; self.times.len()];
        let mut drawn = String::new();
        for (index, series) in self.series.iter().enumerate() {
            let above: Vec<_> = below.iter().zip(&series.values).map(|(below, value)| below + value).collect();
            let upper: Vec<_> = self.kept().map(|at| frame.point(self.times[at], above[at])).collect();
            let mut lower: Vec<_> = self.kept().map(|at| frame.point(self.times[at], below[at])).collect();
            lower.reverse();
            let _ = write!(drawn, "<polygon class=\"b c{index}\" points=\"{} {}\"/>", upper.join(" "), lower.join(" "));
            below = above;
        }
        self.figure(&frame, &drawn)
    }

    /// So many points of the samples, evenly.
    fn kept(&self) -> impl Iterator<Item = usize> + '_ {
        let step = self.times.len().div_ceil(POINTS_MAX).max(1);
        let last = self.times.len().saturating_sub(1);
        (0..self.times.len()).filter(move |at| at % step == 0 || *at == last)
    }

    fn frame(&self, top: f64) -> Frame {
        let (from, to) = (self.times.first().copied().unwrap_or_default(), self.times.last().copied().unwrap_or(1.0));
        Frame { from, to: to.max(from + 1.0), top: if top > 0.0 { top } else { 1.0 } }
    }

    fn figure(&self, frame: &Frame, drawn: &str) -> String {
        let names = self.series.iter().enumerate().map(|(index, series)| {
            format!("<li><svg class=\"k\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"b c{index}\" width=\"12\" height=\"12\"/></svg>{}</li>", escaped(series.name))
        });
        let legend: String = if self.series.len() > 1 { names.collect() } else { String::new() };
        let peaks: Vec<_> = self
            .series
            .iter()
            .map(|series| {
                format!("{} at most {}", series.name, short(series.values.iter().copied().fold(0.0, f64::max)))
            })
            .collect();
        figure(
            self.title,
            &format!("{}. {}", self.axis, peaks.join(", ")),
            &format!("{}{drawn}", frame.axes(self.axis)),
            &legend,
        )
    }
}

/// Bars of a histogram: from, to, how many.
pub(super) fn bars(title: &str, axis: &str, bars: &[(f64, f64, f64)]) -> String {
    let top = bars.iter().map(|bar| bar.2).fold(0.0, f64::max);
    let (from, to) = (bars.first().map_or(0.0, |bar| bar.0), bars.last().map_or(1.0, |bar| bar.1));
    let frame = Frame { from, to: to.max(from + 1.0), top: if top > 0.0 { top } else { 1.0 } };
    let mut drawn = frame.axes(axis);
    for (from, to, count) in bars {
        let (x, y, end) = (frame.x(*from), frame.y(*count), frame.x(*to));
        let (width, height) = ((end - x - 1.0).max(0.5), (HEIGHT - BOTTOM - y).max(0.0));
        let _ = write!(
            drawn,
            "<rect class=\"b c0\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }
    figure(title, &format!("{axis}. The highest bar is {}.", short(top)), &drawn, "")
}

fn figure(title: &str, description: &str, drawn: &str, legend: &str) -> String {
    let (title, description) = (escaped(title), escaped(description));
    let legend = if legend.is_empty() { String::new() } else { format!("<ul class=\"legend\">{legend}</ul>") };
    format!(
        "<figure><figcaption>{title}</figcaption><svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\
         <title>{title}</title><desc>{description}</desc>{drawn}</svg>{legend}</figure>"
    )
}

/// Where figures lie on paper.
struct Frame {
    from: f64,
    to: f64,
    top: f64,
}

impl Frame {
    fn x(&self, time: f64) -> f64 {
        LEFT + (time - self.from) / (self.to - self.from) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value / self.top).min(1.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn point(&self, time: f64, value: f64) -> String {
        format!("{:.1},{:.1}", self.x(time), self.y(value))
    }

    fn axes(&self, axis: &str) -> String {
        let mut drawn = String::new();
        for value in ticks(0.0, self.top) {
            let y = self.y(value);
            let _ = write!(
                drawn,
                "<line class=\"g\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"e\" x=\"{:.1}\" \
                 y=\"{:.1}\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                short(value)
            );
        }
        for time in ticks(self.from, self.to) {
            let (x, y) = (self.x(time), HEIGHT - BOTTOM + 16.0);
            let _ = write!(drawn, "<text class=\"m\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", short(time));
        }
        if self.from < 0.0 && self.to > 0.0 {
            let x = self.x(0.0);
            let _ = write!(
                drawn,
                "<line class=\"o\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>",
                HEIGHT - BOTTOM
            );
        }
        let _ = write!(drawn, "<text class=\"a\" x=\"{LEFT}\" y=\"{:.1}\">{}</text>", HEIGHT - 6.0, escaped(axis));
        drawn
    }
}

/// Round figures from one to another, some four to eight of them.
fn ticks(from: f64, to: f64) -> impl Iterator<Item = f64> {
    let rough = (to - from).max(f64::MIN_POSITIVE) / 4.0;
    let power = 10.0_f64.powf(rough.log10().floor());
    let step = [5.0, 2.0, 1.0].into_iter().map(|times| times * power).find(|step| *step <= rough).unwrap_or(power);
    let first = (from / step).ceil();
    (0..12).map(move |tick| (first + f64::from(tick)) * step).take_while(move |tick| *tick <= to * 1.000_1)
}

/// A figure that fits beside an axis.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 10_000.0 => format!("{:.0}k", value / 1_000.0),
        size if !(1e-9..10.0).contains(&size) => format!("{:.0}", value + 0.0),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
