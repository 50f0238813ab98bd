//! Comparison of values.

use teff_graph::{Num, Value};

/// Why two values differ by more than `rtol * |b| + atol`, or for integers at all.
pub(crate) fn difference(got: &Value, want: &Value, rtol: f64, atol: f64) -> Option<String> {
    if got.ty() != want.ty() {
        return Some(format!("is {}, should be {}", got.ty(), want.ty()));
    }
    let far = |i: usize| match (got.get(i), want.get(i)) {
        (Num::Float(a), Num::Float(b)) => {
            !(a == b || a.is_nan() && b.is_nan() || b.is_finite() && (a - b).abs() <= rtol * b.abs() + atol)
        }
        (a, b) => a != b,
    };
    let wrong: Vec<usize> = (0..got.len()).filter(|&i| far(i)).collect();
    let &first = wrong.first()?;
    Some(format!(
        "{} of {} elements differ, the first at {first}: {:?} should be {:?}",
        wrong.len(),
        got.len(),
        got.get(first),
        want.get(first)
    ))
}
