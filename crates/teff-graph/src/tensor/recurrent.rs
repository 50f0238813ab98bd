//! Loops with a state, and the cells of recurrent networks.

use super::Tensor;
use crate::graph::{Graph, reachable};
use crate::op::Op;
use crate::scan::Scan;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Tensor {
    /// Runs `step` over the leading axis of `scanned`, from the last slice when `reverse`. The step takes the states and one slice
    /// of each scanned tensor and gives the next states and what is to be stacked. It may use any tensor from outside; each is
    /// passed into the loop whole. Gives the final states and the stacks.
    ///
    /// The error of an invalid step is carried by every result.
    #[track_caller]
    pub fn scan(
        states: &[Tensor],
        scanned: &[Tensor],
        reverse: bool,
        step: impl FnOnce(&[Tensor], &[Tensor]) -> (Vec<Tensor>, Vec<Tensor>),
    ) -> (Vec<Tensor>, Vec<Tensor>) {
        let inputs: Vec<&Tensor> = states.iter().chain(scanned).collect();
        let fail = |reason: String| {
            let invalid = Tensor::invalid("scan", &inputs, reason);
            (vec![invalid.clone(); states.len()], vec![invalid])
        };
        let Some(&length) = scanned.first().and_then(|x| x.shape().first()) else {
            return fail("needs something to scan, with at least one axis".into());
        };
        let state_inputs: Vec<Tensor> =
            states.iter().map(|s| Tensor::input("state", s.dtype(), s.shape())).collect();
        let slices: Vec<Tensor> = scanned
            .iter()
            .map(|x| Tensor::input("x", x.dtype(), x.shape().get(1..).unwrap_or_default()))
            .collect();
        let first_inside = state_inputs.iter().chain(&slices).map(Tensor::id).min().unwrap_or(0);
        let (next, given) = step(&state_inputs, &slices);
        let outputs: Vec<Tensor> = next.into_iter().chain(given).collect();
        let closed = close_over(&outputs, first_inside).and_then(|(outside, outputs)| {
            let (outside, stand_ins): (Vec<Tensor>, Vec<Tensor>) = outside.into_iter().unzip();
            let inputs: Vec<Tensor> = state_inputs.into_iter().chain(slices).chain(stand_ins).collect();
            let named: Vec<(&str, Tensor)> = outputs.into_iter().map(|t| ("", t)).collect();
            Ok((Graph::from_tensors("step", &inputs, &named)?, outside))
        });
        let (body, outside) = match closed {
            Ok(closed) => closed,
            Err(e) => return fail(e.to_string()),
        };
        let operands: Vec<Tensor> = states.iter().chain(scanned).chain(&outside).cloned().collect();
        let (body, states) = (Arc::new(body), states.len());
        let scan = Scan { body, states, scanned: scanned.len(), length, reverse };
        let mut results = Tensor::scan_results(&scan, &operands);
        let stacks = results.split_off(states.min(results.len()));
        (results, stacks)
    }

    /// All results of `scan` on these operands.
    #[track_caller]
    pub(crate) fn scan_results(scan: &Scan, operands: &[Tensor]) -> Vec<Tensor> {
        let node = Tensor::apply(Op::Scan(scan.clone()), operands);
        (0..scan.body.outputs().len())
            .map(|i| Tensor::apply(Op::Project(i), std::slice::from_ref(&node)))
            .collect()
    }
}

/// Tensors from outside, each with the input that stands for it.
type Outside = Vec<(Tensor, Tensor)>;

/// Replaces every tensor made before `first_inside` that `outputs` use by an input of the loop: these, and the outputs of a body that
/// uses nothing else from outside. Scalar constants stay inside.
fn close_over(outputs: &[Tensor], first_inside: u64) -> crate::Result<(Outside, Vec<Tensor>)> {
    let all = reachable(outputs)?;
    // What is used from inside: operands, made outside, of tensors made inside, and outputs made outside.
    let mut seen = HashSet::new();
    let users = all.iter().filter(|t| t.id() >= first_inside).flat_map(|t| t.operands());
    let outside: Vec<Tensor> = users
        .chain(outputs)
        .filter(|t| {
            t.id() < first_inside
                && !(matches!(t.op(), Op::Constant(_)) && t.rank() == 0)
                && seen.insert(t.id())
        })
        .cloned()
        .collect();
    let pairs: Outside =
        outside.into_iter().map(|t| (t.clone(), Tensor::input("outside", t.dtype(), t.shape()))).collect();
    let mut made: HashMap<u64, Tensor> = pairs.iter().map(|(t, i)| (t.id(), i.clone())).collect();
    for t in &all {
        if made.contains_key(&t.id()) || t.id() < first_inside && !matches!(t.op(), Op::Constant(_)) {
            continue;
        }
        let operands: Vec<Tensor> = t.operands().iter().map(|o| made[&o.id()].clone()).collect();
        let same = operands.iter().zip(t.operands()).all(|(a, b)| a.id() == b.id());
        made.insert(t.id(), if same { t.clone() } else { Tensor::apply(t.op().clone(), &operands) });
    }
    Ok((pairs, outputs.iter().map(|t| made[&t.id()].clone()).collect()))
}

/// Weights of an LSTM (Hochreiter and Schmidhuber, 1997) in PyTorch's order of gates: input, forget, cell, output.
pub struct LstmStep<'a> {
    /// `[4H, I]`.
    pub w_input: &'a Tensor,
    /// `[4H, H]`.
    pub w_hidden: &'a Tensor,
    /// `[4H]`.
    pub bias: &'a Tensor,
}

impl LstmStep<'_> {
    /// The next hidden and cell state `[N, H]` after x `[N, I]`.
    #[track_caller]
    pub fn apply(&self, x: &Tensor, hidden: &Tensor, cell: &Tensor) -> (Tensor, Tensor) {
        let gates =
            x.matmul(&self.w_input.transpose()) + hidden.matmul(&self.w_hidden.transpose()) + self.bias;
        let n = hidden.shape().get(1).copied().unwrap_or(0);
        let gate = |i: usize| gates.narrow(1, n.saturating_mul(i), n);
        let cell = gate(1).sigmoid() * cell + gate(0).sigmoid() * gate(2).tanh();
        (gate(3).sigmoid() * cell.tanh(), cell)
    }
}

/// Weights of a GRU (Cho et al., 2014) in PyTorch's order of gates: reset, update, new.
pub struct GruStep<'a> {
    /// `[3H, I]`.
    pub w_input: &'a Tensor,
    /// `[3H, H]`.
    pub w_hidden: &'a Tensor,
    /// `[3H]`, added to the product with the input.
    pub bias_input: &'a Tensor,
    /// `[3H]`, added to the product with the state.
    pub bias_hidden: &'a Tensor,
}

impl GruStep<'_> {
    /// The next hidden state `[N, H]` after x `[N, I]`.
    #[track_caller]
    pub fn apply(&self, x: &Tensor, hidden: &Tensor) -> Tensor {
        let from_x = x.matmul(&self.w_input.transpose()) + self.bias_input;
        let from_h = hidden.matmul(&self.w_hidden.transpose()) + self.bias_hidden;
        let n = hidden.shape().get(1).copied().unwrap_or(0);
        let gate = |t: &Tensor, i: usize| t.narrow(1, n.saturating_mul(i), n);
        let reset = (gate(&from_x, 0) + gate(&from_h, 0)).sigmoid();
        let update = (gate(&from_x, 1) + gate(&from_h, 1)).sigmoid();
        let new = (gate(&from_x, 2) + reset * gate(&from_h, 2)).tanh();
        (1.0 - &update) * new + update * hidden
    }
}
