//! What a lowering asks of its operands, the same in every format, and loops over a known axis.

use crate::axes::sizes;
use crate::error::{Fault, Lowered, unsupported};
use crate::reading::ReadState;
use crate::{ensure, invalid};
use std::sync::Arc;
use teff_graph::{Num, Tensor, Type, Value};

/// Which elements padding repeats.
#[derive(Clone, Copy)]
pub enum Repeat {
    /// The outermost.
    Edge,
    /// Those inside, mirrored at the outermost, which is not repeated.
    Reflect,
    /// The same, the outermost repeated too.
    Symmetric,
    /// Those from the other end on.
    Wrap,
}

/// A node whose operands can be asked for. `what` is what the format's documentation calls an operand, for messages.
///
/// # Errors
/// Methods give a [`Fault`](crate::Fault) where an operand is missing or of another kind than they say, where a value depends on inputs
/// of the model, and where more would be computed than [`ReadState::spend`] allows.
pub trait Operands {
    /// What can be done about an operand that must be known.
    const FIX: &'static str;

    /// The state of the reading.
    fn reading(&self) -> &ReadState;

    /// Whether operand `i` is there.
    fn is_given(&self, i: usize) -> bool;

    /// Operand `i`, a tensor as the file has it.
    fn x(&self, i: usize) -> Lowered;

    /// The value of a tensor, if it depends on no input of the model.
    fn known(&self, t: &Tensor) -> Option<Arc<Value>> {
        self.reading().value(t)
    }

    /// As [`ReadState::spend`].
    fn spend(&self, count: usize) -> Lowered<()> {
        self.reading().spend(count)
    }

    /// As [`ReadState::spend_tensors`].
    fn spend_tensors(&self, count: usize) -> Lowered<()> {
        self.reading().spend_tensors(count)
    }

    /// The value of operand `i`, which must be known while reading.
    fn constant(&self, i: usize, what: &str) -> Lowered<Arc<Value>> {
        match self.known(&self.x(i)?) {
            Some(v) => self.spend(v.len()).map(|()| v),
            None => unsupported(
                format!(
                    "{what} (input {i}) depends on the values of the model's inputs or is too large to compute here"
                ),
                Self::FIX,
            ),
        }
    }

    /// The integers of operand `i`, which must be known while reading.
    fn ints_of(&self, i: usize, what: &str) -> Lowered<Vec<i64>> {
        let v = self.constant(i, what)?;
        if v.dtype().is_float() { invalid!("{what} (input {i}) must be integers") } else { Ok(v.to_i64()) }
    }

    /// As [`Operands::ints_of`], as sizes.
    fn sizes_of(&self, i: usize, what: &str) -> Lowered<Vec<usize>> {
        sizes(&self.ints_of(i, what)?, what)
    }

    /// The one integer of operand `i`.
    fn int_of(&self, i: usize, what: &str) -> Lowered<i64> {
        match self.ints_of(i, what)?[..] {
            [n] => Ok(n),
            _ => invalid!("{what} (input {i}) must have one element"),
        }
    }

    /// The one number of operand `i`.
    fn number_of(&self, i: usize, what: &str) -> Lowered<f64> {
        match self.constant(i, what)?.to_f64()[..] {
            [x] => Ok(x),
            _ => invalid!("{what} (input {i}) must have one element"),
        }
    }

    /// What `f` makes of operand `i`, if that is given.
    fn given<T>(&self, i: usize, f: impl FnOnce() -> Lowered<T>) -> Lowered<Option<T>> {
        if self.is_given(i) { f().map(Some) } else { Ok(None) }
    }

    /// As [`Operands::ints_of`], of an operand that may be missing.
    fn optional_ints_of(&self, i: usize, what: &str) -> Lowered<Option<Vec<i64>>> {
        self.given(i, || self.ints_of(i, what))
    }

