//! Operators with sub-graphs: conditions and loops.

use super::*;
use crate::proto::GraphProto;
use teff_reader::Scanned;

pub(super) const TABLE: Table = &[("If", Many(if_)), ("Loop", Many(loop_)), ("Scan", Many(scan))];

/// A loop is unrolled up to so many times.
const MOST_TRIPS: i64 = 4096;

/// One branch when the condition is known; else both, and what the condition picks, where they agree in type.
fn if_(n: &mut Node) -> Lowered<Outputs> {
    let condition = n.x(0)?;
    let (then, other) = (n.graph("then_branch")?, n.graph("else_branch")?);
    ensure!(condition.len() == 1, "the condition must have one element, not {condition}");
    if let Some(v) = n.known(&condition) {
        let taken = if v.to_i64()[0] != 0 { then } else { other };
        return n.reader.subgraph(n.scope, taken, vec![]);
    }
    let a = n.reader.subgraph(n.scope, then, vec![])?;
    let b = n.reader.subgraph(n.scope, other, vec![])?;
    a.into_iter().zip(b).map(|(a, b)| pick(&condition.reshape(&[]), a, b)).collect()
}

/// `a` where the condition holds, else `b`.
fn pick(condition: &Tensor, a: OnnxValue, b: OnnxValue) -> Lowered<OnnxValue> {
    let one = |(a, b): (Typed, Typed)| Typed { tensor: condition.select(&a.tensor, &b.tensor), ..a };
    let alike = |a: &Typed, b: &Typed| a.tensor.ty() == b.tensor.ty();
    match (a, b) {
        (OnnxValue::Tensor(a), OnnxValue::Tensor(b)) if alike(&a, &b) => Ok(OnnxValue::Tensor(one((a, b)))),
        (OnnxValue::Sequence(a), OnnxValue::Sequence(b))
            if a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| alike(a, b)) =>
        {
            Ok(OnnxValue::Sequence(a.into_iter().zip(b).map(one).collect()))
        }
        _ => unsupported(
            "the condition depends on the values of the model's inputs, and the branches differ in type or shape",
            "export with the condition fixed",
        ),
    }
}

/// Unrolled: the trip count, and the condition after each trip, must be known while reading.
fn loop_(n: &mut Node) -> Lowered<Outputs> {
    let body = n.graph("body")?;
    let limit = n.optional_int_of(0, "M (the trip count)")?.unwrap_or(i64::MAX);
    let mut going = n.optional_int_of(1, "cond")? != Some(0);
    let mut carried: Vec<OnnxValue> = (2..n.input_count()).map(|i| n.item(i)).collect();
    let states = carried.len();
    let Some(stacked) = body.outputs.len().checked_sub(states + 1) else {
        return invalid!("the body has fewer outputs than the loop has states");
    };
    let mut stacks: Vec<Vec<Typed>> = vec![Vec::new(); stacked];
    let mut trip = 0;
    while going && trip < limit {
        if trip >= MOST_TRIPS {
            return unsupported(
                format!("a loop of more than {MOST_TRIPS} trips"),
                "write it as Scan, or fix the trip count at export",
            );
        }
        let mut outputs = run_body(n, body, trip, carried)?;
        let given = outputs.split_off(states + 1);
        let condition = outputs.remove(0);
        carried = outputs;
        for (stack, item) in stacks.iter_mut().zip(given) {
            stack.push(tensor_of(item)?);
        }
        going = known_condition(n, &condition)?;
        trip += 1;
    }
    if trip == 0 && stacked > 0 {
        // The types of what would be stacked, from a trip that is not taken.
        let outputs = run_body(n, body, 0, carried.clone())?;
        let types = outputs.into_iter().skip(states + 1).map(tensor_of).collect::<Lowered<Vec<_>>>()?;
        let empty = |t: Typed| {
            let ty = Type::new(t.tensor.dtype(), [&[0], t.tensor.shape()].concat());
            OnnxValue::narrow(Tensor::constant(Value::zeros(&ty)), t.element)
        };
        return Ok(carried.into_iter().chain(types.into_iter().map(empty)).collect());
    }
    let stack = |parts: Vec<Typed>| {
        let element = parts[0].element;
        let tensors: Vec<Tensor> = parts.into_iter().map(|t| t.tensor).collect();
        OnnxValue::narrow(Tensor::stack(&tensors, 0), element)
    };
    Ok(carried.into_iter().chain(stacks.into_iter().map(stack)).collect())
}

fn run_body<'m>(
    n: &mut Node<'_, '_, 'm>,
    body: &GraphProto<'m>,
    trip: i64,
    carried: Vec<OnnxValue>,
) -> Lowered<Outputs> {
    let front = [Tensor::constant(Value::scalar(trip)).into(), Tensor::constant(Value::scalar(true)).into()];
    let inputs = front.into_iter().chain(carried).collect();
    n.reader.subgraph(n.scope, body, inputs)
}

fn known_condition(n: &mut Node, condition: &OnnxValue) -> Lowered<bool> {
    let OnnxValue::Tensor(t) = condition else { return invalid!("the condition is no tensor") };
    match n.known(&t.tensor) {
        Some(v) if v.len() == 1 => Ok(v.to_i64()[0] != 0),
        _ => unsupported(
            "the loop ends by a condition that depends on the values of the model's inputs",
            "export with a fixed trip count",
        ),
    }
}

