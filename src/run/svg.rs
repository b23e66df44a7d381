//! Line charts as SVG: for reports and for what a screen exports.
//!
//! A picture stands alone: colours, dashes and fonts are in it, it needs no script, and it follows the
//! reader's light or dark theme. Values that are not finite are ✖ marks on a strip above the plot, at
//! their step. Series differ by colour and by dash.

use std::fmt::Write as _;

use super::number::{is_finite, short};

/// Colours that people with any colour vision tell apart. Source: Okabe and Ito 2008.
pub const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c7a00"];

/// Dash patterns, in the order of the colours.
const DASHES: [&str; 7] = ["none", "7 3", "2 2", "9 3 2 3", "4 4", "12 3", "1 3"];

/// Space around the plot, in pixels: left, right, top, bottom.
const MARGIN: [f64; 4] = [64.0, 16.0, 40.0, 40.0];

/// Height of a legend's line.
const LEGEND_LINE: f64 = 16.0;

/// Ratio of largest to smallest value from which on [`Scale::Auto`] is logarithmic.
const LOG_RATIO: f64 = 50.0;

/// Values beyond this are drawn at it, so that the length of an axis is a number.
const FAR: f64 = 1e300;

/// The vertical axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Logarithmic for positive values over a wide range.
    #[default]
    Auto,
    /// Linear.
    Linear,
    /// Logarithmic; values at 0 and below lie on the lower edge.
    Log,
}

/// A line of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// (x, y), x ascending.
    pub points: Vec<(f64, f64)>,
    /// (x, least, greatest), x ascending: shaded behind the line; may be empty.
    pub band: Vec<(f64, f64, f64)>,
}

/// Something that happened at an x.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where.
    pub x: f64,
    /// What.
    pub label: String,
    /// Whether it ended the run.
    pub is_fatal: bool,
}

/// A chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Above the plot.
    pub title: String,
    /// Below the horizontal axis.
    pub x_label: String,
    /// The lines.
    pub series: Vec<Series>,
    /// Vertical lines.
    pub marks: Vec<Mark>,
    /// A horizontal line with its name, e.g. the loss of the uniform guess.
    pub level: Option<(f64, String)>,
    /// The vertical axis.
    pub scale: Scale,
    /// Whether the horizontal axis is logarithmic.
    pub is_log_x: bool,
    /// Width and height in pixels.
    pub size: (f64, f64),
}

impl Default for Chart {
    fn default() -> Self {
        let title = String::new();
        let x_label = "step".to_string();
        let (scale, size) = (Scale::Auto, (760.0, 260.0));
        Self { title, x_label, series: Vec::new(), marks: Vec::new(), level: None, scale, is_log_x: false, size }
    }
}

impl Chart {
    /// Whether there is a finite value to draw.
    pub fn has_values(&self) -> bool {
        self.series.iter().flat_map(|series| &series.points).any(|point| is_finite(point.1))
    }

    /// The `<svg>` element.
    pub fn to_svg(&self) -> String {
        let plot = Plot::new(self);
        let (width, height) = (self.size.0, plot.height);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
             aria-label=\"{}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<style>{STYLE}</style>\n",
            escape(&self.title)
        );
        plot.frame(&mut svg);
        plot.marks(&mut svg);
        for (series_ix, series) in self.series.iter().enumerate().filter(|(_, series)| series.band.len() > 1) {
            plot.band(&mut svg, series_ix, series);
        }
        for (series_ix, series) in self.series.iter().enumerate() {
            plot.line(&mut svg, series_ix, series);
        }
        plot.legend(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }
}

/// Colours of everything but the lines, in both themes.
const STYLE: &str = ".t{fill:#222}.g{stroke:#8884}.a{stroke:#888}.f{stroke:#c00;fill:#c00}.w{stroke:#a60;fill:#a60}\
    @media(prefers-color-scheme:dark){.t{fill:#ddd}.f{stroke:#f66;fill:#f66}.w{stroke:#fb5;fill:#fb5}}";

/// Text for XML and HTML.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no place for control characters, escaped or not.
            letter if letter.is_control() && letter != '\n' && letter != '\t' => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Where things go.
struct Plot<'a> {
    chart: &'a Chart,
    /// Of the axis: of logarithms, where it is logarithmic.
    x_range: (f64, f64),
    /// Of the axis, likewise.
    y_range: (f64, f64),
    is_log: bool,
    /// Of the whole picture, legend included.
    height: f64,
}

