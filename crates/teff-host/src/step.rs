//! The steps of a program, and how they are printed.

use crate::copy::Copy;
use crate::matmul::MatMul;
use crate::memory::BufferId;
use crate::pointwise::Group;
use crate::reference::Reference;
use crate::scan::ScanStep;
use crate::windows::{Conv, Pool, WeightGrad};

/// One step. What each computes is said where it is defined.
pub(crate) enum Step {
    Pointwise(Box<Group>),
    Copy(Copy),
    MatMul(MatMul),
    Conv(Box<Conv>),
    WeightGrad(Box<WeightGrad>),
    Pool(Box<Pool>),
    Reference(Box<Reference>),
    Scan(Box<ScanStep>),
}

/// A step and what the memory plan must know of it.
pub(crate) struct Entry {
    pub(crate) step: Step,
    pub(crate) reads: Vec<BufferId>,
    /// Results, and memory the step needs for itself.
    pub(crate) writes: Vec<BufferId>,
    /// Pairs of a result and a buffer it may overwrite, if nobody needs that any more.
    pub(crate) overwrites: Vec<(BufferId, BufferId)>,
    /// The layer this comes from.
    pub(crate) label: String,
}

impl Step {
    /// What kind of work it is, for listings and timings.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Step::Pointwise(_) => "pointwise",
            Step::Copy(_) => "copy",
            Step::MatMul(_) => "matmul",
            Step::Conv(_) => "conv",
            Step::WeightGrad(_) => "weight_grad",
            Step::Pool(_) => "pool",
            Step::Reference(_) => "reference",
            Step::Scan(_) => "scan",
        }
    }

    /// What it does, without the buffers.
    pub(crate) fn detail(&self) -> String {
        match self {
            Step::Pointwise(g) => format!("{:?} {}", g.shape, g.text),
            Step::Copy(c) => c.to_string(),
            Step::MatMul(m) => m.to_string(),
            Step::Conv(c) => c.to_string(),
            Step::WeightGrad(g) => g.to_string(),
            Step::Pool(p) => p.to_string(),
            Step::Reference(r) => r.to_string(),
            Step::Scan(s) => s.to_string(),
        }
    }
}
