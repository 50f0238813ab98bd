//! What a lowering sees of its operator: inputs, options, what its outputs are to be.
//!
//! Every input that is looked at is remembered. One that is there and was not looked at makes the operator unsupported, so that
//! nothing a model says is dropped in silence.

use super::held::{Held, Layout};
use super::quantization::{real, stands_for_floats};
use crate::flatbuffer::{Reference, Scalar, Stored, Table, Vector};
use crate::model::{OperatorInfo, TensorInfo};
use std::cell::RefCell;
use teff_graph::{DType, Tensor};
pub(crate) use teff_reader::{
    Fault, Lowered, Operands, ReadState, Repeat, axes_of, axis_of, common_shape, ensure, invalid,
    listed_or_all, sizes, unsupported,
};

/// What a loop takes to build, in elements.
pub(crate) const LOOP: usize = 1 << 16;

/// Next values of variable tensors, by position among the inputs.
pub(crate) type NextStates = Vec<(usize, Tensor)>;

/// The operator being lowered.
pub(crate) struct Node<'n, 'm> {
    pub(crate) info: &'n OperatorInfo<'m>,
    tensors: &'n [TensorInfo<'m>],
    pub(crate) reading: &'n ReadState,
    inputs: Vec<Option<Held>>,
    seen: RefCell<Vec<usize>>,
    pub(crate) next_states: NextStates,
}

impl<'n, 'm> Node<'n, 'm> {
    pub(crate) fn new(
        info: &'n OperatorInfo<'m>,
        tensors: &'n [TensorInfo<'m>],
        reading: &'n ReadState,
        inputs: Vec<Option<Held>>,
    ) -> Self {
        Node { info, tensors, reading, inputs, seen: RefCell::default(), next_states: Vec::new() }
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
        self.info_of(self.info.inputs, i, "input")
    }

    /// What the file says of output `i`.
    pub(crate) fn output_info(&self, i: usize) -> Lowered<&'n TensorInfo<'m>> {
        self.info_of(self.info.outputs, i, "output")
    }

    /// What the file says of intermediate `i`, which carries the quantisation of a value inside the operator.
    pub(crate) fn intermediate_info(&self, i: usize) -> Lowered<&'n TensorInfo<'m>> {
        self.info_of(self.info.intermediates, i, "intermediate")
    }

    fn info_of(&self, list: Vector<i32>, i: usize, what: &str) -> Lowered<&'n TensorInfo<'m>> {
        let found = list.get(i).and_then(|t| self.tensors.get(usize::try_from(t).ok()?));
        found.ok_or_else(|| Fault::Invalid(format!("{what} {i} is missing")))
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
            None => invalid!("input {i} is missing"),
        }
    }

    /// Input `i`, with floats in place of the integers that stand for them.
    pub(crate) fn real(&self, i: usize) -> Lowered<Held> {
        let (held, info) = (self.held(i)?, self.input_info(i)?);
        if stands_for_floats(info) && held.tensor.dtype().is_int() {
            real(held, info, self.reading)
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
        self.given(i, || self.real_plain(i))
    }

    /// The first two inputs in one layout, so that they broadcast against each other; unless they are `raw`, as floats where they stand
    /// for such.
    pub(crate) fn pair(&self, raw: bool) -> Lowered<(Tensor, Tensor, Layout)> {
        let one = |i| if raw { self.held(i) } else { self.real(i) };
        Ok(in_one_layout(one(0)?, one(1)?))
    }

    /// The option `field`.
    pub(crate) fn get<T: Stored>(&self, field: Scalar<T>) -> Lowered<T> {
        self.info.options(field.union)?.get(field)
    }

    /// The numbers of option `field`, if there are any.
    pub(crate) fn vector<T: Stored>(&self, field: Reference) -> Lowered<Option<Vec<T>>> {
        self.info.options(field.union)?.vector(field)
    }

    /// Counts that must be at least 1, each an option with its name.
    pub(crate) fn counts(&self, fields: &[(Scalar<i32>, &str)]) -> Lowered<Vec<usize>> {
        fields.iter().map(|&(field, what)| self.count(field, what)).collect()
    }

    /// A count that must be at least 1.
    pub(crate) fn count(&self, field: Scalar<i32>, what: &str) -> Lowered<usize> {
        match self.get(field)? {
            n if n >= 1 => Ok(n as usize),
            n => invalid!("{what} is {n}, and must be at least 1"),
        }
    }
}

impl<'m> OperatorInfo<'m> {
    /// The options, which must be of kind `union` where there are any.
    pub(crate) fn options(&self, union: u8) -> Lowered<Options<'m>> {
        match (self.options, self.options_kind) {
            (None, _) | (_, 0) => Ok(Options(None)),
            (Some(table), kind) if kind == union => Ok(Options(Some(table))),
            (_, kind) => invalid!("its options are of kind {kind}, and should be of kind {union}"),
        }
    }

    /// The options of the second union, which must be of kind `union`.
    pub(crate) fn options_2(&self, union: u8) -> Lowered<Options<'m>> {
        match (self.options_2, self.options_2_kind) {
            (Some(table), kind) if kind == union => Ok(Options(Some(table))),
            (_, kind) => invalid!("its options are of kind {kind}, and should be of kind {union}"),
        }
    }
}

impl Operands for Node<'_, '_> {
    const FIX: &'static str = "convert the model with it fixed: shapes are static here";

    fn reading(&self) -> &ReadState {
        self.reading
    }

    fn is_given(&self, i: usize) -> bool {
        self.optional(i).is_some()
    }

    fn x(&self, i: usize) -> Lowered {
        self.held(i).map(Held::into_plain)
    }
}

/// Options of an operator; one that is absent has its default.
#[derive(Clone, Copy)]
pub(crate) struct Options<'m>(Option<Table<'m>>);

impl<'m> Options<'m> {
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

    pub(crate) fn text(&self, field: Reference) -> Lowered<&'m str> {
        self.0.map_or(Ok(""), |table| table.text(field).map_err(outside))
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

/// An error unless `t` is of a float type.
pub(crate) fn floats(t: Tensor, what: &str) -> Lowered {
    if t.dtype().is_float() || t.check().is_err() {
        return Ok(t.ok()?);
    }
    invalid!("{what} is {}; floats, or integers with a scale, are needed", t.dtype())
}

/// As the type an index or size tensor of the file has.
pub(crate) fn cast_to(t: Tensor, info: &TensorInfo) -> Lowered {
    match info.dtype() {
        Some(dtype) if dtype != DType::Bool => Ok(t.cast(dtype)),
        _ => invalid!("its output {:?} is {}", info.name, info.element_name()),
    }
}