impl<'a> Plot<'a> {
    fn new(chart: &'a Chart) -> Self {
        let points = || chart.series.iter().flat_map(|series| &series.points).copied();
        let finite = || points().map(|point| point.1).filter(|&value| is_finite(value)).map(|value| value.clamp(-FAR, FAR));
        let level = chart.level.iter().map(|level| level.0);
        let bands = chart.series.iter().flat_map(|series| &series.band).flat_map(|&(_, low, high)| [low, high]);
        let all = finite().chain(level).chain(bands.filter(|&value| is_finite(value)));
        let all = all.filter(|&value| chart.scale != Scale::Log || value > 0.0);
        let (low, high) = range(all).unwrap_or((0.1, 1.0));
        let is_log = chart.scale == Scale::Log || chart.scale == Scale::Auto && low > 0.0 && high / low > LOG_RATIO;
        let (low, high) = if is_log { (low.log10(), high.log10()) } else { (low, high) };
        let pad = if high > low { 0.04 * (high - low) } else { 0.5 * high.abs().max(1e-9) };
        let xs = points().map(|point| point.0).filter(|&x| is_finite(x)).map(|x| axis_x(chart, x)).filter(|&x| is_finite(x));
        let x_range = range(xs).unwrap_or((0.0, 1.0));
        let rows = chart.series.len().div_ceil(LEGEND_COLUMNS);
        let legend = if chart.series.len() > 1 { rows as f64 * LEGEND_LINE } else { 0.0 };
        Self { chart, x_range, y_range: (low - pad, high + pad), is_log, height: chart.size.1 + legend }
    }

    fn x(&self, x: f64) -> f64 {
        let (from, to) = (MARGIN[0], self.chart.size.0 - MARGIN[1]);
        let x = axis_x(self.chart, x).max(self.x_range.0);
        from + (to - from) * (x - self.x_range.0) / (self.x_range.1 - self.x_range.0).max(f64::MIN_POSITIVE)
    }

    fn y(&self, value: f64) -> f64 {
        let (from, to) = (self.chart.size.1 - MARGIN[3], MARGIN[2]);
        let value = value.clamp(-FAR, FAR);
        let value = if self.is_log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        from + (to - from) * (value - self.y_range.0) / (self.y_range.1 - self.y_range.0).max(f64::MIN_POSITIVE)
    }

