//! Support vector machines (`ai.onnx.ml`), with the votes, scores and coupled probabilities that onnxruntime gives.

use super::*;

pub(super) const TABLE: Table = &[("SVMClassifier", Many(classifier)), ("SVMRegressor", One(regressor))];

/// The support vectors, and how like features are to each.
struct SvmKernel<'n> {
    vectors: &'n [f32],
    count: usize,
    features: usize,
    how: KernelFunction,
}

/// What it makes of features x and a vector v.
#[derive(Clone, Copy)]
enum KernelFunction {
    /// `x v`.
    Linear,
    /// `(gamma x v + offset)^degree`.
    Polynomial { gamma: f64, offset: f64, degree: f64 },
    /// `exp(-gamma |x - v|^2)`.
    Radial { gamma: f64 },
    /// `tanh(gamma x v + offset)`.
    Sigmoid { gamma: f64, offset: f64 },
}

impl<'n> SvmKernel<'n> {
    fn of(n: &mut Node<'n, '_, '_>, x: &Tensor, count: usize) -> Lowered<SvmKernel<'n>> {
        let (vectors, parameters) = (n.floats("support_vectors"), n.floats("kernel_params"));
        let at = |i: usize| parameters.get(i).map_or(0.0, |&p| f64::from(p));
        let (gamma, offset, degree) = (at(0), at(1), at(2));
        let kernels = [
            ("LINEAR", KernelFunction::Linear),
            ("POLY", KernelFunction::Polynomial { gamma, offset, degree }),
            ("RBF", KernelFunction::Radial { gamma }),
            ("SIGMOID", KernelFunction::Sigmoid { gamma, offset }),
        ];
        let how = n.choice("kernel_type", "LINEAR", &kernels)?;
        let features = x.shape()[1];
        matrix(x, vectors, count, "support_vectors")?;
        n.spend(x.shape()[0].saturating_mul(vectors.len()))?;
        Ok(SvmKernel { vectors, count, features, how })
    }

    /// `[N, count]` for the features `[N, F]`.
    fn apply(&self, x: &Tensor) -> Tensor {
        let products = || {
            let vectors = Value::new([self.count, self.features], self.vectors.to_vec());
            x.matmul(&Tensor::constant(vectors).transpose())
        };
        match self.how {
            KernelFunction::Linear => products(),
            KernelFunction::Polynomial { gamma, offset, degree } => (products() * gamma + offset).pow(degree),
            KernelFunction::Radial { gamma } => radial(x, self.vectors, self.count, gamma),
            KernelFunction::Sigmoid { gamma, offset } => (products() * gamma + offset).tanh(),
        }
    }

    /// `[F, outputs]`: what a linear kernel and the coefficients of each output come to, so that no vector is left. The coefficients
    /// of a machine add up to zero, and with them what all vectors have in common: left to the chip, it would take digits away.
    fn folded(&self, outputs: usize, coefficient: impl Fn(usize, usize) -> f32) -> Tensor {
        let mut weights = vec![0f64; self.features * outputs];
        for v in 0..self.count {
            for output in 0..outputs {
                let c = f64::from(coefficient(v, output));
                for f in (0..self.features).filter(|_| c != 0.0) {
                    weights[f * outputs + output] += c * f64::from(self.vectors[v * self.features + f]);
                }
            }
        }
        let weights: Vec<f32> = weights.into_iter().map(|w| w as f32).collect();
        Tensor::constant(Value::new([self.features, outputs], weights))
    }
}

/// A radial kernel whose exponents stay within this is computed by products.
const LARGEST_EXPONENT: f64 = 16.0;

/// `exp(-gamma |x - v|^2)` for each vector v. With a the mean of the vectors, `|x - v|^2 = |x - a|^2 - 2 (x - a)(v - a) + |v - a|^2`: the
/// middle part is a matrix product, which takes a tenth of the time on chips without a float unit. Away from the mean nothing large
/// cancels; where a large gamma would make much of the last bits, the differences are computed as they are.
fn radial(x: &Tensor, list: &[f32], count: usize, gamma: f64) -> Tensor {
    let features = x.shape()[1];
    let at = |v: usize, f: usize| f64::from(list[v * features + f]);
    let mean = |f: usize| (0..count).map(|v| at(v, f)).sum::<f64>() / count.max(1) as f64;
    let mean: Vec<f32> = (0..features).map(|f| mean(f) as f32).collect();
    let from_mean = |v: usize, f: usize| at(v, f) - f64::from(mean[f]);
    let own = |v: usize| gamma * (0..features).map(|f| from_mean(v, f).powi(2)).sum::<f64>();
    let own: Vec<f64> = (0..count).map(own).collect();
    // Also where one is no number.
    if !own.iter().all(|e| e.abs() <= LARGEST_EXPONENT) {
        let vectors = Tensor::constant(Value::new([count, features], list.to_vec()));
        return ((x.unsqueeze(1) - vectors).square().sum(&[2]) * -gamma).exp();
    }
    let weight = |(f, v): (usize, usize)| (2.0 * gamma * from_mean(v, f)) as f32;
    let all = (0..features).flat_map(|f| (0..count).map(move |v| (f, v)));
    let weights = Tensor::constant(Value::new([features, count], all.map(weight).collect::<Vec<_>>()));
    let own = Tensor::from_slice(&own.iter().map(|&e| -e as f32).collect::<Vec<_>>());
    let x = x - Tensor::from_slice(&mean);
    let exponent = x.matmul(&weights) + own - x.square().sum_keep(&[1]) * gamma;
    // The square of a distance is never negative, whatever the rounding.
    exponent.clip(f64::NEG_INFINITY, 0.0).exp()
}

/// Without support vectors, the coefficients are the weights of the features.
fn linear(n: &mut Node, x: &Tensor, outputs: usize) -> Lowered {
    n.ignore(&["kernel_params", "kernel_type", "support_vectors"]);
    let weights = matrix(x, n.floats("coefficients"), outputs, "coefficients")?;
    let Some(&rho) = n.floats("rho").first() else { return invalid!("rho is empty") };
    Ok(x.matmul(&weights.transpose()) + f64::from(rho))
}

fn regressor(n: &mut Node) -> Lowered {
    let x = rows(n)?;
    let y = match usize::try_from(n.int("n_supports", 0)) {
        Ok(0) => linear(n, &x, 1)?,
        Ok(count) => {
            let (coefficients, rho) = (n.floats("coefficients"), n.floats("rho"));
            let (Some(&rho), true) = (rho.first(), coefficients.len() == count) else {
                return invalid!("{} coefficients for {count} support vectors", coefficients.len());
            };
            let kernel = SvmKernel::of(n, &x, count)?;
            let y = match kernel.how {
                KernelFunction::Linear => x.matmul(&kernel.folded(1, |v, _| coefficients[v])),
                _ => {
                    kernel.apply(&x).matmul(&Tensor::constant(Value::new([count, 1], coefficients.to_vec())))
                }
            };
            y + f64::from(rho)
        }
        Err(_) => return invalid!("n_supports is negative"),
    };
    let y = post_transform(n, &y.ok()?)?;
    // Inside of the one class, or outside.
    let one_class = n.int("one_class", 0) != 0;
    let inside = || y.greater(0.0).select(y.full_like(1.0), -1.0);
    Ok(if one_class { inside() } else { y })
}

/// More classes than this are an error: each pair of them has a machine.
const MOST_CLASSES: usize = 1 << 8;

fn classifier(n: &mut Node) -> Lowered<Outputs> {
    let x = rows(n)?;
    let labels = labels(n, "classlabels_ints", "classlabels_strings");
    let per_class = n.ints("vectors_per_class").unwrap_or_default();
    if per_class.is_empty() {
        n.ignore(&["prob_a", "prob_b"]);
        return linear_classifier(n, &x, &labels);
    }
    let counts: Vec<usize> = per_class.iter().map(|&c| usize::try_from(c).unwrap_or(usize::MAX)).collect();
    let vectors = counts.iter().fold(0usize, |sum, &c| sum.saturating_add(c));
    let classes = labels.len();
    ensure!(
        (2..=MOST_CLASSES).contains(&classes) && counts.len() == classes,
        "{} counts of support vectors for {classes} classes",
        counts.len()
    );
    let kernel = SvmKernel::of(n, &x, vectors)?;
    let scores = pair_scores(n, &x, &kernel, &counts)?.ok()?;
    let label = labels.of(&votes(&scores, classes).argmax(1));
    let (a, b) = (n.floats("prob_a"), n.floats("prob_b"));
    let y = if !a.is_empty() {
        ensure!(
            [a.len(), b.len()] == [scores.shape()[1]; 2],
            "{} and {} of prob_a and prob_b",
            a.len(),
            b.len()
        );
        // Platt's sigmoid: the probability of the first of each pair.
        let fitted = &scores * Tensor::from_slice(a) + Tensor::from_slice(b);
        let first = (-fitted).sigmoid().clip(1e-7, 1.0 - 1e-7);
        n.spend_tensors(20 * classes)?;
        post_transform(n, &coupled(&first, classes))?
    } else if classes > 2 {
        post_transform(n, &scores)?
    } else {
        // The one score, beside what it says of the other class.
        match n.text("post_transform", "NONE")? {
            "NONE" => Tensor::concat(&[-&scores, scores], 1),
            "PROBIT" => return unsupported("post_transform=\"PROBIT\"", "use NONE"),
            _ => Tensor::concat(&[1.0 - &scores, scores], 1),
        }
    };
    Ok(vec![label, y.into()])
}

/// The highest score decides; of two classes the second where it is positive, or above a half if all coefficients are positive.
fn linear_classifier(n: &mut Node, x: &Tensor, labels: &Labels) -> Lowered<Outputs> {
    let scores = linear(n, x, labels.len())?.ok()?;
    let mut best = scores.argmax(1);
    if labels.len() == 2 {
        let largest = scores.max(&[1]);
        let positive = n.floats("coefficients").iter().all(|&c| c >= 0.0);
        let sure = match positive {
            true => largest.greater_equal(0.5),
            false => largest.greater(0.0),
        };
        best = sure.select(1.0, &best);
    }
    Ok(vec![labels.of(&best), post_transform(n, &scores)?.into()])
}

/// The pairs of classes in the order of their machines.
fn pairs(classes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..classes).flat_map(move |i| (i + 1..classes).map(move |j| (i, j)))
}

