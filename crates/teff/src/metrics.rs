//! How good a network is: of classes, and of numbers.

use std::fmt;

/// Counts of what was said of samples of each class.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    classes: usize,
    /// Row: the true class; column: the class that was said.
    counts: Vec<usize>,
}

impl Confusion {
    /// Nothing counted yet, over `classes` classes.
    pub fn new(classes: usize) -> Confusion {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Counts the samples whose labels and predictions these are.
    ///
    /// # Panics
    /// When a class is not below the number of classes.
    pub fn count(labels: &[u16], predictions: &[u16], classes: usize) -> Confusion {
        let mut confusion = Confusion::new(classes);
        labels.iter().zip(predictions).for_each(|(&l, &p)| confusion.add(l.into(), p.into()));
        confusion
    }

    /// Counts one sample.
    ///
    /// # Panics
    /// When a class is not below the number of classes.
    pub fn add(&mut self, label: usize, prediction: usize) {
        assert!(label < self.classes && prediction < self.classes, "class out of range");
        self.counts[label * self.classes + prediction] += 1;
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many samples of class `label` were said to be `prediction`.
    pub fn get(&self, label: usize, prediction: usize) -> usize {
        self.counts[label * self.classes + prediction]
    }

    /// How many samples were counted.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// How many were right.
    pub fn correct(&self) -> usize {
        (0..self.classes).map(|c| self.get(c, c)).sum()
    }

    /// Share that was right, 0 to 1; 0 of no samples.
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.total().max(1) as f64
    }

    /// Share of class `label` that was found, 0 to 1; `None` when it has no samples.
    pub fn recall(&self, label: usize) -> Option<f64> {
        let all: usize = (0..self.classes).map(|p| self.get(label, p)).sum();
        (all > 0).then(|| self.get(label, label) as f64 / all as f64)
    }

    /// Share of what was said to be `prediction` that was, 0 to 1; `None` when it was never said.
    pub fn precision(&self, prediction: usize) -> Option<f64> {
        let all: usize = (0..self.classes).map(|l| self.get(l, prediction)).sum();
        (all > 0).then(|| self.get(prediction, prediction) as f64 / all as f64)
    }
}

/// How near numbers that were said are to those that were to be found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Mean squared error, over all numbers of all samples.
    pub mse: f64,
    /// Mean absolute error, over the same.
    pub mae: f64,
    /// Coefficient of determination: 1 - sum of squared errors / sum of squared distances from the mean, 1 at best, 0 for who always says the
    /// mean. The mean over the numbers of a sample; one that never varies counts 1 if it is met exactly and 0 otherwise, as scikit-learn's
    /// `r2_score` has it.
    pub r2: f64,
}

impl Fit {
    /// Compares what was said with what was to be found, `width` numbers for each sample, one sample after the other.
    ///
    /// # Panics
    /// When both are not equally many, or do not divide into samples.
    pub fn of(said: &[f32], wanted: &[f32], width: usize) -> Fit {
        assert!(said.len() == wanted.len() && said.len().is_multiple_of(width), "as many of both");
        let count = said.len().max(1) as f64;
        let errors = || said.iter().zip(wanted).map(|(s, w)| f64::from(*s) - f64::from(*w));
        let r2_of = |at: usize| {
            let column = || wanted[at..].iter().step_by(width).map(|w| f64::from(*w));
            let mean = column().sum::<f64>() / column().count() as f64;
            let spread: f64 = column().map(|w| (w - mean).powi(2)).sum();
            let missed: f64 = errors().skip(at).step_by(width).map(|e| e * e).sum();
            match spread > 0.0 {
                true => 1.0 - missed / spread,
                false => f64::from(missed == 0.0),
            }
        };
        Fit {
            mse: errors().map(|e| e * e).sum::<f64>() / count,
            mae: errors().map(f64::abs).sum::<f64>() / count,
            r2: if said.is_empty() { 0.0 } else { (0..width).map(r2_of).sum::<f64>() / width as f64 },
        }
    }
}

/// How good a network is, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quality {
    /// The share of samples whose class was right, 0 to 1.
    Accuracy(f64),
    /// How near numbers were.
    Fit(Fit),
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Quality::Accuracy(share) => write!(f, "{:.2} %", share * 100.0),
            Quality::Fit(Fit { mse, mae, r2 }) => {
                write!(f, "R2 {r2:.4}, MAE {}, MSE {}", digits(*mae), digits(*mse))
            }
        }
    }
}

/// A number from 0 on with four digits that count.
fn digits(x: f64) -> String {
    match x {
        0.0 => "0".into(),
        _ if !(1e-3..1e6).contains(&x) => format!("{x:.3e}"),
        _ => format!("{x:.*}", (3 - x.log10().floor() as i32).max(0) as usize),
    }
}

/// The index of the largest; the first of several. NaN never is.
pub fn argmax(logits: &[f32]) -> usize {
    let mut best = 0;
    for (i, &x) in logits.iter().enumerate() {
        if x > logits[best] || logits[best].is_nan() {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_class() {
        let c = Confusion::count(&[0, 0, 1, 2, 2, 2], &[0, 1, 1, 2, 0, 2], 3);
        assert_eq!((c.total(), c.correct(), c.get(2, 0)), (6, 4, 1));
        assert!((c.accuracy() - 4.0 / 6.0).abs() < 1e-12);
        assert_eq!(c.recall(0), Some(0.5));
        assert_eq!(c.precision(1), Some(0.5));
        assert_eq!(Confusion::new(2).recall(1), None);
    }

    /// Worked by hand: errors 1, -1, 0, 2 of the first number, whose mean is 2.5; the second never varies.
    #[test]
    fn numbers_are_compared_column_by_column() {
        let wanted = [1.0, 7.0, 2.0, 7.0, 3.0, 7.0, 4.0, 7.0];
        let said = [2.0, 7.0, 1.0, 7.0, 3.0, 7.0, 6.0, 7.0];
        let fit = Fit::of(&said, &wanted, 2);
        assert_eq!((fit.mse, fit.mae), (6.0 / 8.0, 4.0 / 8.0));
        assert_eq!(fit.r2, ((1.0 - 6.0 / 5.0) + 1.0) / 2.0);
        assert_eq!(Fit::of(&[7.5, 7.0], &[7.0, 7.0], 1).r2, 0.0);
        assert_eq!(Quality::Fit(fit).to_string(), "R2 0.4000, MAE 0.5000, MSE 0.7500");
    }

    #[test]
    fn the_first_largest_wins_and_nan_never() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(argmax(&[f32::NAN, -1.0, -2.0]), 1);
        assert_eq!(argmax(&[-1.0, f32::NAN]), 0);
    }
}