    fn frame(&self, svg: &mut String) {
        let (left, right) = (MARGIN[0], self.chart.size.0 - MARGIN[1]);
        let (top, bottom) = (MARGIN[2], self.chart.size.1 - MARGIN[3]);
        let log = if self.is_log { " (log)" } else { "" };
        let title = escape(&self.chart.title);
        let _ = writeln!(svg, "<text class=\"t\" x=\"{left}\" y=\"16\" font-weight=\"600\">{title}{log}</text>");
        for tick in ticks(self.y_range) {
            let y = from_axis(self, tick);
            let label = short(if self.is_log { 10f64.powf(tick) } else { tick });
            let _ = writeln!(svg, "<line class=\"g\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
            let _ = writeln!(svg, "<text class=\"t\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", left - 6.0, y + 4.0);
        }
        for tick in ticks(self.x_range) {
            let value = if self.chart.is_log_x { 10f64.powf(tick) } else { tick };
            let (x, y, label) = (self.x(value), bottom + 16.0, short(value));
            let _ = writeln!(svg, "<text class=\"t\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{label}</text>");
        }
        let _ = writeln!(svg, "<path class=\"a\" fill=\"none\" d=\"M{left} {top}V{bottom}H{right}\"/>");
        let (x, y) = ((left + right) / 2.0, bottom + 32.0);
        let _ = writeln!(svg, "<text class=\"t\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>", escape(&self.chart.x_label));
        if let Some((level, name)) = &self.chart.level {
            let y = self.y(*level);
            let _ = writeln!(svg, "<line class=\"a\" stroke-dasharray=\"1 4\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
            let _ = writeln!(svg, "<text class=\"t\" x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", y - 3.0, escape(name));
        }
    }

    fn marks(&self, svg: &mut String) {
        for mark in &self.chart.marks {
            if !(self.x_range.0..=self.x_range.1).contains(&axis_x(self.chart, mark.x)) {
                continue;
            }
            let class = if mark.is_fatal { "f" } else { "w" };
            let x = self.x(mark.x);
            let (top, bottom) = (MARGIN[2], self.chart.size.1 - MARGIN[3]);
            let label = escape(&mark.label);
            let _ = writeln!(
                svg,
                "<line class=\"{class}\" stroke-dasharray=\"3 3\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"><title>{label}</title></line>"
            );
            if mark.is_fatal {
                // Towards the side that has room.
                let (anchor, dx) = if x > self.chart.size.0 / 2.0 { ("end", -4.0) } else { ("start", 4.0) };
                let _ = writeln!(
                    svg,
                    "<text class=\"f\" stroke=\"none\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{label}</text>",
                    x + dx,
                    top + 10.0
                );
            }
        }
    }

    fn band(&self, svg: &mut String, series_ix: usize, series: &Series) {
        let edge = |point: (f64, f64)| format!("{:.1},{:.1}", self.x(point.0), self.y(point.1));
        let finite = || series.band.iter().filter(|(_, low, high)| is_finite(*low) && is_finite(*high));
        let there = finite().map(|&(x, low, _)| edge((x, low)));
        let back = finite().rev().map(|&(x, _, high)| edge((x, high)));
        let outline = there.chain(back).collect::<Vec<_>>().join(" ");
        let colour = COLOURS[series_ix % COLOURS.len()];
        let _ = writeln!(svg, "<polygon fill=\"{colour}\" fill-opacity=\"0.2\" points=\"{outline}\"/>");
    }

    fn line(&self, svg: &mut String, series_ix: usize, series: &Series) {
        let (colour, dash) = (COLOURS[series_ix % COLOURS.len()], DASHES[series_ix % DASHES.len()]);
        let mut path = String::new();
        let mut crosses: Vec<i64> = Vec::new();
        let mut is_joined = false;
        for (x, y) in thinned(series, |x| self.x(x).round() as i64) {
            if is_finite(y) {
                let _ = write!(path, "{}{:.1} {:.1}", if is_joined { 'L' } else { 'M' }, self.x(x), self.y(y));
                is_joined = true;
            } else {
                crosses.push(self.x(x).round() as i64);
                is_joined = false;
            }
        }
        // A point between two gaps has a length too, thanks to the round ends.
        let path = path.replace('M', " M");
        let single = if series.points.len() == 1 { "h0.1" } else { "" };
        let _ = writeln!(
            svg,
            "<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" stroke-linecap=\"round\" stroke-linejoin=\"round\" \
             stroke-dasharray=\"{dash}\" d=\"{}{single}\"/>",
            path.trim()
        );
        crosses.dedup();
        for x in crosses {
            let y = MARGIN[2] - 4.0;
            let _ = writeln!(
                svg,
                "<text class=\"f\" stroke=\"none\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">✖<title>not finite</title></text>"
            );
        }
    }

    fn legend(&self, svg: &mut String) {
        if self.chart.series.len() < 2 {
            return;
        }
        let column_width = (self.chart.size.0 - MARGIN[0]) / LEGEND_COLUMNS as f64;
        for (series_ix, series) in self.chart.series.iter().enumerate() {
            let x = MARGIN[0] + (series_ix % LEGEND_COLUMNS) as f64 * column_width;
            let y = self.chart.size.1 + (series_ix / LEGEND_COLUMNS) as f64 * LEGEND_LINE + 4.0;
            let (colour, dash) = (COLOURS[series_ix % COLOURS.len()], DASHES[series_ix % DASHES.len()]);
            let _ = writeln!(svg, "<path stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\" d=\"M{x:.1} {y:.1}h28\"/>");
            let _ = writeln!(svg, "<text class=\"t\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + 34.0, y + 4.0, escape(&series.name));
        }
    }
}

/// Names beside each other in a legend.
const LEGEND_COLUMNS: usize = 4;

/// The place of an x on the horizontal axis.
fn axis_x(chart: &Chart, x: f64) -> f64 {
    if chart.is_log_x { x.log10() } else { x }
}

fn from_axis(plot: &Plot, tick: f64) -> f64 {
    plot.y(if plot.is_log { 10f64.powf(tick) } else { tick })
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| Some(range.map_or((value, value), |(low, high): (f64, f64)| (low.min(value), high.max(value)))))
}

/// Round numbers within a range, about five.
fn ticks((low, high): (f64, f64)) -> Vec<f64> {
    let raw = (high - low) / 5.0;
    if !is_finite(raw) || raw <= 0.0 {
        return vec![low];
    }
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|&step| step >= raw).unwrap_or(raw);
    let first = (low / step).ceil() as i64;
    (first..).take(12).map(|count| count as f64 * step).take_while(|&tick| tick <= high + 1e-9 * step).collect()
}

/// The points that can be seen: of those in one column of pixels the first, the lowest, the highest
/// and the last, in their order, and of those that are not finite the first.
fn thinned(series: &Series, column: impl Fn(f64) -> i64) -> Vec<(f64, f64)> {
    let mut kept = Vec::new();
    let same_column = |a: &(f64, f64), b: &(f64, f64)| column(a.0) == column(b.0) && is_finite(a.1) == is_finite(b.1);
    for points in series.points.chunk_by(same_column) {
        let first = points[0];
        if points.len() <= 4 || !is_finite(first.1) {
            kept.extend(points.iter().take(if is_finite(first.1) { 4 } else { 1 }));
            continue;
        }
        let by_value = |a: &usize, b: &usize| points[*a].1.total_cmp(&points[*b].1);
        let lowest = (0..points.len()).min_by(by_value).unwrap_or(0);
        let highest = (0..points.len()).max_by(by_value).unwrap_or(0);
        let mut chosen = [0, lowest, highest, points.len() - 1];
        chosen.sort_unstable();
        kept.extend(chosen.into_iter().map(|point_ix| points[point_ix]));
    }
    kept
}