/// The score of each pair of classes, `[N, pairs]`: above zero for the first. The coefficients are `[classes - 1, vectors]`; in the
/// vectors of class i, row j - 1 is for the pair with a later class j, row j for that with an earlier one.
fn pair_scores(n: &mut Node, x: &Tensor, kernel: &SvmKernel, counts: &[usize]) -> Lowered {
    let (classes, vectors) = (counts.len(), kernel.count);
    let (coefficients, rho) = (n.floats("coefficients"), n.floats("rho"));
    let others = classes - 1;
    ensure!(
        coefficients.len() == others.saturating_mul(vectors) && rho.len() == classes * others / 2,
        "{} coefficients and {} of rho",
        coefficients.len(),
        rho.len()
    );
    let rho = Tensor::from_slice(rho);
    if let KernelFunction::Linear = kernel.how {
        let class_of: Vec<usize> = (0..classes).flat_map(|c| vec![c; counts[c]]).collect();
        let pairs: Vec<(usize, usize)> = pairs(classes).collect();
        n.spend(vectors.saturating_mul(pairs.len()))?;
        let coefficient = |v: usize, pair: usize| match (class_of[v], pairs[pair]) {
            (c, (i, j)) if c == i => coefficients[(j - 1) * vectors + v],
            (c, (i, j)) if c == j => coefficients[i * vectors + v],
            _ => 0.0,
        };
        return Ok(x.matmul(&kernel.folded(pairs.len(), coefficient)) + rho);
    }
    let kernels = kernel.apply(x);
    let mut parts = Vec::new();
    let mut start = 0;
    for &count in counts {
        let own = |row: usize| &coefficients[row * vectors + start..][..count];
        let of_class: Vec<f32> = (0..count).flat_map(|v| (0..others).map(move |row| own(row)[v])).collect();
        let weights = Tensor::constant(Value::new([count, others], of_class));
        parts.push(kernels.narrow(1, start, count).matmul(&weights));
        start += count;
    }
    let parts = Tensor::concat(&parts, 1);
    let columns = |of: fn((usize, usize), usize) -> usize| {
        let all: Vec<i64> = pairs(classes).map(|pair| of(pair, others) as i64).collect();
        parts.gather(&Tensor::from_slice(&all), 1)
    };
    let (first, second) =
        (columns(|(i, j), others| i * others + j - 1), columns(|(i, j), others| j * others + i));
    Ok(first + second + rho)
}

