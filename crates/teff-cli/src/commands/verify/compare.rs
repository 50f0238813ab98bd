//! How far apart two results are.

use teff::graph::{DType, Value};

/// The largest differences over all samples and outputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Difference {
    /// Of floats.
    pub(crate) absolute: f64,
    /// Of floats, as a share of the largest magnitude in the same output.
    pub(crate) relative: f64,
    /// Of floats, in units of the last place of their type: how many numbers lie between.
    pub(crate) ulp: u64,
    /// Integers and truth values that are not equal, of how many, and how far apart at most.
    pub(crate) integers: usize,
    pub(crate) all_integers: usize,
    pub(crate) steps: f64,
    /// How far integers of 8 and 16 bits are apart, each as a share of what its type can hold, all added up; infinite if wider ones, which
    /// are no scale, differ at all.
    shares: f64,
}

impl Difference {
    /// Of what was found from what was expected, sample by sample and output by output. What is missing is infinitely far off.
    pub(crate) fn of(found: &[Vec<Value>], expected: &[Vec<Value>]) -> Difference {
        let mut d = Difference::default();
        for (i, sample) in expected.iter().enumerate() {
            for (k, e) in sample.iter().enumerate() {
                match found.get(i).and_then(|s| s.get(k)).filter(|f| f.ty() == e.ty()) {
                    Some(f) if e.dtype().is_float() => d.floats(f, e),
                    Some(f) => d.integers(f, e),
                    None => (d.absolute, d.relative) = (f64::INFINITY, f64::INFINITY),
                }
            }
        }
        d
    }

    /// How far integers are apart in the mean, as a share of what their type can hold.
    pub(crate) fn mean_share(&self) -> f64 {
        self.shares / self.all_integers.max(1) as f64
    }

    fn floats(&mut self, found: &Value, expected: &Value) {
        let (f, e) = (found.to_f64(), expected.to_f64());
        let range = e.iter().filter(|x| x.is_finite()).fold(0.0f64, |m, x| m.max(x.abs()));
        for (&a, &b) in f.iter().zip(&e) {
            // Equal covers infinities of the same sign.
            if a == b || a.is_nan() && b.is_nan() {
                continue;
            }
            let apart = (a - b).abs();
            let apart = if apart.is_nan() { f64::INFINITY } else { apart };
            self.absolute = self.absolute.max(apart);
            self.relative = self.relative.max(apart / range.max(f64::MIN_POSITIVE));
            self.ulp = self.ulp.max(places_apart(a, b, expected.dtype()));
        }
    }

    fn integers(&mut self, found: &Value, expected: &Value) {
        self.all_integers += expected.len();
        for i in 0..expected.len() {
            let (a, b) = (found.get(i).as_int(), expected.get(i).as_int());
            self.integers += usize::from(a != b);
            self.steps = self.steps.max(a.abs_diff(b) as f64);
            if expected.dtype().size() <= 2 && expected.dtype() != DType::Bool {
                let (low, high) = expected.dtype().int_range().expect("an integer");
                self.shares += a.abs_diff(b) as f64 / low.abs_diff(high) as f64;
            } else if a != b {
                self.shares = f64::INFINITY;
            }
        }
    }
}

/// How many numbers of the type lie from one to the other.
fn places_apart(a: f64, b: f64, dtype: DType) -> u64 {
    // The bits of floats of one sign are in order; those below zero count backwards.
    let place = |x: f64| -> i128 {
        let (bits, sign) = match dtype {
            DType::F32 => (u64::from((x as f32).to_bits() & 0x7fff_ffff), x.is_sign_negative()),
            _ => (x.to_bits() & (u64::MAX >> 1), x.is_sign_negative()),
        };
        if sign { -i128::from(bits) } else { i128::from(bits) }
    };
    if a.is_nan() || b.is_nan() {
        return u64::MAX;
    }
    place(a).abs_diff(place(b)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_measured() {
        let expected = [vec![Value::new([3], vec![1.0f32, -2.0, f32::NAN]), Value::new([2], vec![3i8, -4])]];
        assert_eq!(
            Difference::of(&expected, &expected),
            Difference { all_integers: 2, ..Difference::default() }
        );
        let next = f32::from_bits(1.0f32.to_bits() + 3);
        let found = [vec![Value::new([3], vec![next, -2.0, f32::NAN]), Value::new([2], vec![3i8, 4])]];
        let d = Difference::of(&found, &expected);
        assert_eq!((d.ulp, d.integers, d.all_integers, d.steps), (3, 1, 2, 8.0));
        assert_eq!(d.mean_share(), 4.0 / 255.0);
        assert_eq!(d.relative, f64::from(next - 1.0) / 2.0);
        let nan = [vec![Value::new([3], vec![f32::NAN, -2.0, f32::NAN]), Value::new([2], vec![3i8, -4])]];
        assert_eq!(Difference::of(&nan, &expected).absolute, f64::INFINITY);
        assert_eq!(Difference::of(&[], &expected).relative, f64::INFINITY);
    }

    #[test]
    fn zero_has_two_signs_and_one_place() {
        assert_eq!(places_apart(-0.0, 0.0, DType::F32), 0);
        assert_eq!(places_apart(f64::from(-f32::from_bits(1)), f64::from(f32::from_bits(2)), DType::F32), 3);
    }
}
