//! The steps of a schedule, and how they are printed.

use crate::copy::Copy;
use crate::matmul::MatMul;
use crate::memory::BufferId;
use crate::pointwise::Group;
use crate::reference::Reference;
use crate::scan::ScanLoop;
use crate::windows::{Conv, Pool, WeightGrad};

/// One step. What each computes is said where it is defined.
pub(crate) enum Task {
    Pointwise(Box<Group>),
    Copy(Copy),
    MatMul(MatMul),
    Conv(Box<Conv>),
    WeightGrad(Box<WeightGrad>),
    Pool(Box<Pool>),
    Reference(Box<Reference>),
    Scan(Box<ScanLoop>),
}

/// A step and what the memory plan must know of it.
pub(crate) struct Entry {
    pub(crate) step: Task,
    pub(crate) reads: Vec<BufferId>,
    /// Results, and memory the step needs for itself.
    pub(crate) writes: Vec<BufferId>,
    /// Pairs of a result and a buffer it may overwrite, if nobody needs that any more.
    pub(crate) overwrites: Vec<(BufferId, BufferId)>,
    /// The layer this comes from.
    pub(crate) label: String,
}

impl Task {
    /// What kind of work it is, and what it does, without the buffers; for listings and timings.
    pub(crate) fn describe(&self) -> (&'static str, String) {
        match self {
            Task::Pointwise(g) => ("pointwise", format!("{:?} {}", g.shape, g.text)),
            Task::Copy(c) => ("copy", c.to_string()),
            Task::MatMul(m) => ("matmul", m.to_string()),
            Task::Conv(c) => ("conv", c.to_string()),
            Task::WeightGrad(g) => ("weight_grad", g.to_string()),
            Task::Pool(p) => ("pool", p.to_string()),
            Task::Reference(r) => ("reference", r.to_string()),
            Task::Scan(s) => ("scan", s.to_string()),
        }
    }
}
