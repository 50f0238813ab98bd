//! The scan: shape rule, evaluation and gradient.

use super::{Gradients, Rule};
use crate::dtype::Type;
use crate::error::Result;
use crate::evaluate::evaluate;
use crate::geometry::SliceAxis;
use crate::grad::gradients;
use crate::graph::Graph;
use crate::scan::Scan;
use crate::tensor::Tensor;
use crate::value::Value;
use std::sync::Arc;

pub(super) fn rule(scan: &Scan, operands: &[Type]) -> Rule {
    let results = result_types(scan, operands)?;
    results.into_iter().next().ok_or_else(|| "a scan without states and outputs gives nothing".into())
}

/// The types of all results of `scan` on operands of these types.
///
/// # Errors
/// What does not fit between operands and body.
pub fn result_types(scan: &Scan, operands: &[Type]) -> std::result::Result<Vec<Type>, String> {
    let body = &scan.body;
    let inputs: Vec<&Type> = body.inputs().iter().map(|&i| &body[i].ty).collect();
    let outputs: Vec<&Type> = body.outputs().iter().map(|o| &body[o.node].ty).collect();
    if inputs.len() != operands.len()
        || operands.len() < scan.states + scan.scanned
        || outputs.len() < scan.states
    {
        return Err(format!(
            "{} operands for a body of {} inputs and {} outputs, {} of them states",
            operands.len(),
            inputs.len(),
            outputs.len(),
            scan.states
        ));
    }
    for (i, (operand, input)) in operands.iter().zip(&inputs).enumerate() {
        let is_scanned = (scan.states..scan.states + scan.scanned).contains(&i);
        let expected = if is_scanned { stacked(input, scan.length) } else { (*input).clone() };
        if *operand != expected {
            return Err(format!("operand {i} is {operand}, the body expects {expected}"));
        }
    }
    if let Some(i) = (0..scan.states).find(|&i| inputs[i] != outputs[i]) {
        return Err(format!("state {i} enters the body as {} and leaves it as {}", inputs[i], outputs[i]));
    }
    let (states, steps) = outputs.split_at(scan.states);
    let results = states.iter().map(|&t| t.clone()).chain(steps.iter().map(|t| stacked(t, scan.length)));
    results.map(|t| super::fits_memory(&t).map(|()| t)).collect()
}

/// The type of result `index` of `scan`.
pub(crate) fn result_type(scan: &Scan, operands: &[Type], index: usize) -> Rule {
    let results = result_types(scan, operands)?;
    let n = results.len();
    results.into_iter().nth(index).ok_or_else(|| format!("result {index} of a scan that has {n}"))
}

fn stacked(ty: &Type, length: usize) -> Type {
    Type::new(ty.dtype, [&[length], &ty.shape[..]].concat())
}

/// All results of `scan`.
///
/// # Errors
/// What fails in the body.
pub(crate) fn run(scan: &Scan, operands: &[&Value]) -> Result<Vec<Value>> {
    let mut states: Vec<Value> = operands[..scan.states].iter().map(|&v| v.clone()).collect();
    let scanned = &operands[scan.states..scan.states + scan.scanned];
    let whole = &operands[scan.states + scan.scanned..];
    let mut steps: Vec<Vec<Value>> = vec![Vec::new(); scan.body.outputs().len() - scan.states];
    for t in 0..scan.length {
        let t = if scan.reverse { scan.length - 1 - t } else { t };
        let slices = scanned.iter().map(|x| element(x, t));
        let inputs: Vec<Value> =
            states.into_iter().chain(slices).chain(whole.iter().map(|&v| v.clone())).collect();
        let mut outputs = evaluate(&scan.body, &inputs)?;
        for (all, one) in steps.iter_mut().zip(outputs.split_off(scan.states)) {
            all.push(one);
        }
        states = outputs;
    }
    let types: Vec<Type> = operands.iter().map(|v| v.ty()).collect();
    let types = result_types(scan, &types).expect("checked by the shape rule");
    for (all, ty) in steps.iter_mut().zip(&types[scan.states..]) {
        if scan.reverse {
            all.reverse();
        }
        let elements = all.iter().flat_map(|v| (0..v.len()).map(|i| v.get(i))).collect::<Vec<_>>();
        states.push(Value::from_fn(ty, |i| elements[i]));
    }
    Ok(states)
}

/// Element `t` of the leading axis.
fn element(x: &Value, t: usize) -> Value {
    let shape = x.shape()[1..].to_vec();
    let whole = shape.iter().map(|&len| SliceAxis::whole(len));
    let axes: Vec<SliceAxis> = [SliceAxis { start: t, step: 1, len: 1 }].into_iter().chain(whole).collect();
    super::movement::slice(&axes, x).reshape(shape)
}

