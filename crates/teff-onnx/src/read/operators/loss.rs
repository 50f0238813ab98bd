//! Loss functions and optimiser steps.

use super::*;

pub(super) const TABLE: Table = &[
    ("NegativeLogLikelihoodLoss", One(|n| Ok(picked_loss(n, |x| x.clone())?.0))),
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
    let (loss, log_probabilities) = picked_loss(n, |x| x.log_softmax(1))?;
    Ok(vec![n.carried(loss), n.carried(log_probabilities)])
}

/// Minus the log-probability of each target class, weighted, reduced. Scores are `[N, C, D..]`, targets `[N, D..]`. Gives the loss
/// and the log-probabilities.
fn picked_loss(n: &mut Node, log: impl Fn(&Tensor) -> Tensor) -> Lowered<(Tensor, Tensor)> {
    let (scores, target) = (n.x(0)?, n.x(1)?.cast(DType::I64));
    let fits = scores.rank() >= 2
        && target.rank() + 1 == scores.rank()
        && target.shape()[0] == scores.shape()[0]
        && target.shape()[1..] == scores.shape()[2..];
    ensure!(fits, "takes scores [N, C, D..] and targets [N, D..], not {scores} and {target}");
    let classes = scores.shape()[1];
    let log_probabilities = log(&scores);
    let index = Tensor::iota(Type::new(DType::I64, scores.shape()), 1);
    let hit = index.equal(target.unsqueeze(1)).cast(scores.dtype());
    let mut weight = match n.optional(2)? {
        Some(w) if w.shape() == [classes] => (&hit * w.per_channel(scores.rank())).sum(&[1]),
        Some(w) => return invalid!("the weights must be [{classes}], not {w}"),
        None => Tensor::full(Type::new(scores.dtype(), target.shape()), 1.0),
    };
    if let Some(ignored) = n.attribute("ignore_index") {
        weight = target.equal(ignored.i as f64).select(0.0, weight);
    }
    let chosen = hit.equal(1.0).select(&log_probabilities, 0.0);
    let losses = -(chosen.sum(&[1]) * &weight);
    let loss =
        match n.choice("reduction", "mean", &[("none", None), ("sum", Some(false)), ("mean", Some(true))])? {
            None => losses,
            Some(false) => losses.sum(&[]),
            Some(true) => losses.sum(&[]) / weight.sum(&[]),
        };
    Ok((loss, log_probabilities))
}

/// R and T, the rate and the number of the step.
fn rate_and_step(n: &Node) -> Lowered<(Tensor, Tensor)> {
    Ok((n.x(0)?.reshape(&[]), n.x(1)?.reshape(&[])))
}

/// What `step` makes of each parameter, its gradient and its `states`: the parameter and the states after it. Inputs and outputs are
/// grouped: all parameters, all gradients, all of each state.
fn stepped(
    n: &Node,
    states: usize,
    step: impl Fn(&Tensor, &Tensor, &[&Tensor]) -> Vec<Tensor>,
) -> Lowered<Outputs> {
    let (all, kinds) = (n.tensors(2)?, 2 + states);
    ensure!(
        !all.is_empty() && all.len() % kinds == 0,
        "the inputs do not make {kinds} groups of equal length"
    );
    let groups: Vec<&[Tensor]> = all.chunks(all.len() / kinds).collect();
    let penalty = n.float("norm_coefficient", 0.0);
    let mut after = vec![Vec::new(); 1 + states];
    for i in 0..groups[0].len() {
        let of: Vec<&Tensor> = groups.iter().map(|group| &group[i]).collect();
        let next = step(of[0], &(of[1] + of[0] * penalty), &of[2..]);
        after.iter_mut().zip(next).for_each(|(list, t)| list.push(OnnxValue::from(t)));
    }
    Ok(after.into_iter().flatten().collect())
}

/// Duchi et al., 2011.
fn adagrad(n: &mut Node) -> Lowered<Outputs> {
    let (rate, step) = rate_and_step(n)?;
    let (decay, epsilon) = (n.float("decay_factor", 0.0), n.float("epsilon", 0.0));
    let rate = rate / (step.cast(DType::F32) * decay + 1.0);
    stepped(n, 1, |x, g, states| {
        let h = states[0] + g.square();
        vec![x - &rate * g / (h.sqrt() + epsilon), h]
    })
}

/// Kingma and Ba, 2015.
fn adam(n: &mut Node) -> Lowered<Outputs> {
    let (rate, step) = rate_and_step(n)?;
    let (alpha, beta) = (n.float("alpha", f64::from(0.9f32)), n.float("beta", f64::from(0.999f32)));
    let (epsilon, post) = (n.float("epsilon", 0.0), n.float("norm_coefficient_post", 0.0));
    let step = step.cast(DType::F32);
    let power = |base: f64| 1.0 - Tensor::scalar(base as f32).pow(&step);
    let corrected = &rate * power(beta).sqrt() / power(alpha);
    let rate = step.greater(0.0).select(&corrected, &rate);
    stepped(n, 2, |x, g, states| {
        let v = states[0] * alpha + g * (1.0 - alpha);
        let h = states[1] * beta + g.square() * (1.0 - beta);
        vec![(x - &rate * &v / (h.sqrt() + epsilon)) * (1.0 - post), v, h]
    })
}

/// Sutskever et al., 2013; the gradient counts fully on the first step.
fn momentum(n: &mut Node) -> Lowered<Outputs> {
    let (rate, step) = rate_and_step(n)?;
    let (alpha, beta) = (n.float("alpha", 0.0), n.float("beta", 0.0));
    let nesterov = n.choice("mode", "standard", &[("standard", false), ("nesterov", true)])?;
    let beta = step.equal(0.0).select(Tensor::scalar(1.0f32), beta);
    stepped(n, 1, |x, g, states| {
        let v = states[0] * alpha + g * &beta;
        let direction = if nesterov { g + &v * alpha } else { v.clone() };
        vec![x - &rate * direction, v]
    })
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
