//! Loss functions and optimiser steps.

use super::*;

pub(super) const TABLE: Table = &[
    ("NegativeLogLikelihoodLoss", One(|n| Ok(picked_loss(n, 0, |x| x.clone())?.0))),
    ("SoftmaxCrossEntropyLoss", Many(softmax_cross_entropy)),
];

/// Operators of `ai.onnx.preview.training`.
pub(super) const TRAINING: Table = &[
    ("Adagrad", Many(adagrad)),
    ("Adam", Many(adam)),
    ("Gradient", Many(gradient)),
    ("Momentum", Many(momentum)),
];

fn softmax_cross_entropy(n: &mut Node) -> Lowered<Outputs> {
    let (loss, log_probabilities) = picked_loss(n, 0, |x| x.log_softmax(1))?;
    Ok(vec![n.carried(loss), n.carried(log_probabilities)])
}

/// Minus the log-probability of each target class, weighted, reduced. Scores are `[N, C, D..]`, targets `[N, D..]`. Gives the loss
/// and the log-probabilities.
fn picked_loss(n: &mut Node, i: usize, log: impl Fn(&Tensor) -> Tensor) -> Lowered<(Tensor, Tensor)> {
    let (scores, target) = (n.x(i)?, n.x(i + 1)?.cast(DType::I64));
    let fits = scores.rank() >= 2
        && target.rank() + 1 == scores.rank()
        && target.shape()[0] == scores.shape()[0]
        && target.shape()[1..] == scores.shape()[2..];
    ensure!(fits, "takes scores [N, C, D..] and targets [N, D..], not {scores} and {target}");
    let classes = scores.shape()[1];
    let log_probabilities = log(&scores);
    let index = Tensor::iota(Type::new(DType::I64, scores.shape()), 1);
    let hit = index.equal(&target.unsqueeze(1)).cast(scores.dtype());
    let mut weight = match n.optional(i + 2)? {
        Some(w) if w.shape() == [classes] => (&hit * w.per_channel(scores.rank())).sum(&[1]),
        Some(w) => return invalid!("the weights must be [{classes}], not {w}"),
        None => Tensor::full(Type::new(scores.dtype(), target.shape()), 1.0),
    };
    if let Some(ignored) = n.attribute("ignore_index") {
        let ignored = target.equal(&target.full_like(ignored.i as f64));
        weight = ignored.select(&weight.full_like(0.0), &weight);
    }
    let chosen = hit.equal(&hit.full_like(1.0)).select(&log_probabilities, &scores.full_like(0.0));
    let losses = -(chosen.sum(&[1]) * &weight);
    let loss =
        match n.choice("reduction", "mean", &[("none", None), ("sum", Some(false)), ("mean", Some(true))])? {
            None => losses,
            Some(false) => losses.sum(&[]),
            Some(true) => losses.sum(&[]) / weight.sum(&[]),
        };
    Ok((loss, log_probabilities))
}

/// R and T, then the tensors in groups: all parameters, all gradients, all of each state.
fn groups(n: &Node, states: usize) -> Lowered<(Tensor, Tensor, Vec<Vec<Tensor>>)> {
    let (rate, step) = (n.x(0)?, n.x(1)?);
    let all = n.tensors(2)?;
    let kinds = 2 + states;
    ensure!(
        !all.is_empty() && all.len() % kinds == 0,
        "the inputs do not make {kinds} groups of equal length"
    );
    let each = all.len() / kinds;
    Ok((rate.reshape(&[]), step.reshape(&[]), all.chunks(each).map(<[Tensor]>::to_vec).collect()))
}

fn regularised(n: &Node, x: &Tensor, g: &Tensor) -> Tensor {
    g + x * n.float("norm_coefficient", 0.0)
}

fn in_order(groups: Vec<Vec<Tensor>>) -> Vec<OnnxValue> {
    groups.into_iter().flatten().map(OnnxValue::from).collect()
}

