//! Operations without a fast version: the reference evaluator, one node at a time.

#![allow(unsafe_code)]

use crate::memory::address;
use crate::view::View;
use std::fmt;
use teff_graph::{Op, Type, Value, evaluate_op, with_dtype};

/// One operation, by the reference evaluator. Unlike all other steps it allocates.
pub(crate) struct Reference {
    pub(crate) op: Op,
    /// Row-major, as is the result.
    pub(crate) operands: Vec<View>,
    pub(crate) result: View,
}

impl Reference {
    /// # Safety
    /// `buffers` holds the address of every buffer of the schedule; nobody else touches the result.
    pub(crate) unsafe fn run(&self, buffers: &[*mut u8]) {
        // SAFETY: views were checked against their buffers when the schedule was made.
        let start = |v: &View| unsafe { buffers[v.buffer.index()].add(v.offset * v.dtype.size()) };
        let values: Vec<Value> = self
            .operands
            .iter()
            .map(|v| {
                with_dtype!(v.dtype, T => {
                    // SAFETY: as above, and buffers hold valid elements of their dtype.
                    let elements = unsafe { std::slice::from_raw_parts(start(v).cast::<T>(), v.len()) };
                    Value::new(v.shape.clone(), elements.to_vec())
                })
            })
            .collect();
        let result = evaluate_op(&self.op, &values.iter().collect::<Vec<_>>());
        let bytes = result.len() * result.dtype().size();
        // SAFETY: the result has the type its shape rule gave when the buffer was made.
        unsafe { std::ptr::copy_nonoverlapping(address(&result), start(&self.result), bytes) };
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} of", self.op)?;
        for v in &self.operands {
            write!(f, " {}", Type::new(v.dtype, v.shape.clone()))?;
        }
        Ok(())
    }
}
