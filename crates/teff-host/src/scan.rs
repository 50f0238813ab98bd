//! Loops with a carried state: the body is a schedule of its own.

#![allow(unsafe_code)]

use crate::memory::BufferId;
use crate::schedule::{Frame, Schedule};
use crate::threads::Team;
use crate::view::View;
use std::fmt;

/// Runs a schedule once for each element of the leading axis of some operands.
pub(crate) struct ScanLoop {
    pub(crate) body: Schedule,
    pub(crate) states: usize,
    pub(crate) scanned: usize,
    pub(crate) length: usize,
    pub(crate) reverse: bool,
    /// Row-major, as are the results.
    pub(crate) operands: Vec<View>,
    pub(crate) results: Vec<View>,
    /// Two buffers for each state, written in turn.
    pub(crate) carried: Vec<[BufferId; 2]>,
}

impl ScanLoop {
    /// # Safety
    /// `buffers` holds the address of every buffer of the outer schedule; `frame` was made for the body.
    pub(crate) unsafe fn run(&self, buffers: &[*mut u8], frame: &mut Frame, team: &Team) {
        // SAFETY: views were checked against their buffers when the schedule was made.
        let start = |v: &View| unsafe { buffers[v.buffer.index()].add(v.offset * v.dtype.size()) };
        // SAFETY: each element of a leading axis is a whole row-major value.
        let element = |v: &View, t: usize| unsafe {
            start(v).add(t * v.shape[1..].iter().product::<usize>() * v.dtype.size())
        };
        if self.length == 0 {
            for (from, to) in self.operands.iter().zip(&self.results).take(self.states) {
                // SAFETY: a state and its result have one type and lie apart.
                unsafe {
                    std::ptr::copy_nonoverlapping(start(from), start(to), from.len() * from.dtype.size())
                };
            }
        }
        let inputs = self.operands.len();
        for step in 0..self.length {
            let t = if self.reverse { self.length - 1 - step } else { step };
            for (i, operand) in self.operands.iter().enumerate() {
                let at = match i {
                    i if i < self.states && step > 0 => buffers[self.carried[i][(step - 1) % 2].index()],
                    i if (self.states..self.states + self.scanned).contains(&i) => element(operand, t),
                    _ => start(operand),
                };
                frame.set_external(&self.body, i, at);
            }
            for (i, result) in self.results.iter().enumerate() {
                let at = match i {
                    i if i >= self.states => element(result, t),
                    i if step + 1 < self.length => buffers[self.carried[i][step % 2].index()],
                    _ => start(result),
                };
                frame.set_external(&self.body, inputs + i, at);
            }
            // SAFETY: all externals of the body are set.
            unsafe { self.body.run(frame, team) };
        }
    }
}

impl fmt::Display for ScanLoop {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let direction = if self.reverse { " backwards" } else { "" };
        write!(f, "{} steps{direction}, each:", self.length)?;
        for line in self.body.describe().lines() {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
