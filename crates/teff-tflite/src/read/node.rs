//! What a lowering sees of its operator: inputs, options, what its outputs are to be.
//!
//! Every input that is looked at is remembered. One that is there and was not looked at makes the operator unsupported, so that
//! nothing a model says is dropped in silence.

use super::constants::Folding;
use super::held::{Held, Layout};
use super::quantization::{real, stands_for_floats};
use crate::error::{Error, OperatorAt};
use crate::flatbuffer::{Reference, Scalar, Stored, Table, Vector};
use crate::model::{OperatorInfo, TensorInfo};
use std::cell::RefCell;
use std::sync::Arc;
use teff_graph::{DType, Tensor, Value, broadcast_shape};

/// Why an operator could not be lowered; the walk adds where.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What, and what can be done.
    Unsupported(String, String),
    Invalid(String),
}

impl Fault {
    pub(crate) fn at(self, at: &OperatorAt) -> Error {
        let at = at.clone();
        match self {
            Fault::Unsupported(what, remedy) => Error::Unsupported { at, what, remedy },
            Fault::Invalid(reason) => Error::InvalidOperator { at, reason },
        }
    }
}

impl From<teff_graph::Error> for Fault {
    fn from(e: teff_graph::Error) -> Fault {
        Fault::Invalid(e.to_string())
    }
}

/// A fault that is the model's.
pub(crate) fn invalid<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Invalid(reason.into()))
}

/// A fault that is this reader's.
pub(crate) fn unsupported<T>(what: impl Into<String>, remedy: &str) -> Result<T, Fault> {
    Err(Fault::Unsupported(what.into(), remedy.into()))
}

/// Result of a lowering.
pub(crate) type Lowered<T = Tensor> = Result<T, Fault>;

/// The operator being lowered.
pub(crate) struct Node<'n, 'm> {
    pub(crate) info: &'n OperatorInfo<'m>,
    tensors: &'n [TensorInfo<'m>],
    pub(crate) folding: &'n Folding,
    inputs: Vec<Option<Held>>,
    seen: RefCell<Vec<usize>>,
    /// Next values of variable tensors, by position among the inputs.
    pub(crate) next_states: Vec<(usize, Tensor)>,
}

