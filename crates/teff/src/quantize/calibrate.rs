//! From what was seen of a tensor to the range that its 8 bits are spent on.

use super::network::{Network, Site};
use super::observe::{BARS, Observation};
use super::scheme::{Grid, range};
use std::collections::HashMap;
use teff_graph::DType;

/// How the range of a tensor is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Calibration {
    /// From the smallest to the largest value seen.
    MinMax,
    /// So that this share of all values, in percent, is inside, half of the rest beyond each end.
    Percentile(f64),
    /// So that the mean squared error of the rounded values is least, of steps and cut ends together.
    Mse,
    /// So that the distribution of the rounded values tells most of that of the values: least Kullback-Leibler divergence (Migacz, "8-bit
    /// Inference with TensorRT", 2017).
    Entropy,
}

impl Calibration {
    /// Every method, in the order in which they are tried; the percentile is 99.99.
    pub const ALL: [Calibration; 4] =
        [Calibration::MinMax, Calibration::Percentile(99.99), Calibration::Mse, Calibration::Entropy];

    /// Its name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Calibration::MinMax => "minmax",
            Calibration::Percentile(_) => "percentile",
            Calibration::Mse => "mse",
            Calibration::Entropy => "entropy",
        }
    }

    /// The range for a tensor of which this was seen, with 0 in it.
    pub fn range(self, seen: &Observation) -> (f32, f32) {
        let (low, high) = (seen.low.min(0.0), seen.high.max(0.0));
        if seen.low >= seen.high || !seen.is_bounded() {
            return (low, high);
        }
        match self {
            Calibration::MinMax => (low, high),
            Calibration::Percentile(share) => percentile(seen, share),
            Calibration::Mse => best(seen, |low, high| squared_error(seen, low, high)),
            Calibration::Entropy => best(seen, |low, high| divergence(seen, low, high)),
        }
    }
}

/// A grid for each site, but where it becomes infinite; sites that are joined later get one that holds all of theirs.
pub(super) fn grids(
    network: &Network,
    seen: &[Observation],
    how: Calibration,
    dtype: DType,
) -> Vec<Option<Grid>> {
    // Steps of 16 bits are fine enough to cut nothing.
    let how = if dtype == DType::I16 { Calibration::MinMax } else { how };
    let ranges: Vec<(f32, f32)> = seen.iter().map(|o| how.range(o)).collect();
    let of_group = joint_ranges(&network.sites, &ranges);
    let grid = |site: &Site| match site.fixed {
        Some(_) if dtype == DType::I16 => Some(Grid { dtype, scale: 1.0 / 32768.0, zero: 0 }),
        Some((scale, _)) => Some(Grid { dtype, scale, zero: range(dtype).0 }),
        None => {
            let (low, high) = of_group[&site.group];
            (low.is_finite() && high.is_finite()).then(|| Grid::of_range(dtype, low, high))
        }
    };
    network.sites.iter().map(grid).collect()
}

/// The range of each group of sites, which holds those of all its sites.
pub(crate) fn joint_ranges(sites: &[Site], ranges: &[(f32, f32)]) -> HashMap<usize, (f32, f32)> {
    let mut of_group: HashMap<usize, (f32, f32)> = HashMap::new();
    for (site, r) in sites.iter().zip(ranges) {
        let joint = of_group.entry(site.group).or_insert(*r);
        *joint = (joint.0.min(r.0), joint.1.max(r.1));
    }
    of_group
}

/// Cuts the same share off both ends.
fn percentile(seen: &Observation, share: f64) -> (f32, f32) {
    let total = seen.zeros + seen.counts.iter().sum::<u64>();
    let beyond = total as f64 * (1.0 - share / 100.0) / 2.0;
    // A tensor without negative values has one end to cut.
    let one_sided = seen.low >= 0.0 || seen.high <= 0.0;
    let beyond = if one_sided { 2.0 * beyond } else { beyond };
    let cut = |bars: &mut dyn Iterator<Item = usize>| {
        let mut passed = 0.0;
        for i in bars {
            passed += seen.counts[i] as f64;
            if passed > beyond {
                return i;
            }
        }
        0
    };
    let edge = |i: usize| f64::from(seen.low) + i as f64 * seen.width();
    let high = if seen.high <= 0.0 { 0.0 } else { edge(cut(&mut (0..BARS).rev()) + 1) };
    let low = if seen.low >= 0.0 { 0.0 } else { edge(cut(&mut (0..BARS))) };
    ((low.min(0.0)) as f32, high.max(0.0) as f32)
}

/// The shares of the whole range that are tried for each end.
const SHARES: usize = 64;

/// The range of least cost: each end is drawn in on its own, in turn, until neither moves.
fn best(seen: &Observation, cost: impl Fn(f64, f64) -> f64) -> (f32, f32) {
    let (low, high) = (f64::from(seen.low.min(0.0)), f64::from(seen.high.max(0.0)));
    let share = |i: usize| i as f64 / SHARES as f64;
    let (mut l, mut h) = (SHARES, SHARES);
    for _ in 0..4 {
        let least = |of: &dyn Fn(usize) -> f64, now: usize| {
            // The widest of equals, so that ties do not cut.
            (SHARES / 16..=SHARES)
                .rev()
                .fold((now, of(now)), |b, i| if of(i) < b.1 { (i, of(i)) } else { b })
                .0
        };
        let before = (l, h);
        if high > 0.0 {
            h = least(&|i| cost(low * share(l), high * share(i)), h);
        }
        if low < 0.0 {
            l = least(&|i| cost(low * share(i), high * share(h)), l);
        }
        if (l, h) == before {
            break;
        }
    }
    ((low * share(l)) as f32, (high * share(h)) as f32)
}