fn tensor_of(item: OnnxValue) -> Lowered<Typed> {
    item.into_typed("what the body gives")
}

/// For each of the scanned inputs or outputs of a scan: the axis, and whether it runs from the last to the first.
fn directions(n: &Node, axes: &str, order: &str, count: usize) -> Lowered<(Vec<i64>, Vec<bool>)> {
    let axes = n.ints(axes).map_or(vec![0; count], <[i64]>::to_vec);
    let reversed: Vec<bool> =
        n.ints(order).map_or(vec![false; count], |l| l.iter().map(|&d| d != 0).collect());
    ensure!(
        axes.len() == count && reversed.len() == count,
        "a list of axes or directions does not have an entry for each scanned tensor"
    );
    Ok((axes, reversed))
}

/// Axis `from` moved to place `to`.
fn moved(x: &Tensor, from: usize, to: usize) -> Tensor {
    let mut perm: Vec<usize> = (0..x.rank()).collect();
    let axis = perm.remove(from);
    perm.insert(to, axis);
    x.permute(&perm)
}

fn scan(n: &mut Node) -> Lowered<Outputs> {
    let body = n.graph("body")?;
    let scanned = n.size("num_scan_inputs", 0);
    if n.version < 9 {
        return batched_scan(n, body, scanned);
    }
    let Some(states) = n.input_count().checked_sub(scanned).filter(|_| scanned > 0) else {
        return invalid!("num_scan_inputs is 0 or more than there are inputs");
    };
    let Some(stacked) = body.outputs.len().checked_sub(states) else {
        return invalid!("the body has fewer outputs than the scan has states");
    };
    let all = n.tensors(0)?;
    let (initial, inputs) = all.split_at(states);
    let (in_axes, in_reversed) = directions(n, "scan_input_axes", "scan_input_directions", scanned)?;
    let (out_axes, out_reversed) = directions(n, "scan_output_axes", "scan_output_directions", stacked)?;
    // A scan that runs backwards as a whole is one; anything mixed is turned around outside.
    let backwards = in_reversed.iter().chain(&out_reversed).all(|&r| r);
    let turn = |x: &Tensor, reversed: bool| if reversed && !backwards { x.flip(0) } else { x.clone() };
    let mut prepared = Vec::new();
    for (i, x) in inputs.iter().enumerate() {
        let axis = axis_of(in_axes[i], x.rank())?;
        prepared.push(turn(&moved(x, axis, 0), in_reversed[i]));
    }
    let (mut results, stacks) = run_scan(n, body, initial, &prepared, backwards)?;
    for (i, y) in stacks.iter().enumerate() {
        let axis = axis_of(out_axes[i], y.rank())?;
        results.push(moved(&turn(y, out_reversed[i]), 0, axis));
    }
    Ok(results.into_iter().map(OnnxValue::from).collect())
}

fn run_scan<'m>(
    n: &mut Node<'_, '_, 'm>,
    body: &GraphProto<'m>,
    initial: &[Tensor],
    scanned: &[Tensor],
    backwards: bool,
) -> Lowered<Scanned> {
    teff_reader::scan(initial, scanned, backwards, |states, slices| {
        let inputs = states.iter().chain(slices).cloned().map(OnnxValue::from).collect();
        let outputs = n.reader.subgraph(n.scope, body, inputs)?.into_iter();
        let mut outputs =
            outputs.map(|item| tensor_of(item).map(|t| t.tensor)).collect::<Lowered<Vec<_>>>()?;
        let given = outputs.split_off(states.len().min(outputs.len()));
        Ok((outputs, given))
    })
}

/// Version 8: a batch axis before the scanned one, each batch scanned by itself, after an optional list of lengths.
fn batched_scan<'m>(n: &mut Node<'_, '_, 'm>, body: &GraphProto<'m>, scanned: usize) -> Lowered<Outputs> {
    if n.ints("directions").is_some_and(|d| d.iter().any(|&d| d != 0)) {
        return unsupported("a reversed scan at version 8", "export with opset 9 or newer");
    }
    let all = n.tensors(1)?;
    let Some(states) = all.len().checked_sub(scanned).filter(|_| scanned > 0) else {
        return invalid!("num_scan_inputs is 0 or more than there are inputs");
    };
    let (Some(&batch), Some(&steps)) = (all[states].shape().first(), all[states].shape().get(1)) else {
        return invalid!("scanned inputs need a batch axis and a time axis");
    };
    if let Some(lengths) = n.optional_ints_of(0, "sequence_lens")?
        && lengths.iter().any(|&l| l != steps as i64)
    {
        return unsupported("sequences of different lengths", "export with opset 9 or newer");
    }
    ensure!(
        batch != 0 && all.iter().all(|t| t.shape().first() == Some(&batch)),
        "the inputs differ in batch size"
    );
    n.spend(batch.saturating_mul(256))?;
    let mut results: Vec<Vec<Tensor>> = Vec::new();
    for b in 0..batch {
        let own: Vec<Tensor> = all.iter().map(|t| t.pick(0, b)).collect();
        let (states, stacks) = run_scan(n, body, &own[..states], &own[states..], false)?;
        results.push(states.into_iter().chain(stacks).collect());
    }
    let count = results[0].len();
    Ok((0..count)
        .map(|i| Tensor::stack(&results.iter().map(|r| r[i].clone()).collect::<Vec<_>>(), 0).into())
        .collect())
}
