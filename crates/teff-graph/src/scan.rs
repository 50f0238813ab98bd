//! The loop of recurrent networks.

use crate::graph::Graph;
use std::sync::Arc;

/// A loop over the leading axis of some operands, with a carried state.
///
/// Operands: `states` initial states, then scanned tensors `[T, ..]`, then tensors that every step sees whole. The body's
/// inputs are, in this order, the states, one slice `[..]` of each scanned tensor, the whole tensors. Its outputs are the next
/// states, then what the step gives. Results, taken out by `Project`: the final states, then what all steps gave, stacked to
/// `[T, ..]` in the order of the scanned tensors (so a reversed scan fills it from the end).
#[derive(Clone, Debug)]
pub struct Scan {
    /// One step.
    pub body: Arc<Graph>,
    /// How many states are carried.
    pub states: usize,
    /// How many operands are scanned.
    pub scanned: usize,
    /// T: how many steps.
    pub length: usize,
    /// From the last slice to the first.
    pub reverse: bool,
}

/// Equality is identity of the body.
impl PartialEq for Scan {
    fn eq(&self, o: &Scan) -> bool {
        Arc::ptr_eq(&self.body, &o.body)
            && (self.states, self.scanned, self.length, self.reverse)
                == (o.states, o.scanned, o.length, o.reverse)
    }
}