/// The sum of squared errors of all values when rounded to 256 steps from `low` to `high`, each as the middle of its bar; values between
/// two steps are uniform, which costs a twelfth of a step squared where bars are finer than steps.
fn squared_error(seen: &Observation, low: f64, high: f64) -> f64 {
    let step = (high - low) / 255.0;
    let fine = seen.width() < step;
    let of_bar = |(i, &n): (usize, &u64)| {
        let x = seen.middle(i);
        let error = if x < low {
            (low - x).powi(2)
        } else if x > high {
            (x - high).powi(2)
        } else if fine {
            step * step / 12.0
        } else {
            (x - (x / step).round() * step).powi(2)
        };
        n as f64 * error
    };
    seen.counts.iter().enumerate().map(of_bar).sum()
}

/// Kullback-Leibler divergence of the values, those beyond the ends put there, from the same in 256 steps.
fn divergence(seen: &Observation, low: f64, high: f64) -> f64 {
    let bar = |x: f64| (((x - f64::from(seen.low)) / seen.width()) as usize).min(BARS - 1);
    let (first, last) = (bar(low.max(seen.low.into())), bar(high.min(seen.high.into()) - seen.width() / 2.0));
    let bars = last.saturating_sub(first) + 1;
    // Of fewer bars than steps nothing can be told: one bar that holds everything would be perfect.
    if bars < 256 {
        return f64::INFINITY;
    }
    let inside = &seen.counts[first..first + bars];
    let mut p: Vec<f64> = inside.iter().map(|&n| n as f64).collect();
    p[0] += seen.counts[..first].iter().sum::<u64>() as f64;
    p[bars - 1] += seen.counts[last + 1..].iter().sum::<u64>() as f64;
    let total: f64 = p.iter().sum();
    let of = |level: usize| level * bars / 256..(level + 1) * bars / 256;
    // Few values differ from bar to bar by chance: a level of k bars by (k - 1) / 2 nats of all, which are no loss (Miller, 1955).
    let mut sum = 0.0;
    let mut kept = 0.0;
    let mut q = vec![0.0; bars];
    for level in 0..256 {
        let part = of(level);
        let n: u64 = inside[part.clone()].iter().sum();
        let filled = p[part.clone()].iter().filter(|x| **x > 0.0).count();
        sum -= filled.saturating_sub(1) as f64 / (2.0 * total);
        for i in part {
            if p[i] > 0.0 && q[i] == 0.0 {
                q[i] = n as f64 / filled as f64;
                kept += q[i];
            }
        }
    }
    for i in 0..bars {
        if p[i] > 0.0 {
            // What the steps lose altogether is as if one value in a million were there.
            let q = (q[i] / kept).max(1e-6 / total);
            sum += p[i] / total * (p[i] / total / q).ln();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from 0 to 1, with a structure finer than 256 steps to 16, and a few at 16.
    fn with_outliers(few: u64) -> Observation {
        let mut counts = vec![0; BARS];
        counts[..BARS / 16]
            .iter_mut()
            .enumerate()
            .for_each(|(i, n)| *n = if i % 2 == 0 { 1900 } else { 100 });
        counts[BARS - 1] = few;
        Observation { low: 0.0, high: 16.0, zeros: 5000, counts, peaks: vec![16.0] }
    }

    #[test]
    fn minmax_keeps_all_and_the_others_cut_outliers() {
        let seen = with_outliers(1);
        assert_eq!(Calibration::MinMax.range(&seen), (0.0, 16.0));
        let (low, high) = Calibration::Percentile(99.99).range(&seen);
        assert!(low == 0.0 && (0.9..1.1).contains(&high), "{high}");
        // It looks at no range of fewer bars than steps: here from 2 on.
        let (low, high) = Calibration::Entropy.range(&seen);
        assert!(low == 0.0 && (1.9..2.6).contains(&high), "{high}");
    }

    #[test]
    fn the_squared_error_weighs_cut_ends_against_steps() {
        // 128 000 values cost a twelfth of a squared step each: (16/255)^2/12 * 128 000 = 42. One value cut from 16 to 1 costs 225.
        assert_eq!(Calibration::Mse.range(&with_outliers(100)).1, 16.0);
        let (_, high) = Calibration::Mse.range(&with_outliers(1));
        assert!((10.0..15.9).contains(&high), "{high}");
    }

    #[test]
    fn both_ends_are_cut_on_their_own() {
        let mut counts = vec![0; BARS];
        counts[BARS / 2..BARS / 2 + BARS / 8].fill(1000);
        counts[BARS / 2 - BARS / 4..BARS / 2].fill(1000);
        counts[0] = 1;
        let seen = Observation { low: -8.0, high: 8.0, zeros: 0, counts, peaks: vec![] };
        let (low, high) = Calibration::Percentile(99.9).range(&seen);
        assert!((-4.1..-3.9).contains(&low) && (1.9..2.1).contains(&high), "{low} {high}");
    }

    #[test]
    fn a_tensor_of_one_value_has_a_range_with_zero() {
        let seen = Observation { low: 2.0, high: 2.0, zeros: 0, counts: vec![0; BARS], peaks: vec![2.0] };
        Calibration::ALL.iter().for_each(|how| assert_eq!(how.range(&seen), (0.0, 2.0)));
    }
}
