//! The mantissas of one layer: its weights as integers, what its sums are shifted by, and a proof of how far its results may be off.
//!
//! Inputs x and weights w are those with the powers of two of their channels, where there are such (`powers`).
//!
//! For an input x and the weights w of one output, whose exact result is the sum of `w[i] * x[i]` over n terms:
//!
//! - `m`, the largest |x| of the whole input, is looked for when the network runs. With 2^e the least power of two above it, an input
//!   becomes `X = round(x * 2^(B - e))`, so that |X| <= 2^B and `|x - X * 2^(e - B)| <= 2^(e - B - 1) <= m * 2^-B`.
//! - A weight becomes `W = round(w / c)`, with one float c for each output that takes its largest weight to at most 2^A - 1; or W and c
//!   are those that a quantised weight was made from.
//! - The products are shifted and summed in 32 bits. Narrow: `S = sum of W * X >> s`. Wide: X is cut into `X = 2^K * H + L` with
//!   0 <= L < 2^K, and `S = sum of (W * H >> s) + (W * L >> s + K)`. A and B are such that every product fits 32 bits; s is the least
//!   for which the sum of |W| of each output, known now, proves that S does.
//! - Each shift rounds down by less than 1. S begins with half as much as all shifts may take, so that S is off by that half at most.
//! - The result is `S * c * 2^(s + K + e - B)` (K = 0 if narrow): a conversion to float and one multiplication, which round by
//!   2^-24 each.
//!
//! So a result is off by at most `error * m * L`, L being the largest sum of |w| of an output (what the layer's results can reach for
//! inputs of that size): the sum of `2^-B * sum |W * c|`, `sum |w - W * c|` and what the shifts take, divided by L, is known now.
//! Behind a rectifier, where no x is negative, the weights' errors of one sign can add up, but not those of both: the larger of the two
//! sums stands for `sum |w - W * c|`. Where m is less than 2^(least - 127), it counts as that; `least` is the least e + 126 for which the factor is a normal float.

use teff_graph::DType;

/// How wide mantissas are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Width {
    /// A: bits of a weight without its sign.
    pub(super) weight_bits: u32,
    /// B: bits of an input without its sign.
    pub(super) input_bits: u32,
    /// K: how many of the lower bits of an input are multiplied apart.
    pub(super) low_bits: u32,
    /// What weights are stored as.
    pub(super) dtype: DType,
}

impl Width {
    /// One multiplication for each product.
    pub(super) const NARROW: Width =
        Width { weight_bits: 15, input_bits: 16, low_bits: 0, dtype: DType::I16 };
    /// Two multiplications.
    pub(super) const WIDE: Width = Width { weight_bits: 21, input_bits: 20, low_bits: 10, dtype: DType::I32 };
    /// For weights that were quantised to 8 bits and are products of those and a scale.
    pub(super) const BYTE: Width = Width { weight_bits: 7, input_bits: 23, low_bits: 0, dtype: DType::I8 };

    /// The exponent of what a sum is a multiple of, short of the input's biased exponent, for products shifted down by `shift`.
    fn place(self, shift: u32) -> i32 {
        (shift + self.low_bits) as i32 - self.input_bits as i32 - 126
    }
}

/// What the code of a layer is made from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Format {
    pub(super) width: Width,
    /// s: bits that a product (wide: the upper one) is shifted down.
    pub(super) shift: u32,
    /// What a sum begins with.
    pub(super) start: i32,
    /// The least biased exponent that the input counts as having.
    pub(super) least: i32,
    /// W, in the order of the weights given.
    pub(super) weights: Vec<i32>,
    /// For each output the bits of its factor, short of the input's biased exponent.
    pub(super) factors: Vec<i32>,
    /// The bound, as a share of the layer's range.
    pub(super) error: f64,
}

impl Format {
    /// c of an output.
    pub(super) fn scale(&self, output: usize) -> f32 {
        f32::from_bits(self.factors[output].wrapping_sub(self.width.place(self.shift) << 23) as u32)
    }
}