/// How many pairs each class wins.
fn votes(scores: &Tensor, classes: usize) -> Tensor {
    let count = scores.shape()[1];
    let mut for_class = vec![0f32; count * classes];
    for (pair, (i, j)) in pairs(classes).enumerate() {
        for_class[pair * classes + i] = 1.0;
        for_class[pair * classes + j] = -1.0;
    }
    // A class loses to each earlier one that does not lose to it.
    let lost: Vec<f32> = (0..classes).map(|c| c as f32).collect();
    let won = scores.greater(0.0).cast(DType::F32);
    won.matmul(&Tensor::constant(Value::new([count, classes], for_class))) + Tensor::from_slice(&lost)
}

/// As many steps as onnxruntime takes at most.
const COUPLING_TRIPS: usize = 100;

/// The probabilities `[N, classes]` that fit best to those of the first of each pair, by the second method of Wu, Lin and Weng,
/// "Probability Estimates for Multi-class Classification by Pairwise Coupling", 2004: their algorithm 2, which goes on until no
/// class is further from its optimum than 0.005 / classes.
fn coupled(first: &Tensor, classes: usize) -> Tensor {
    let rows = first.shape()[0];
    // r[i][j]: the probability of i against j, zero on the diagonal.
    let zero = Tensor::zeros(&[rows, 1]);
    let sides = Tensor::concat(&[first.clone(), 1.0 - first, zero], 1);
    let count = first.shape()[1];
    let mut places = vec![2 * count as i64; classes * classes];
    for (pair, (i, j)) in pairs(classes).enumerate() {
        places[i * classes + j] = pair as i64;
        places[j * classes + i] = (count + pair) as i64;
    }
    let r = sides.gather(&Tensor::from_slice(&places), 1).reshape(&[rows, classes, classes]);
    let against = r.permute(&[0, 2, 1]);
    let own = against.square().sum_keep(&[2]);
    let q = own * Tensor::eye(classes) - &r * against;
    let diagonal: Vec<Tensor> = (0..classes).map(|i| q.pick(1, i).narrow(1, i, 1)).collect();
    let lines: Vec<Tensor> = (0..classes).map(|i| q.pick(1, i)).collect();
    let start = Tensor::full(Type::new(DType::F32, [rows, classes]), 1.0 / classes as f64);
    let running = Tensor::full(Type::new(DType::Bool, [rows, 1]), 1.0);
    let trips = Tensor::iota(Type::new(DType::I32, [COUPLING_TRIPS]), 0);
    let (last, _) = Tensor::scan(&[start, running], &[trips], false, |states, _| {
        let (p, running) = (&states[0], &states[1]);
        let mut q_p = (&q * p.unsqueeze(1)).sum(&[2]);
        let mut p_q_p = (p * &q_p).sum_keep(&[1]);
        let worst = (&q_p - &p_q_p).abs().max_keep(&[1]);
        let off = worst.greater_equal(0.005 / classes as f64);
        let running = running.and(&off);
        let mut next = p.clone();
        for i in 0..classes {
            let own = q_p.narrow(1, i, 1);
            let step = (&p_q_p - &own) / &diagonal[i];
            // What the raised one makes of the sum, taken off again.
            let share = (&step + 1.0).recip();
            p_q_p = (&p_q_p + &step * (&step * &diagonal[i] + own * 2)) * &share * &share;
            q_p = (&q_p + &step * &lines[i]) * &share;
            let raised = next.narrow(1, i, 1) + &step;
            let (before, after) = (next.narrow(1, 0, i), next.narrow(1, i + 1, classes - i - 1));
            next = Tensor::concat(&[before, raised, after], 1) * share;
        }
        (vec![running.select(&next, p), running], vec![])
    });
    last[0].clone()
}
