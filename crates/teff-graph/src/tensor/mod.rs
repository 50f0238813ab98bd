//! Tensors: how graphs are written.
//!
//! A [`Tensor`] is a handle to a node of a growing graph. Methods and operators apply operations to it; nothing is computed.
//! An operation whose shape rule does not hold gives a tensor that carries the error, and all that is computed from it carries
//! it on, so that a formula reads as a formula and the error, with the source line it was made at, comes out where the graph is
//! taken ([`crate::Graph::from_tensors`], [`Tensor::check`]).

/// The value, or the return of the tensor that carries the error.
macro_rules! valid {
    ($value:expr) => {
        match $value {
            Ok(value) => value,
            Err(invalid) => return invalid,
        }
    };
}

mod activation;
mod arithmetic;
mod create;
mod einsum;
mod indexing;
mod layout;
mod loss;
mod normalize;
mod recurrent;
mod reduce;
mod spectral;
mod windows;

pub use arithmetic::Operand;
pub use loss::Reduction;
pub use recurrent::{GruStep, LstmStep};

use crate::dtype::{DType, Type};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::ops::{infer, scan_result_type};
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// A handle to a value that a graph computes. Cheap to clone; clones are the same value.
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    id: u64,
    op: Op,
    operands: Vec<Tensor>,
    ty: Type,
    label: OnceLock<Arc<str>>,
    error: Option<Error>,
}

impl Tensor {
    /// Applies an operation.
    #[track_caller]
    pub fn apply(op: Op, operands: &[Tensor]) -> Tensor {
        if let Some(invalid) = operands.iter().find(|t| t.0.error.is_some()) {
            return invalid.clone();
        }
        let types: Vec<Type> = operands.iter().map(Tensor::ty).collect();
        let ty = if let (Op::Project(index), [scan]) = (&op, operands) {
            scan.project_type(*index)
        } else {
            infer(&op, &types)
        };
        match ty {
            Ok(ty) => Tensor::make(op, operands.to_vec(), ty, None),
            Err(e) => Tensor::failed(e.at_source(Location::caller())),
        }
    }

    /// A tensor that carries an error of operation `op`, or the error that one of its operands carries.
    #[track_caller]
    pub fn invalid(op: &'static str, operands: &[&Tensor], reason: impl Into<String>) -> Tensor {
        if let Some(invalid) = operands.iter().find(|t| t.0.error.is_some()) {
            return (*invalid).clone();
        }
        let types = operands.iter().map(|t| t.ty()).collect();
        Tensor::failed(Error::new(op, types, reason).at_source(Location::caller()))
    }

    fn failed(e: Error) -> Tensor {
        Tensor::make(Op::Reshape(vec![]), vec![], Type::new(DType::F32, []), Some(e))
    }

    fn make(op: Op, operands: Vec<Tensor>, ty: Type, error: Option<Error>) -> Tensor {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Tensor(Arc::new(Inner { id, op, operands, ty, label: OnceLock::new(), error }))
    }

    fn project_type(&self, index: usize) -> Result<Type> {
        let wrong = |reason: String| Error::new("project", vec![self.ty()], reason);
        let Op::Scan(scan) = self.op() else { return Err(wrong("the operand is no scan".into())) };
        let types: Vec<Type> = self.operands().iter().map(Tensor::ty).collect();
        scan_result_type(scan, &types, index).map_err(wrong)
    }

    /// How many results the scan has that made this tensor; 1 for any other operation.
    pub(crate) fn scan_result_count(&self) -> usize {
        if let Op::Scan(scan) = self.op() { scan.body.outputs().len() } else { 1 }
    }

    /// The error this tensor carries, if an operation it comes from was invalid.
    ///
    /// # Errors
    /// That error.
    pub fn check(&self) -> Result<()> {
        self.0.error.clone().map_or(Ok(()), Err)
    }

    /// Itself, or the error it carries.
    ///
    /// # Errors
    /// As [`Tensor::check`].
    pub fn ok(self) -> Result<Tensor> {
        self.check().map(|()| self)
    }

    /// Element type and shape; `f32[]` for a tensor that carries an error.
    pub fn ty(&self) -> Type {
        self.0.ty.clone()
    }

    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.0.ty.shape
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.0.ty.rank()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.0.ty.len()
    }

    /// True when there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.0.ty.dtype
    }

    /// The operation that makes it.
    pub fn op(&self) -> &Op {
        &self.0.op
    }

    /// What the operation is applied to.
    pub fn operands(&self) -> &[Tensor] {
        &self.0.operands
    }

    /// A number that grows with creation: operands have smaller ones than their users.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Labels the value with the layer it comes from, for messages and generated code. The first label stays.
    pub fn named(&self, label: &str) -> Tensor {
        let _ = self.0.label.set(label.into());
        self.clone()
    }

    /// The label, if one was given.
    pub fn label(&self) -> Option<Arc<str>> {
        self.0.label.get().cloned()
    }

    /// Axis `axis` counted from the front, or from the back when negative.
    #[track_caller]
    pub(crate) fn axis(&self, op: &'static str, axis: isize) -> std::result::Result<usize, Tensor> {
        let rank = self.rank() as isize;
        let from_front = if axis < 0 { axis + rank } else { axis };
        if (0..rank).contains(&from_front) {
            Ok(from_front as usize)
        } else {
            Err(Tensor::invalid(op, &[self], format!("axis {axis} of a tensor with {rank} axes")))
        }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.0.error {
            Some(e) => write!(f, "Tensor({e})"),
            None => write!(f, "Tensor({}: {})", self.0.op, self.0.ty),
        }
    }
}

/// Its type, as messages say it.
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.ty.fmt(f)
    }
}

/// Takes the operands apart one by one: a chain of a million nodes must not recurse a million times.
impl Drop for Inner {
    fn drop(&mut self) {
        let mut open = std::mem::take(&mut self.operands);
        while let Some(t) = open.pop() {
            if let Some(mut inner) = Arc::into_inner(t.0) {
                open.append(&mut inner.operands);
            }
        }
    }
}