impl<'n, 'm> Node<'n, 'm> {
    pub(crate) fn new(
        info: &'n OperatorInfo<'m>,
        tensors: &'n [TensorInfo<'m>],
        folding: &'n Folding,
        inputs: Vec<Option<Held>>,
    ) -> Self {
        Node { info, tensors, folding, inputs, seen: RefCell::default(), next_states: Vec::new() }
    }

    /// An error if an input was not looked at.
    pub(crate) fn all_looked_at(&self) -> Result<(), Fault> {
        let seen = self.seen.borrow();
        match (0..self.inputs.len()).find(|i| self.inputs[*i].is_some() && !seen.contains(i)) {
            Some(i) => unsupported(
                format!("input {i} ({:?}) is not supported at this version", self.input_info(i)?.name),
                "convert the model without it",
            ),
            None => Ok(()),
        }
    }

    /// How many inputs are listed, absent ones included.
    pub(crate) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    pub(crate) fn output_count(&self) -> usize {
        self.info.outputs.len()
    }

    /// What the file says of input `i`.
    pub(crate) fn input_info(&self, i: usize) -> Lowered<&'n TensorInfo<'m>> {
        match self.tensor_index(self.info.inputs, i) {
            Some(info) => Ok(info),
            None => invalid(format!("input {i} is missing")),
        }
    }

    /// What the file says of output `i`.
    pub(crate) fn output_info(&self, i: usize) -> Lowered<&'n TensorInfo<'m>> {
        match self.tensor_index(self.info.outputs, i) {
            Some(info) => Ok(info),
            None => invalid(format!("output {i} is missing")),
        }
    }

    /// What the file says of intermediate `i`, which carries the quantisation of a value inside the operator.
    pub(crate) fn intermediate_info(&self, i: usize) -> Lowered<&'n TensorInfo<'m>> {
        match self.tensor_index(self.info.intermediates, i) {
            Some(info) => Ok(info),
            None => invalid(format!("intermediate {i} is missing")),
        }
    }

    fn tensor_index(&self, list: Vector<i32>, i: usize) -> Option<&'n TensorInfo<'m>> {
        self.tensors.get(usize::try_from(list.get(i)?).ok()?)
    }

    /// Input `i` if it is given, as it is held.
    pub(crate) fn optional(&self, i: usize) -> Option<Held> {
        self.seen.borrow_mut().push(i);
        self.inputs.get(i).cloned().flatten()
    }

    /// Input `i`, as it is held.
    pub(crate) fn held(&self, i: usize) -> Lowered<Held> {
        match self.optional(i) {
            Some(held) => Ok(held),
            None => invalid(format!("input {i} is missing")),
        }
    }

    /// Input `i`, with axes and elements as in the file.
    pub(crate) fn x(&self, i: usize) -> Lowered {
        self.held(i).map(Held::into_plain)
    }

    /// Input `i`, with floats in place of the integers that stand for them.
    pub(crate) fn real(&self, i: usize) -> Lowered<Held> {
        let (held, info) = (self.held(i)?, self.input_info(i)?);
        if stands_for_floats(info) && held.tensor.dtype().is_int() {
            real(held, info, self.folding)
        } else {
            Ok(held)
        }
    }

    /// As [`Node::real`], with axes as in the file.
    pub(crate) fn real_plain(&self, i: usize) -> Lowered {
        self.real(i).map(Held::into_plain)
    }

    /// As [`Node::real_plain`], of an input that may be missing.
    pub(crate) fn optional_real(&self, i: usize) -> Lowered<Option<Tensor>> {
        if self.optional(i).is_some() { self.real_plain(i).map(Some) } else { Ok(None) }
    }

    /// Inputs `a` and `b` as floats where they stand for such, in one layout, so that they broadcast against each other.
    pub(crate) fn pair(&self, a: usize, b: usize) -> Lowered<(Tensor, Tensor, Layout)> {
        let (x, y) = (self.real(a)?, self.real(b)?);
        Ok(in_one_layout(x, y))
    }

    /// As [`Node::pair`], without making floats.
    pub(crate) fn raw_pair(&self, a: usize, b: usize) -> Lowered<(Tensor, Tensor, Layout)> {
        Ok(in_one_layout(self.held(a)?, self.held(b)?))
    }

    /// The value of input `i`, called `what` by the schema, which must be known while reading.
    pub(crate) fn constant(&self, i: usize, what: &str) -> Lowered<Arc<Value>> {
        match self.folding.value(&self.x(i)?) {
            Some(v) => Ok(v),
            None => unsupported(
                format!("{what} (input {i}) depends on the values of the model's inputs"),
                "convert the model with it fixed: shapes are static here",
            ),
        }
    }

    /// The integers of input `i`, which must be known while reading.
    pub(crate) fn ints(&self, i: usize, what: &str) -> Lowered<Vec<i64>> {
        let v = self.constant(i, what)?;
        self.folding.count(v.len())?;
        if v.dtype().is_float() {
            invalid(format!("{what} (input {i}) must be integers"))
        } else {
            Ok(v.to_i64())
        }
    }

    /// The one integer of input `i`.
    pub(crate) fn int(&self, i: usize, what: &str) -> Lowered<i64> {
        match self.ints(i, what)?[..] {
            [n] => Ok(n),
            _ => invalid(format!("{what} (input {i}) must have one element")),
        }
    }

    /// The options, which must be of kind `union` where there are any.
    pub(crate) fn options(&self, union: u8) -> Lowered<Options<'m>> {
        match (self.info.options, self.info.options_kind) {
            (None, _) | (_, 0) => Ok(Options(None)),
            (Some(table), kind) if kind == union => Ok(Options(Some(table))),
            (_, kind) => invalid(format!("its options are of kind {kind}, and should be of kind {union}")),
        }
    }
}

/// Options of an operator; one that is absent has its default.
#[derive(Clone, Copy)]
pub(crate) struct Options<'m>(Option<Table<'m>>);