    /// As [`Operands::int_of`], of an operand that may be missing.
    fn optional_int_of(&self, i: usize, what: &str) -> Lowered<Option<i64>> {
        self.given(i, || self.int_of(i, what))
    }

    /// As [`Operands::number_of`], of an operand that may be missing.
    fn optional_number_of(&self, i: usize, what: &str) -> Lowered<Option<f64>> {
        self.given(i, || self.number_of(i, what))
    }

    /// `start, start + delta, ...` up to `limit`, which is not reached; they are the first three operands, numbers of one type.
    fn range(&self) -> Lowered {
        let (start, limit, delta) =
            (self.constant(0, "start")?, self.constant(1, "limit")?, self.constant(2, "delta")?);
        ensure!(
            [&start, &limit, &delta].iter().all(|v| v.len() == 1),
            "start, limit and delta must be scalars"
        );
        let (a, b, d) = (start.get(0), limit.get(0), delta.get(0));
        let count = match (a, b, d) {
            (Num::Int(a), Num::Int(b), Num::Int(d)) if d != 0 => {
                let span = if d > 0 { b - a } else { a - b };
                (span.max(0) + d.abs() - 1) / d.abs()
            }
            (Num::Float(a), Num::Float(b), Num::Float(d)) if d != 0.0 => {
                ((b - a) / d).ceil().max(0.0) as i128
            }
            _ => return invalid!("start, limit and delta must be numbers of one type, delta not 0"),
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.spend(count)?;
        Ok(Tensor::constant(Value::from_fn(&Type::new(start.dtype(), [count]), |i| match (a, d) {
            (Num::Int(a), Num::Int(d)) => Num::Int(a + i as i128 * d),
            (a, d) => Num::Float(a.as_f64() + i as f64 * d.as_f64()),
        })))
    }

    /// `x` with `low` elements before and `high` after its own along `axis`, which repeat them.
    fn repeated(&self, x: &Tensor, axis: usize, (low, high): (usize, usize), repeat: Repeat) -> Lowered {
        x.check()?;
        if (low, high) == (0, 0) {
            return Ok(x.clone());
        }
        self.spend(low.saturating_add(high).saturating_add(x.shape()[axis]))?;
        let n = x.shape()[axis] as i64;
        ensure!(n != 0, "axis {axis} of {x} cannot be padded: it is empty");
        let mirrored = |i: i64, period: i64, last: i64| i.rem_euclid(period).min(last - i.rem_euclid(period));
        let source = |i: i64| match repeat {
            Repeat::Edge => i.clamp(0, n - 1),
            Repeat::Wrap => i.rem_euclid(n),
            Repeat::Symmetric => mirrored(i, 2 * n, 2 * n - 1),
            Repeat::Reflect => mirrored(i, (2 * n - 2).max(1), 2 * n - 2),
        };
        let indices: Vec<i64> = (-(low as i64)..n + high as i64).map(source).collect();
        Ok(x.gather(&Tensor::from_slice(&indices), axis))
    }
}

/// Two lists of tensors: states, and what is stacked.
pub type Scanned = (Vec<Tensor>, Vec<Tensor>);

/// [`Tensor::scan`] with a step that may fail: the final states and the stacks.
///
/// # Errors
/// The fault of the step, or that of a result which is invalid.
pub fn scan(
    states: &[Tensor],
    scanned: &[Tensor],
    reverse: bool,
    step: impl FnOnce(&[Tensor], &[Tensor]) -> Lowered<Scanned>,
) -> Lowered<Scanned> {
    let mut failure: Option<Fault> = None;
    let (last, stacks) = Tensor::scan(states, scanned, reverse, |states, slices| {
        step(states, slices).unwrap_or_else(|fault| {
            failure = Some(fault);
            (states.to_vec(), vec![])
        })
    });
    failure.map_or(Ok(()), Err)?;
    last.iter().chain(&stacks).try_for_each(Tensor::check)?;
    Ok((last, stacks))
}