/// Outputs whose weights are this much smaller than the layer's largest share the scale of those that are not.
const SMALLEST_SHARE: f32 = 1.0 / 65536.0;
/// A conversion and a multiplication, of results that are themselves off by less than a thousandth: 1.001 * 2^-23.
const OF_FLOATS: f64 = 1.1934e-7;
/// The largest of `least`: inputs of 2^-64 keep their precision.
const MOST_LEAST: i32 = 63;

/// The format for `weights`, `terms` in a row for each output. Those that are multiples of something known have the `steps` that are
/// multiplied, integers of `width`. `positive`: no input is negative.
///
/// # Errors
/// Why floats are needed.
pub(super) fn format(
    weights: &[f32],
    terms: usize,
    width: Width,
    steps: Option<&[i32]>,
    positive: bool,
) -> Result<Format, &'static str> {
    let largest = weights.iter().fold(0.0f32, |m, w| m.max(w.abs()));
    if !weights.iter().all(|w| w.is_finite()) {
        return Err("a weight is not finite");
    }
    let most = ((1i32 << width.weight_bits) - 1) as f32;
    if largest == 0.0 {
        return Err("its weights are all zero");
    }
    let (b, k) = (width.input_bits, width.low_bits);
    // The least float with a factor that is normal for inputs of 2^-64.
    let least_scale = f32::from_bits((127 - MOST_LEAST as u32 + b - k) << 23);
    if largest / most < least_scale {
        return Err("its weights are too small");
    }
    let least_scale = least_scale.max(largest / most * SMALLEST_SHARE);
    let row = |(i, row): (usize, &[f32])| match steps {
        None => Row::new(row, least_scale, most),
        Some(steps) => Row::of_steps(row, &steps[i * terms..][..terms], least_scale),
    };
    let rows: Vec<Row> = weights.chunks_exact(terms).enumerate().map(row).collect();
    // Each product is shifted down by less than this in all.
    let roundings = |shift: u32| (k > 0) as i64 + (shift > 0) as i64;
    let reach = |shift: u32| {
        let most = rows.iter().map(|r| r.total).max().expect("an output") as i128;
        (most << b >> (shift + k)) + 2 * (terms as i64 * roundings(shift)) as i128 + 1
    };
    let shift = (0..31).find(|s| reach(*s) <= i32::MAX as i128).ok_or("it has too many terms for 32 bits")?;
    let start = terms as i64 * roundings(shift) / 2;
    let place = width.place(shift);
    let exponents = || rows.iter().map(|r| (r.scale.to_bits() >> 23) as i32 + place);
    let least = exponents().map(|e| 1 - e).max().expect("an output").max(b as i32 + 2);
    debug_assert!(least <= MOST_LEAST, "scales are large enough");
    if exponents().any(|e| e > 0) {
        return Err("its weights are too large");
    }
    let range = rows.iter().map(|r| r.sum).fold(0.0, f64::max);
    // All of `2^(s + K + e - B)`, at its most, but for m: 2^e is at most 2 * m.
    let unit = 2f64.powi((shift + k) as i32 + 1 - b as i32);
    let off = |r: &Row| {
        let of_inputs = r.total as f64 * r.scale as f64 * 2f64.powi(-(b as i32));
        let of_shifts = if roundings(shift) > 0 { (start + 1) as f64 * unit * r.scale as f64 } else { 0.0 };
        of_inputs + r.lost(positive) + of_shifts
    };
    Ok(Format {
        width,
        shift,
        start: start as i32,
        least,
        factors: rows.iter().map(|r| (r.scale.to_bits() as i32).wrapping_add(place << 23)).collect(),
        error: rows.iter().map(off).fold(0.0, f64::max) / range + OF_FLOATS,
        weights: rows.into_iter().flat_map(|r| r.mantissas).collect(),
    })
}

