//! Shapes: the sides of a row-major array of f32.

use std::fmt;

/// Sides, outermost first; a scalar is `[1]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape with these sides, outermost first.
    pub fn new(sides: &[usize]) -> Self {
        Self(sides.to_vec())
    }

    /// The sides, outermost first.
    pub fn sides(&self) -> &[usize] {
        &self.0
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.0.iter().product()
    }

    /// Whether a side is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Seen as a matrix [rows, width]: the last side and the product of the others.
    pub fn rows_and_width(&self) -> (usize, usize) {
        let width = self.0.last().copied().unwrap_or(1);
        (self.len().checked_div(width).unwrap_or(0), width)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[")?;
        for (axis, side) in self.0.iter().enumerate() {
            write!(f, "{}{side}", if axis > 0 { ", " } else { "" })?;
        }
        write!(f, "]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(sides: [usize; N]) -> Self {
        Self(sides.to_vec())
    }
}
