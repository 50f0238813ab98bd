//! Loops over a known axis.

use crate::fault::{Fault, Lowered};
use teff_graph::Tensor;

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
