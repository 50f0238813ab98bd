//! Optimisers: from a loss to the new values of its parameters.

mod schedule;

pub use schedule::Schedule;

use crate::error::Result;
use crate::step::Updates;
use teff_graph::{DType, Param, Tensor, Type, Value, gradients, parameter_leaves};

/// How a gradient changes a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Stochastic gradient descent: `v = momentum v + g; p -= rate v`.
    Sgd {
        /// From 0 to below 1.
        momentum: f64,
        /// Looks one step ahead: `p -= rate (g + momentum v)`.
        nesterov: bool,
    },
    /// Kingma and Ba, "Adam: a method for stochastic optimization", 2015, with bias correction.
    Adam,
    /// Adam that takes weight decay from the weights themselves (Loshchilov and Hutter, 2019).
    AdamW,
}

/// Adam's usual settings: what its two running means keep at each step, and what is added to the root.
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// An optimiser: a rule, its settings, and its state for each parameter. All but [`Rule::AdamW`] add weight decay to the gradient.
pub struct Optimizer {
    rule: Rule,
    /// Learning rate, an f32 scalar that may be set between steps.
    rate: Param,
    weight_decay: f64,
    clip_norm: Option<f64>,
    state: Vec<Param>,
}

impl Optimizer {
    /// By this rule.
    pub fn new(rule: Rule, rate: f64) -> Optimizer {
        let rate = Param::new("optimizer.rate", Value::scalar(rate as f32));
        Optimizer { rule, rate, weight_decay: 0.0, clip_norm: None, state: Vec::new() }
    }

    /// Stochastic gradient descent.
    pub fn sgd(rate: f64) -> Optimizer {
        Optimizer::momentum(rate, 0.0, false)
    }

    /// Stochastic gradient descent with momentum, Nesterov's if asked for.
    pub fn momentum(rate: f64, momentum: f64, nesterov: bool) -> Optimizer {
        Optimizer::new(Rule::Sgd { momentum, nesterov }, rate)
    }

    /// Adam with betas 0.9 and 0.999 and epsilon 1e-8.
    pub fn adam(rate: f64) -> Optimizer {
        Optimizer::new(Rule::Adam, rate)
    }

    /// Adam with decoupled weight decay.
    pub fn adamw(rate: f64, weight_decay: f64) -> Optimizer {
        Optimizer::new(Rule::AdamW, rate).weight_decay(weight_decay)
    }

    /// Draws weights towards 0: of tensors with two axes or more, as biases and scales are better left alone.
    pub fn weight_decay(self, weight_decay: f64) -> Optimizer {
        Optimizer { weight_decay, ..self }
    }

    /// Scales the gradients of all parameters together so that their norm is at most `norm`.
    pub fn clip_norm(self, norm: f64) -> Optimizer {
        Optimizer { clip_norm: Some(norm), ..self }
    }

    /// Sets the learning rate of the steps to come.
    pub fn set_rate(&self, rate: f64) {
        self.rate.set(Value::scalar(rate as f32)).expect("an f32 scalar");
    }

    /// What the optimiser remembers, for checkpoints: known once [`Optimizer::minimize`] has been called.
    pub fn state(&self) -> &[Param] {
        &self.state
    }

    /// The updates of one step that make `loss`, an f32 scalar, smaller. Every f32 parameter that the loss depends on is trained.
    ///
    /// # Errors
    /// An invalid operation in the loss.
    pub fn minimize(&mut self, loss: &Tensor) -> Result<Updates> {
        let leaves = parameter_leaves(std::slice::from_ref(loss))?;
        let grads = gradients(&[(loss.clone(), loss.full_like(1.0))], &leaves)?;
        // A parameter read in several places gets the sum of their gradients.
        let mut found: Vec<(Param, Tensor, Tensor)> = Vec::new();
        for (leaf, grad) in leaves.iter().zip(grads) {
            let teff_graph::Op::Param(param) = leaf.op() else { unreachable!("leaves are parameters") };
            let Some(grad) = grad.filter(|_| leaf.dtype() == DType::F32) else { continue };
            match found.iter_mut().find(|(p, ..)| p == param) {
                Some((_, _, sum)) => *sum = &*sum + grad,
                None => found.push((param.clone(), leaf.clone(), grad)),
            }
        }
        if let Some(most) = self.clip_norm {
            let squares = found.iter().map(|(_, _, g)| g.square().sum(&[]));
            let norm = squares.reduce(|a, b| a + b).map(|sum| sum.sqrt());
            let factor = norm.map(|n| (n.full_like(most) / (n + 1e-6)).minimum(Tensor::scalar(1.0f32)));
            found.iter_mut().for_each(|(_, _, g)| *g = &*g * factor.as_ref().expect("there is a gradient"));
        }
        Ok(self.updates(&found))
    }

    fn updates(&mut self, found: &[(Param, Tensor, Tensor)]) -> Updates {
        let mut updates = Updates::new();
        let rate = Tensor::param(&self.rate);
        let shared = match self.rule {
            Rule::Sgd { .. } => None,
            Rule::Adam | Rule::AdamW => {
                let steps = self.remember("optimizer.steps", &Type::new(DType::F32, []));
                let next = Tensor::param(&steps) + 1.0;
                updates.push((steps, next.clone()));
                // 1 - beta^t: what share of its true size a running mean has reached at step t.
                let reached = |beta: f64| next.full_like(1.0) - next.full_like(beta).pow(&next);
                let root = reached(BETA2).sqrt();
                // rate (m / r1) / (sqrt(v / r2) + epsilon), with all that is the same for every weight taken out of the loop.
                Some((&rate * &root / reached(BETA1), root * EPSILON))
            }
        };
        let decoupled = self.rule == Rule::AdamW;
        for (param, value, grad) in found {
            let decay = if param.ty().rank() >= 2 { self.weight_decay } else { 0.0 };
            let coupled = decay != 0.0 && !decoupled;
            let grad = if coupled { grad + value * decay } else { grad.clone() };
            let change = match (self.rule, &shared) {
                (Rule::Adam | Rule::AdamW, Some((scale, offset))) => {
                    let first = self.remember(&format!("{}.adam_m", param.name()), param.ty());
                    let second = self.remember(&format!("{}.adam_v", param.name()), param.ty());
                    let m = Tensor::param(&first) * BETA1 + &grad * (1.0 - BETA1);
                    let v = Tensor::param(&second) * BETA2 + grad.square() * (1.0 - BETA2);
                    updates.push((first, m.clone()));
                    updates.push((second, v.clone()));
                    m * scale / (v.sqrt() + offset)
                }
                (Rule::Sgd { momentum, nesterov }, _) if momentum != 0.0 => {
                    let velocity = self.remember(&format!("{}.velocity", param.name()), param.ty());
                    let v = Tensor::param(&velocity) * momentum + &grad;
                    updates.push((velocity, v.clone()));
                    &rate * if nesterov { grad + v * momentum } else { v }
                }
                (Rule::Sgd { .. }, _) => &rate * &grad,
                (Rule::Adam | Rule::AdamW, None) => unreachable!("Adam shares its scale"),
            };
            let kept =
                if decoupled && decay != 0.0 { value - value * (&rate * decay) } else { value.clone() };
            updates.push((param.clone(), kept - change));
        }
        updates
    }

    /// A parameter of zeros that the optimiser keeps between steps.
    fn remember(&mut self, name: &str, ty: &Type) -> Param {
        let param = Param::new(name, Value::zeros(ty));
        self.state.push(param.clone());
        param
    }
}