/// Duchi et al., 2011.
fn adagrad(n: &mut Node) -> Lowered<Outputs> {
    let (rate, step, groups) = groups(n, 1)?;
    let (decay, epsilon) = (n.float("decay_factor", 0.0), n.float("epsilon", 0.0));
    let rate = rate / (step.cast(DType::F32) * decay + 1.0);
    let (mut xs, mut hs) = (vec![], vec![]);
    for ((x, g), h) in groups[0].iter().zip(&groups[1]).zip(&groups[2]) {
        let g = regularised(n, x, g);
        let h = h + g.square();
        xs.push(x - &rate * &g / (h.sqrt() + epsilon));
        hs.push(h);
    }
    Ok(in_order(vec![xs, hs]))
}

/// Kingma and Ba, 2015.
fn adam(n: &mut Node) -> Lowered<Outputs> {
    let (rate, step, groups) = groups(n, 2)?;
    let (alpha, beta) = (n.float("alpha", f64::from(0.9f32)), n.float("beta", f64::from(0.999f32)));
    let epsilon = n.float("epsilon", 0.0);
    let post = n.float("norm_coefficient_post", 0.0);
    let step = step.cast(DType::F32);
    let one = Tensor::scalar(1.0f32);
    let power = |base: f64| &one - Tensor::scalar(base as f32).pow(&step);
    let corrected = &rate * power(beta).sqrt() / power(alpha);
    let zero = step.full_like(0.0);
    let rate = zero.less(&step).select(&corrected, &rate);
    let (mut xs, mut vs, mut hs) = (vec![], vec![], vec![]);
    for i in 0..groups[0].len() {
        let (x, v, h) = (&groups[0][i], &groups[2][i], &groups[3][i]);
        let g = regularised(n, x, &groups[1][i]);
        let v = v * alpha + &g * (1.0 - alpha);
        let h = h * beta + g.square() * (1.0 - beta);
        xs.push((x - &rate * &v / (h.sqrt() + epsilon)) * (1.0 - post));
        vs.push(v);
        hs.push(h);
    }
    Ok(in_order(vec![xs, vs, hs]))
}

/// Sutskever et al., 2013; the gradient counts fully on the first step.
fn momentum(n: &mut Node) -> Lowered<Outputs> {
    let (rate, step, groups) = groups(n, 1)?;
    let (alpha, beta) = (n.float("alpha", 0.0), n.float("beta", 0.0));
    let nesterov = n.choice("mode", "standard", &[("standard", false), ("nesterov", true)])?;
    let first = step.equal(&step.full_like(0.0));
    let beta = first.select(&Tensor::scalar(1.0f32), &Tensor::scalar(beta as f32));
    let (mut xs, mut vs) = (vec![], vec![]);
    for ((x, g), v) in groups[0].iter().zip(&groups[1]).zip(&groups[2]) {
        let g = regularised(n, x, g);
        let v = v * alpha + &g * &beta;
        let direction = if nesterov { &g + &v * alpha } else { v.clone() };
        xs.push(x - &rate * direction);
        vs.push(v);
    }
    Ok(in_order(vec![xs, vs]))
}

/// The gradient of the value called `y` in the values called `xs`, with what this node's inputs are in their place.
fn gradient(n: &mut Node) -> Lowered<Outputs> {
    n.ignore(&["zs"]);
    let count = n.attribute("xs").map_or(0, |a| a.strings.len());
    let name = n.text("y", "")?;
    let xs = n.tensors(0)?;
    let Some(OnnxValue::Tensor(y)) = n.scope.get(name) else {
        return invalid!("there is no tensor {name:?}");
    };
    let y = y.tensor.clone();
    if count != xs.len() {
        return unsupported("inputs that the gradient is not taken in", "give only those in xs");
    }
    n.spend_graph()?;
    let found = teff_graph::gradients(&[(y.clone(), y.full_like(1.0))], &xs)?;
    Ok(found.into_iter().zip(&xs).map(|(g, x)| g.unwrap_or_else(|| x.full_like(0.0)).into()).collect())
}