impl<'m> Options<'m> {
    pub(crate) fn of(table: Table<'m>) -> Self {
        Options(Some(table))
    }

    pub(crate) fn get<T: Stored>(&self, field: Scalar<T>) -> Lowered<T> {
        match &self.0 {
            Some(table) => table.get(field).map_err(outside),
            None => Ok(field.default),
        }
    }

    pub(crate) fn vector<T: Stored>(&self, field: Reference) -> Lowered<Option<Vec<T>>> {
        match self.0.filter(|t| t.has(field)) {
            Some(table) => Ok(Some(table.vector(field).map_err(outside)?.iter().collect())),
            None => Ok(None),
        }
    }

    /// A count that must be at least 1.
    pub(crate) fn count(&self, field: Scalar<i32>, what: &str) -> Lowered<usize> {
        match self.get(field)? {
            n if n >= 1 => Ok(n as usize),
            n => invalid(format!("{what} is {n}, and must be at least 1")),
        }
    }
}

fn outside(broken: crate::flatbuffer::Broken) -> Fault {
    Fault::Invalid(format!("of its options, {broken}"))
}

/// Two values in one layout: channels first if one is held so and the other can follow, else as in the file.
pub(crate) fn in_one_layout(x: Held, y: Held) -> (Tensor, Tensor, Layout) {
    let wants = |h: &Held| h.layout == Layout::ChannelsFirst;
    let valid = x.tensor.check().is_ok() && y.tensor.check().is_ok();
    if valid && (wants(&x) || wants(&y)) && x.tensor.rank() <= 4 && y.tensor.rank() <= 4 {
        return (of_four_axes(x), of_four_axes(y), Layout::ChannelsFirst);
    }
    (x.into_plain(), y.into_plain(), Layout::Plain)
}

/// Channels first, with axes of size 1 in front as broadcasting would add them. A scalar needs none.
fn of_four_axes(h: Held) -> Tensor {
    match h.tensor.rank() {
        0 => h.tensor,
        rank => {
            let mut shape = vec![1; 4 - rank];
            shape.extend(h.tensor.shape());
            Held { tensor: h.tensor.reshape(&shape), layout: h.layout }.into_channels_first()
        }
    }
}

/// Sizes, none negative.
pub(crate) fn sizes(list: &[i64], what: &str) -> Lowered<Vec<usize>> {
    list.iter()
        .map(|&n| usize::try_from(n).map_err(|_| Fault::Invalid(format!("{what} has the negative size {n}"))))
        .collect()
}

/// `axis` counted from the front of a tensor with `rank` axes.
pub(crate) fn axis_of(axis: i64, rank: usize) -> Lowered<usize> {
    let from_front = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    match usize::try_from(from_front) {
        Ok(a) if a < rank => Ok(a),
        _ => invalid(format!("axis {axis} of a tensor with {rank} axes")),
    }
}

/// Axes counted from the front, ascending, each once however often it is named.
pub(crate) fn axes_of(axes: &[i64], rank: usize) -> Lowered<Vec<usize>> {
    let mut out = axes.iter().map(|&a| axis_of(a, rank)).collect::<Lowered<Vec<_>>>()?;
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

/// The shape both broadcast to.
pub(crate) fn common_shape(a: &[usize], b: &[usize]) -> Lowered<Vec<usize>> {
    broadcast_shape(a, b)
        .ok_or_else(|| Fault::Invalid(format!("the shapes {a:?} and {b:?} do not broadcast")))
}

/// An error unless `t` is of a float type.
pub(crate) fn floats(t: Tensor, what: &str) -> Lowered {
    if t.dtype().is_float() || t.check().is_err() {
        return Ok(t.ok()?);
    }
    invalid(format!("{what} is {}; floats, or integers with a scale, are needed", t.dtype()))
}

/// As the type an index or size tensor of the file has.
pub(crate) fn cast_to(t: Tensor, info: &TensorInfo) -> Lowered {
    match info.element.dtype() {
        Some(dtype) if dtype != DType::Bool => Ok(t.cast(dtype)),
        _ => invalid(format!("its output {:?} is {}", info.name, info.element.name())),
    }
}
