//! Features of different magnitudes brought to one.

use super::layers::channel_axis;
use teff_data::{Column, Samples};
use teff_graph::{Tensor, Value};

/// Mean and standard deviation of each feature of a data set: a feature of a table, an axis of a window, a channel of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Standard {
    /// How features lie in a sample: sizes that broadcast with its shape.
    shape: Vec<usize>,
    mean: Vec<f64>,
    /// 1 for a feature that never varies.
    deviation: Vec<f64>,
}

impl Standard {
    /// Of what a network takes. Pixels, which become 0 to 1, have none.
    pub fn of_samples(column: &Column) -> Option<Standard> {
        let axis = match (&column.samples, column.shape.len()) {
            (Samples::U8(_), _) => return None,
            (Samples::F32(_) | Samples::I64(_), 2) => channel_axis(&column.shape)?,
            (Samples::F32(_) | Samples::I64(_), _) => 0,
        };
        Some(Standard::along(column, axis))
    }

    /// Of numbers to be found, all of a sample's one after the other: each by itself where they are a list, else all alike.
    pub(crate) fn of_targets(columns: &[Column]) -> Standard {
        let lists = columns.iter().all(|c| c.shape.len() < 2);
        let all: Vec<Standard> = columns
            .iter()
            .map(|c| match lists {
                true => Standard::along(c, 0),
                false => Standard::along(&Column { shape: vec![1, c.sample_len()], ..c.clone() }, 0),
            })
            .collect();
        let each = |of: fn(&Standard) -> &[f64]| -> Vec<f64> {
            let repeated =
                all.iter().zip(columns).flat_map(|(s, c)| of(s).iter().cycle().take(c.sample_len()));
            repeated.copied().collect()
        };
        let (mean, deviation) = (each(|s| &s.mean), each(|s| &s.deviation));
        Standard { shape: vec![mean.len()], mean, deviation }
    }

    /// Of each place along `axis` of the samples, in two passes.
    fn along(column: &Column, axis: usize) -> Standard {
        let features = column.shape.get(axis).copied().unwrap_or(1);
        let within: usize = column.shape.iter().skip(axis + 1).product();
        let count = column.samples.len() / column.sample_len().max(1);
        let mean_of = |of: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; features];
            let mut sample = vec![0.0; column.sample_len()];
            for i in 0..count {
                column.gather(&[i], &mut sample);
                for (at, x) in sample.iter().enumerate() {
                    let feature = at / within % features;
                    sums[feature] += of(feature, f64::from(*x));
                }
            }
            let n = (column.samples.len() / features).max(1) as f64;
            sums.into_iter().map(|sum| sum / n).collect::<Vec<f64>>()
        };
        let mean = mean_of(&|_, x| x);
        let variance = mean_of(&|feature, x| (x - mean[feature]).powi(2));
        // What varies less than f32 tells apart does not vary.
        let deviation = |(v, m): (&f64, &f64)| match v.sqrt() {
            d if d > 1e-6 * m.abs() => d,
            _ => 1.0,
        };
        let deviation = variance.iter().zip(&mean).map(deviation).collect();
        let shape = (0..column.shape.len().max(1)).map(|a| if a == axis { features } else { 1 }).collect();
        Standard { shape, mean, deviation }
    }

    /// Whether a network would learn worse without: a feature is far from 0 for its deviation, or that far from 1.
    pub fn is_needed(&self) -> bool {
        let is_far = |(m, d): (&f64, &f64)| m.abs() > 3.0 * d || !(0.1..=10.0).contains(d);
        self.mean.iter().zip(&self.deviation).any(is_far)
    }

    /// The deviation of feature `i`.
    pub(crate) fn deviation(&self, i: usize) -> f64 {
        self.deviation[i]
    }

    /// How features lie in a sample.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// `(x - mean) / deviation` of a batch of samples, by constants.
    pub(crate) fn apply(&self, x: &Tensor) -> Tensor {
        // A product, for machines that divide slowly.
        (x - self.constant(|i| self.mean[i])) * self.constant(|i| 1.0 / self.deviation[i])
    }

    /// `x * deviation + mean`.
    pub(super) fn undo(&self, x: &Tensor) -> Tensor {
        x * self.constant(|i| self.deviation[i]) + self.constant(|i| self.mean[i])
    }

    fn constant(&self, of: impl Fn(usize) -> f64) -> Tensor {
        let elements: Vec<f32> = (0..self.mean.len()).map(|i| of(i) as f32).collect();
        Tensor::constant(Value::new(self.shape.clone(), elements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(shape: &[usize], values: &[f32]) -> Column {
        Column { name: "x".into(), shape: shape.to_vec(), samples: Samples::F32(values.to_vec()) }
    }

    /// Means and deviations worked by hand.
    #[test]
    fn each_feature_has_its_own_mean_and_deviation() {
        let table = Standard::of_samples(&column(&[3], &[1.0, 100.0, 7.0, 3.0, 500.0, 7.0])).unwrap();
        assert_eq!((&table.mean[..], &table.deviation[..]), (&[2.0, 300.0, 7.0][..], &[1.0, 200.0, 1.0][..]));
        assert!(table.is_needed());
        // Two axes, three steps each, whichever comes first.
        let by_step = Standard::of_samples(&column(&[3, 2], &[1.0, 10.0, 2.0, 20.0, 3.0, 30.0])).unwrap();
        let by_axis = Standard::of_samples(&column(&[2, 3], &[1.0, 2.0, 3.0, 10.0, 20.0, 30.0])).unwrap();
        assert_eq!((&by_step.shape[..], &by_axis.shape[..]), (&[1, 2][..], &[2, 1][..]));
        assert_eq!((&by_step.mean, &by_step.deviation), (&by_axis.mean, &by_axis.deviation));
        assert_eq!(by_step.mean, [2.0, 20.0]);
        let unit = Standard::of_samples(&column(&[1], &[0.0, 0.25, 0.75, 1.0])).unwrap();
        assert!(!unit.is_needed());
    }
}