/// The weights of one output.
struct Row {
    /// c.
    scale: f32,
    mantissas: Vec<i32>,
    /// Sum of |W|.
    total: i64,
    /// Sum of |w|.
    sum: f64,
    /// Sum of `w - W * c` where that is positive, and of its negative where it is not.
    lost: [f64; 2],
}

impl Row {
    fn new(row: &[f32], least: f32, most: f32) -> Row {
        let own = row.iter().fold(0.0f32, |m, w| m.max(w.abs()));
        // Rounded it is off by 2^-24, which takes no weight of 21 bits over the most.
        let scale = (own / most).max(least);
        let mantissa = |w: &f32| (*w as f64 / scale as f64).round() as i32;
        Row::with(row, row.iter().map(mantissa).collect(), scale)
    }

    /// The scale is that of the largest step; where all are 0, it is `least`.
    fn of_steps(row: &[f32], steps: &[i32], least: f32) -> Row {
        let largest = row.iter().zip(steps).max_by_key(|(_, s)| s.unsigned_abs()).filter(|(_, s)| **s != 0);
        let scale = largest.map_or(least, |(w, s)| w / *s as f32);
        Row::with(row, steps.to_vec(), scale.max(least))
    }

    fn with(row: &[f32], mantissas: Vec<i32>, scale: f32) -> Row {
        let lost = |sign: f64| {
            let of = |(w, m): (&f32, &i32)| (sign * (*w as f64 - *m as f64 * scale as f64)).max(0.0);
            row.iter().zip(&mantissas).map(of).sum()
        };
        Row {
            scale,
            total: mantissas.iter().map(|m| m.unsigned_abs() as i64).sum(),
            sum: row.iter().map(|w| w.abs() as f64).sum(),
            lost: [lost(1.0), lost(-1.0)],
            mantissas,
        }
    }

    /// What a result is off by for inputs of at most 1, for what the weights are.
    fn lost(&self, positive: bool) -> f64 {
        let [above, below] = self.lost;
        if positive { above.max(below) } else { above + below }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The exact sum of a row, in f64, as the code computes it: `x` already an integer of at most 2^B.
    fn sum(f: &Format, row: &[i32], x: &[i32]) -> i64 {
        let k = f.width.low_bits;
        let product = |(w, x): (&i32, &i32)| {
            let (high, low) = (x >> k, x & ((1 << k) - 1));
            let upper = w.checked_mul(high).expect("a product fits") >> f.shift;
            let lower = w.checked_mul(low).expect("a product fits") >> (f.shift + k);
            upper as i64 + if k > 0 { lower as i64 } else { 0 }
        };
        f.start as i64 + row.iter().zip(x).map(product).sum::<i64>()
    }

    proptest! {
        /// Whatever the inputs: sums fit 32 bits and results are as near as is promised.
        #[test]
        fn sums_fit_and_the_bound_holds(
            rows in 1usize..4,
            terms in 1usize..400,
            seed in any::<u64>(),
            which in 0usize..3,
            positive in any::<bool>(),
            exponent in -30i32..10,
            spread in 1u32..30,
        ) {
            let width = [Width::WIDE, Width::NARROW, Width::BYTE][which];
            let mut state = seed | 1;
            let mut next = || { state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407); (state >> 40) as f64 / (1u64 << 23) as f64 - 1.0 };
            let weights: Vec<f32> = (0..rows * terms).map(|_| (next().powi(spread as i32 | 1) * 2f64.powi(exponent)) as f32).collect();
            let steps: Vec<i32> = weights.iter().map(|_| (next() * 127.99) as i32).collect();
            let scale = weights[0].abs() / 32.0;
            // As a file of 8-bit weights says them.
            let (weights, steps) = if width == Width::BYTE {
                (steps.iter().map(|s| *s as f32 * scale).collect(), Some(&steps[..]))
            } else {
                (weights, None)
            };
            let Ok(f) = format(&weights, terms, width, steps, positive) else { return Ok(()) };
            prop_assert!(f.error < 1e-3 || width == Width::NARROW, "{}", f.error);
            let b = f.width.input_bits as i32;
            let range = weights.chunks(terms).map(|r| r.iter().map(|w| w.abs() as f64).sum::<f64>()).fold(0.0, f64::max);
            for (j, row) in f.weights.chunks(terms).enumerate() {
                // The inputs that reach furthest, and others; their largest is just below 1 (e = 0), or 1/2.
                let against: Vec<f64> = row.iter().map(|w| if *w < 0 { -1.0 } else { 1.0 } * (1.0 - 1e-7)).collect();
                let halves: Vec<f64> = against.iter().map(|x| -x / 1.999).collect();
                let scale = f.scale(j) as f64;
                let of_weights = row.iter().zip(&weights[j * terms..]);
                let worst: Vec<f64> = of_weights.map(|(m, w)| (*w as f64 - *m as f64 * scale).signum()).collect();
                for x in [against, halves, worst, (0..terms).map(|_| next()).collect()] {
                    let x: Vec<f64> = if positive { x.iter().map(|x| x.max(0.0)).collect() } else { x };
                    let m = x.iter().fold(0f64, |m, x| m.max(x.abs()));
                    if m == 0.0 {
                        continue;
                    }
                    let e = m.log2().floor() as i32 + 1;
                    let mantissas: Vec<i32> = x.iter().map(|x| (x * 2f64.powi(b - e)).round() as i32).collect();
                    let s = sum(&f, row, &mantissas);
                    prop_assert!(i32::try_from(s).is_ok());
                    let bits = f.factors[j].wrapping_add((e + 126) << 23);
                    let result = (s as f32 * f32::from_bits(bits as u32)) as f64;
                    let exact: f64 = weights[j * terms..][..terms].iter().zip(&x).map(|(w, x)| *w as f64 * x).sum();
                    prop_assert!((result - exact).abs() <= f.error * m * range, "{result} {exact} {f:?}");
                }
            }
        }
    }