/// Gradients in each operand, given those in each result: a scan in the other direction that carries the gradients of the
/// states and the sums of those of the whole operands. The states that entered each step are computed once more and kept.
pub(crate) fn gradient(scan: &Scan, operands: &[Tensor], grads: &[Option<Tensor>]) -> Result<Gradients> {
    let body = &scan.body;
    let inputs = placeholders(body);
    let outputs = body.instantiate(&inputs);
    let results = Tensor::scan_results(scan, operands);

    let mut kept = outputs.clone();
    kept.extend(inputs[..scan.states].iter().cloned());
    let recorder =
        Scan { body: Arc::new(Graph::from_tensors("record", &inputs, &unnamed(&kept))?), ..scan.clone() };
    let recorded = Tensor::scan_results(&recorder, operands).split_off(outputs.len());

    let is_float = |t: &&Tensor| t.dtype().is_float();
    let placeholder = |t: &Tensor| Tensor::input("gradient", t.dtype(), t.shape());
    let first_whole = scan.states + scan.scanned;
    let state_grads: Vec<Tensor> = outputs[..scan.states].iter().filter(is_float).map(placeholder).collect();
    let whole_grads: Vec<Tensor> = inputs[first_whole..].iter().filter(is_float).map(placeholder).collect();
    let step_grads: Vec<Tensor> = outputs[scan.states..].iter().filter(is_float).map(placeholder).collect();

    let seeds = outputs.iter().filter(is_float).cloned().zip(state_grads.iter().chain(&step_grads).cloned());
    let wrt: Vec<Tensor> = inputs.iter().filter(is_float).cloned().collect();
    let found = gradients(&seeds.collect::<Vec<_>>(), &wrt)?;
    let found: Vec<Tensor> =
        wrt.iter().zip(found).map(|(w, g)| g.unwrap_or_else(|| w.full_like(0.0))).collect();
    let (of_states, rest) = found.split_at(state_grads.len());
    let (of_slices, of_whole) = rest.split_at(rest.len() - whole_grads.len());

    // The backward body: states are the gradients of states and of whole operands; scanned are what each step saw and the
    // gradients of what it gave.
    let carried = state_grads.iter().chain(&whole_grads).cloned();
    let body_inputs: Vec<Tensor> = carried
        .chain(inputs[..first_whole].iter().cloned())
        .chain(step_grads.iter().cloned())
        .chain(inputs[first_whole..].iter().cloned())
        .collect();
    let summed = whole_grads.iter().zip(of_whole).map(|(sum, g)| sum + g);
    let body_outputs: Vec<Tensor> =
        of_states.iter().cloned().chain(summed).chain(of_slices.iter().cloned()).collect();
    let backward = Scan {
        body: Arc::new(Graph::from_tensors("gradient", &body_inputs, &unnamed(&body_outputs))?),
        states: state_grads.len() + whole_grads.len(),
        scanned: first_whole + step_grads.len(),
        length: scan.length,
        reverse: !scan.reverse,
    };

    let seed = |i: usize| grads[i].clone().unwrap_or_else(|| results[i].full_like(0.0));
    let floats = |range: std::ops::Range<usize>| range.filter(|&i| results[i].dtype().is_float()).map(seed);
    let zeros = operands[first_whole..].iter().filter(is_float).map(|t| t.full_like(0.0));
    let all: Vec<Tensor> = floats(0..scan.states)
        .chain(zeros)
        .chain(recorded)
        .chain(operands[scan.states..first_whole].iter().cloned())
        .chain(floats(scan.states..results.len()))
        .chain(operands[first_whole..].iter().cloned())
        .collect();
    let mut found = Tensor::scan_results(&backward, &all);
    // Back into the order of the operands: states, scanned, whole.
    let whole = found.drain(state_grads.len()..backward.states).collect::<Vec<_>>();
    let mut in_order = found.into_iter().chain(whole);
    Ok(operands.iter().map(|t| if t.dtype().is_float() { in_order.next() } else { None }).collect())
}

fn placeholders(body: &Graph) -> Vec<Tensor> {
    body.inputs().iter().map(|&i| Tensor::input("x", body[i].ty.dtype, &body[i].ty.shape)).collect()
}

fn unnamed(tensors: &[Tensor]) -> Vec<(&'static str, Tensor)> {
    tensors.iter().map(|t| ("", t.clone())).collect()
}
