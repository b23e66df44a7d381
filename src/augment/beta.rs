//! Draws of Beta(α, α) from the counter-based stream.
//!
//!   X, Y ~ Gamma(α),  λ = X / (X + Y)
//!
//! Numerics    in logarithms: at small α both gammas underflow although their ratio is fine
//! Source      Marsaglia & Tsang 2000, "A Simple Method for Generating Gamma Variables",
//!             ACM TOMS 26(3); below α = 1 its boost Gamma(α) = Gamma(α + 1)·U^(1/α).

use crate::rng::Draws;

/// One draw of Beta(α, α), in 0..=1; α > 0.
pub fn draw(alpha: f64, draws: &mut Draws) -> f64 {
    let x = log_gamma_draw(alpha, draws);
    let y = log_gamma_draw(alpha, draws);
    1.0 / (1.0 + (y - x).exp())
}

/// The logarithm of a draw of Gamma(α, 1).
fn log_gamma_draw(alpha: f64, draws: &mut Draws) -> f64 {
    if alpha < 1.0 {
        let boost = positive_unit(draws).ln() / alpha;
        return log_gamma_draw(alpha + 1.0, draws) + boost;
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let normal = f64::from(draws.next_normal());
        let cube = (1.0 + c * normal).powi(3);
        let u = positive_unit(draws);
        if cube > 0.0 && u.ln() < 0.5 * normal * normal + d * (1.0 - cube + cube.ln()) {
            return d.ln() + cube.ln();
        }
    }
}

/// Uniform in (0, 1]: its logarithm is finite.
fn positive_unit(draws: &mut Draws) -> f64 {
    1.0 - f64::from(draws.next_unit())
}