    #[test]
    fn what_has_no_mantissas_is_said() {
        assert_eq!(
            format(&[1.0, f32::NAN], 2, Width::WIDE, None, false).unwrap_err(),
            "a weight is not finite"
        );
        assert_eq!(format(&[0.0, 0.0], 2, Width::WIDE, None, false).unwrap_err(), "its weights are all zero");
        assert_eq!(
            format(&[1e-12, 0.0], 2, Width::NARROW, None, false).unwrap_err(),
            "its weights are too small"
        );
        assert_eq!(
            format(&[1e30, 0.0], 2, Width::WIDE, None, false).unwrap_err(),
            "its weights are too large"
        );
    }

    /// By hand: `2^(B - K - s) sum |W|`, and twice what the shifts of 1000 terms take, against 2^31 - 1.
    #[test]
    fn products_are_shifted_as_far_as_their_sum_asks_for() {
        let shift = |steps: &[i32], terms: usize, width: Width| {
            let mut weights = vec![0f32; terms];
            steps.iter().zip(&mut weights).for_each(|(s, w)| *w = (*s as f64 / steps[0] as f64) as f32);
            format(&weights, terms, width, None, false).unwrap().shift
        };
        // 2^16 * 32767 fits, and nothing is rounded; one more does not.
        assert_eq!(shift(&[32767], 40_000, Width::NARROW), 0);
        assert_eq!(shift(&[32767, 1], 40_000, Width::NARROW), 1);
        // 2^9 * 4194288 = 2^31 - 8192 leaves room for 4001; 2^9 * 4194297 = 2^31 - 3584 does not.
        assert_eq!(shift(&[2_097_151, 2_097_137], 1000, Width::WIDE), 1);
        assert_eq!(shift(&[2_097_151, 2_097_146], 1000, Width::WIDE), 2);
        assert_eq!(shift(&[2_097_151, 2_097_146], 10, Width::WIDE), 1);
    }
}
