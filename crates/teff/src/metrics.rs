//! How good a classifier is.

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

    #[test]
    fn the_first_largest_wins_and_nan_never() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(argmax(&[f32::NAN, -1.0, -2.0]), 1);
        assert_eq!(argmax(&[-1.0, f32::NAN]), 0);
    }
}
