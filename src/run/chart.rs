//! A line chart in text: braille dots, with a strip that marks what cannot be drawn.

use super::number::{is_finite, short};

/// Size of the plot in letters; each holds 2 × 4 dots.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// Largest over smallest value from which on the vertical axis is logarithmic.
const LOG_RATIO: f64 = 50.0;

/// Letters left of the axis.
const LABEL_WIDTH: usize = 10;

/// Bits of the dots of a braille letter, by row; Unicode block 2800.
const DOT_BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// Draws `points` of (step, value), steps ascending. Non-finite values appear as ✖ at their step.
pub fn line_chart(title: &str, points: &[(u64, f64)], size: Size) -> String {
    let Some((first_step, last_step)) = points.first().zip(points.last()) else {
        return format!("{title}: no values yet\n");
    };
    let axes = Axes::new(points, first_step.0, last_step.0, size);
    let mut canvas = Canvas { dots: vec![0; size.width * size.height], size };
    let mut previous: Option<(usize, usize)> = None;
    let mut marks = vec![' '; size.width];
    for &(step, value) in points {
        let column = axes.column(step);
        if is_finite(value) {
            let place = (column, axes.row(value));
            canvas.segment(previous.unwrap_or(place), place);
            previous = Some(place);
        } else {
            marks[column / 2] = '✖';
            previous = None;
        }
    }
    axes.frame(title, &canvas, &marks)
}

struct Axes {
    first_step: u64,
    last_step: u64,
    low: f64,
    high: f64,
    is_log: bool,
    size: Size,
}

impl Axes {
    fn new(points: &[(u64, f64)], first_step: u64, last_step: u64, size: Size) -> Self {
        let finite = || points.iter().map(|point| point.1).filter(|&value| is_finite(value));
        let low = finite().fold(f64::INFINITY, f64::min);
        let high = finite().fold(f64::NEG_INFINITY, f64::max);
        let is_log = low > 0.0 && high / low > LOG_RATIO;
        Self { first_step, last_step, low, high, is_log, size }
    }

    fn height(&self, value: f64) -> f64 {
        if self.is_log { value.ln() } else { value }
    }

    /// Dot column of a step, from the left.
    fn column(&self, step: u64) -> usize {
        let range = self.last_step.saturating_sub(self.first_step).max(1) as f64;
        let share = step.saturating_sub(self.first_step) as f64 / range;
        let last = 2 * self.size.width - 1;
        ((share * last as f64).round() as usize).min(last)
    }

    /// Dot row of a finite value, from the top.
    fn row(&self, value: f64) -> usize {
        let (low, high) = (self.height(self.low), self.height(self.high));
        let share = if high > low { (high - self.height(value)) / (high - low) } else { 0.5 };
        let last = 4 * self.size.height - 1;
        ((share * last as f64).round() as usize).min(last)
    }

    fn frame(&self, title: &str, canvas: &Canvas, marks: &[char]) -> String {
        let scale = if self.is_log { " (log scale)" } else { "" };
        let mut text = format!("{title}{scale}\n");
        for row in 0..self.size.height {
            let label = match row {
                0 if is_finite(self.high) => short(self.high),
                row if row + 1 == self.size.height && self.low < self.high => short(self.low),
                _ => String::new(),
            };
            text += format!("{label:>LABEL_WIDTH$} ┤{}", canvas.line(row)).trim_end();
            text.push('\n');
        }
        if marks.contains(&'✖') {
            let strip: String = marks.iter().collect();
            text += format!("{:>LABEL_WIDTH$} ┤{strip}", "not finite").trim_end();
            text.push('\n');
        }
        let (first, last) = (format!("step {}", self.first_step), self.last_step.to_string());
        let gap = self.size.width.saturating_sub(first.chars().count());
        text + &format!("{:>LABEL_WIDTH$}  {first}{last:>gap$}\n", "")
    }
}

struct Canvas {
    dots: Vec<u8>,
    size: Size,
}

impl Canvas {
    fn dot(&mut self, column: usize, row: usize) {
        self.dots[row / 4 * self.size.width + column / 2] |= DOT_BITS[row % 4][column % 2];
    }

    fn segment(&mut self, from: (usize, usize), to: (usize, usize)) {
        let num_dots = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        let between = |a: usize, b: usize, dot: usize| {
            let share = dot as f64 / num_dots as f64;
            (a as f64 + (b as f64 - a as f64) * share).round() as usize
        };
        for dot in 0..=num_dots {
            self.dot(between(from.0, to.0, dot), between(from.1, to.1, dot));
        }
    }

    fn line(&self, row: usize) -> String {
        let dots = &self.dots[row * self.size.width..(row + 1) * self.size.width];
        let letter = |&bits: &u8| match bits {
            0 => ' ',
            bits => char::from_u32(0x2800 + u32::from(bits)).expect("the block has 256 letters"),
        };
        dots.iter().map(letter).collect()
    }
}
