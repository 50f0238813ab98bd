//! Recurrent layers, over `[N, T, features]`.

use super::{Layer, Pass, uniform};
use teff_data::Rng;
use teff_graph::{GruStep, LstmStep, Param, Tensor, Type};

/// Long short-term memory; gates in PyTorch's order.
pub struct Lstm {
    /// `[4 * hidden, inputs]`.
    pub w_input: Param,
    /// `[4 * hidden, hidden]`.
    pub w_hidden: Param,
    /// `[4 * hidden]`.
    pub bias: Param,
    hidden: usize,
    name: String,
}

impl Lstm {
    /// A state of `hidden` numbers.
    pub fn new(name: &str, inputs: usize, hidden: usize, rng: &mut Rng) -> Lstm {
        Lstm {
            w_input: uniform(format!("{name}.weight_ih"), &[4 * hidden, inputs], hidden, rng),
            w_hidden: uniform(format!("{name}.weight_hh"), &[4 * hidden, hidden], hidden, rng),
            bias: uniform(format!("{name}.bias"), &[4 * hidden], hidden, rng),
            hidden,
            name: name.into(),
        }
    }
}

impl Layer for Lstm {
    /// The hidden state after each step: `[N, T, hidden]`.
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        let (w_input, w_hidden) = (Tensor::param(&self.w_input), Tensor::param(&self.w_hidden));
        let bias = Tensor::param(&self.bias);
        let zero = initial_state(x, self.hidden);
        let cell = LstmStep { w_input: &w_input, w_hidden: &w_hidden, bias: &bias };
        over_time(x, &[zero.clone(), zero], |s, x| {
            let (hidden, c) = cell.apply(x, &s[0], &s[1]);
            vec![hidden, c]
        })
        .named(&self.name)
    }

    fn params(&self) -> Vec<Param> {
        vec![self.w_input.clone(), self.w_hidden.clone(), self.bias.clone()]
    }
}

/// Gated recurrent unit; gates in PyTorch's order.
pub struct Gru {
    /// `[3 * hidden, inputs]`.
    pub w_input: Param,
    /// `[3 * hidden, hidden]`.
    pub w_hidden: Param,
    /// `[3 * hidden]`.
    pub bias_input: Param,
    /// `[3 * hidden]`.
    pub bias_hidden: Param,
    hidden: usize,
    name: String,
}

impl Gru {
    /// A state of `hidden` numbers.
    pub fn new(name: &str, inputs: usize, hidden: usize, rng: &mut Rng) -> Gru {
        Gru {
            w_input: uniform(format!("{name}.weight_ih"), &[3 * hidden, inputs], hidden, rng),
            w_hidden: uniform(format!("{name}.weight_hh"), &[3 * hidden, hidden], hidden, rng),
            bias_input: uniform(format!("{name}.bias_ih"), &[3 * hidden], hidden, rng),
            bias_hidden: uniform(format!("{name}.bias_hh"), &[3 * hidden], hidden, rng),
            hidden,
            name: name.into(),
        }
    }
}

impl Layer for Gru {
    /// The hidden state after each step: `[N, T, hidden]`.
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        let (w_input, w_hidden) = (Tensor::param(&self.w_input), Tensor::param(&self.w_hidden));
        let (bias_input, bias_hidden) = (Tensor::param(&self.bias_input), Tensor::param(&self.bias_hidden));
        let cell = GruStep {
            w_input: &w_input,
            w_hidden: &w_hidden,
            bias_input: &bias_input,
            bias_hidden: &bias_hidden,
        };
        over_time(x, &[initial_state(x, self.hidden)], |s, x| vec![cell.apply(x, &s[0])]).named(&self.name)
    }

    fn params(&self) -> Vec<Param> {
        vec![self.w_input.clone(), self.w_hidden.clone(), self.bias_input.clone(), self.bias_hidden.clone()]
    }
}

/// Zeros `[N, hidden]`.
fn initial_state(x: &Tensor, hidden: usize) -> Tensor {
    let n = x.shape().first().copied().unwrap_or(1);
    Tensor::full(Type::new(x.dtype(), [n, hidden]), 0.0)
}

/// Scans `[N, T, features]` along T and stacks the first state to `[N, T, hidden]`.
fn over_time(x: &Tensor, states: &[Tensor], step: impl FnOnce(&[Tensor], &Tensor) -> Vec<Tensor>) -> Tensor {
    let (_, stacks) = Tensor::scan(states, &[x.swap_axes(0, 1)], false, |s, x| {
        let next = step(s, &x[0]);
        let first = next[0].clone();
        (next, vec![first])
    });
    stacks[0].swap_axes(0, 1)
}

/// The last step of `[N, T, features]`, giving `[N, features]`.
pub struct LastStep;

impl Layer for LastStep {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        let steps = x.shape().get(1).copied().unwrap_or(1);
        x.pick(1, steps.saturating_sub(1))
    }
}
