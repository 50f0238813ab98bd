//! What a lowering sees of its node: inputs, attributes, version.
//!
//! Every look at an attribute or input is remembered. What is there and was not looked at makes the node unsupported, so that
//! nothing a model says is dropped in silence.

use super::item::{Item, Typed};
use super::walk::{Reader, Scope, node_at};
use crate::error::{Error, NodeAt};
use crate::proto::{Attribute, ElementType, GraphProto, NodeProto};
use std::cell::RefCell;
use std::sync::Arc;
use teff_graph::{Tensor, Value};

/// Why a node could not be lowered; the walk adds where.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What, and what can be done.
    Unsupported(String, String),
    Invalid(String),
    /// What is bounded.
    TooLarge(&'static str),
    /// An error inside a sub-graph.
    Inside(Error),
}

impl Fault {
    pub(crate) fn at(self, at: &NodeAt) -> Error {
        let at = at.clone();
        match self {
            Fault::Unsupported(what, remedy) => Error::Unsupported { at, what, remedy },
            Fault::Invalid(reason) => Error::InvalidNode { at, reason },
            Fault::TooLarge(what) => Error::TooLarge { at, what },
            Fault::Inside(e) => e,
        }
    }
}

impl From<teff_graph::Error> for Fault {
    fn from(e: teff_graph::Error) -> Fault {
        Fault::Invalid(rule_broken(&e))
    }
}

impl From<Error> for Fault {
    fn from(e: Error) -> Fault {
        Fault::Inside(e)
    }
}

/// What a graph says of an operation, without the place in this crate's source that made it.
pub(crate) fn rule_broken(e: &teff_graph::Error) -> String {
    let operands: Vec<String> = e.operands().iter().map(|t| t.to_string()).collect();
    match operands.is_empty() {
        true => format!("{}: {}", e.op(), e.reason()),
        false => format!("{} of {}: {}", e.op(), operands.join(" and "), e.reason()),
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

/// The node being lowered.
pub(crate) struct Node<'n, 's, 'm> {
    pub(crate) reader: &'n mut Reader<'m>,
    pub(crate) scope: &'n Scope<'s, 'm>,
    proto: &'n NodeProto<'m>,
    inputs: Vec<Item>,
    /// Version of the operator set the node's operator belongs to.
    pub(crate) version: i64,
    seen_attributes: RefCell<Vec<String>>,
    seen_inputs: RefCell<Vec<usize>>,
}

impl<'n, 's, 'm> Node<'n, 's, 'm> {
    pub(crate) fn new(
        reader: &'n mut Reader<'m>,
        scope: &'n Scope<'s, 'm>,
        proto: &'n NodeProto<'m>,
        inputs: Vec<Item>,
        version: i64,
    ) -> Self {
        Node {
            reader,
            scope,
            proto,
            inputs,
            version,
            seen_attributes: RefCell::default(),
            seen_inputs: RefCell::default(),
        }
    }

    /// An error if an attribute or input was not looked at.
    pub(crate) fn all_looked_at(&self) -> Result<(), Fault> {
        let seen = self.seen_attributes.borrow();
        if let Some(a) = self.proto.attributes.iter().find(|a| !seen.iter().any(|s| s == a.name)) {
            return unsupported(
                format!("attribute {:?} is not supported at this version", a.name),
                "export with another opset, or without it",
            );
        }
        let seen = self.seen_inputs.borrow();
        let unseen = |i: &usize| !seen.contains(i) && !matches!(self.inputs[*i], Item::Absent);
        match (0..self.inputs.len()).find(unseen) {
            Some(i) => unsupported(
                format!("input {i} ({:?}) is not supported at this version", self.proto.inputs[i]),
                "export without it",
            ),
            None => Ok(()),
        }
    }

    /// The node, its operator and version, for a note.
    pub(crate) fn described(&self) -> String {
        node_at(self.scope, self.proto).to_string()
    }

    /// Takes `count` elements or steps from what a model may have computed while it is read: an error when there are no more. To be
    /// called before anything is made whose size the model's shapes decide.
    pub(crate) fn spend(&mut self, count: usize) -> Lowered<()> {
        self.reader.spend(count)
    }

    /// As [`Node::spend`], for as many tensors.
    pub(crate) fn spend_tensors(&mut self, count: usize) -> Lowered<()> {
        self.reader.spend_tensors(count)
    }

    /// As [`Node::spend`], for going through all that was read so far.
    pub(crate) fn spend_graph(&mut self) -> Lowered<()> {
        self.reader.spend_tensors(self.reader.nodes)
    }

    /// How many inputs are given, absent ones included.
    pub(crate) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// How many outputs are asked for, counted to the last that has a name.
    pub(crate) fn output_count(&self) -> usize {
        self.proto.outputs.iter().rposition(|o| !o.is_empty()).map_or(0, |last| last + 1)
    }

    /// Whether anything uses output `i`.
    pub(crate) fn wants(&self, i: usize) -> bool {
        self.proto.outputs.get(i).is_some_and(|o| !o.is_empty())
    }

    /// The shape that the model says output `i` has.
    pub(crate) fn declared_shape(&self, i: usize) -> Option<&[usize]> {
        self.reader.declared(self.proto.outputs.get(i)?)
    }

    /// Input `i` whatever it is.
    pub(crate) fn item(&self, i: usize) -> Item {
        self.seen_inputs.borrow_mut().push(i);
        self.inputs.get(i).cloned().unwrap_or(Item::Absent)
    }

    /// Input `i`, a tensor, with its element type.
    pub(crate) fn typed(&self, i: usize) -> Lowered<Typed> {
        match self.item(i) {
            Item::Tensor(t) => Ok(t),
            Item::Sequence(_) => invalid(format!("input {i} must be a tensor and is a sequence")),
            Item::Words(_) => unsupported(
                format!("input {i} holds strings, and only operators that move elements take them"),
                "keep text processing outside the model",
            ),
            Item::Absent => invalid(format!("input {i} is missing")),
        }
    }

    /// Input `i`, a tensor.
    pub(crate) fn x(&self, i: usize) -> Lowered {
        self.typed(i).map(|t| t.tensor)
    }

    /// Input `i` if it is given.
    pub(crate) fn optional(&self, i: usize) -> Lowered<Option<Tensor>> {
        match self.item(i) {
            Item::Absent => Ok(None),
            _ => self.x(i).map(Some),
        }
    }

    /// All inputs from `from` on, each a tensor.
    pub(crate) fn tensors(&self, from: usize) -> Lowered<Vec<Tensor>> {
        (from..self.inputs.len()).map(|i| self.x(i)).collect()
    }

    /// The value of input `i`, called `what` by the specification, which must be known while reading.
    pub(crate) fn constant(&mut self, i: usize, what: &str) -> Lowered<Arc<Value>> {
        let t = self.x(i)?;
        match self.reader.fold.value(&t) {
            Some(v) => {
                self.spend(v.len())?;
                Ok(v)
            }
            None => unsupported(
                format!(
                    "{what} (input {i}) depends on the values of the model's inputs or is too large to compute here"
                ),
                "export with it fixed: shapes are static here",
            ),
        }
    }

    /// The integers of input `i`, which must be known while reading.
    pub(crate) fn ints_of(&mut self, i: usize, what: &str) -> Lowered<Vec<i64>> {
        let v = self.constant(i, what)?;
        if v.dtype().is_float() {
            invalid(format!("{what} (input {i}) must be integers"))
        } else {
            Ok(v.to_i64())
        }
    }

    /// As [`Node::ints_of`], `None` when the input is not given.
    pub(crate) fn optional_ints_of(&mut self, i: usize, what: &str) -> Lowered<Option<Vec<i64>>> {
        match self.item(i) {
            Item::Absent => Ok(None),
            _ => self.ints_of(i, what).map(Some),
        }
    }

    /// The one integer of input `i`.
    pub(crate) fn int_of(&mut self, i: usize, what: &str) -> Lowered<i64> {
        match self.ints_of(i, what)?[..] {
            [n] => Ok(n),
            _ => invalid(format!("{what} (input {i}) must have one element")),
        }
    }

    /// As [`Node::int_of`], `None` when the input is not given.
    pub(crate) fn optional_int_of(&mut self, i: usize, what: &str) -> Lowered<Option<i64>> {
        match self.item(i) {
            Item::Absent => Ok(None),
            _ => self.int_of(i, what).map(Some),
        }
    }

    /// The integers called `name`, which old versions have as an attribute and new ones as input `i`.
    pub(crate) fn ints_at(&mut self, name: &str, i: usize) -> Lowered<Option<Vec<i64>>> {
        match self.ints(name) {
            Some(list) => Ok(Some(list.to_vec())),
            None => self.optional_ints_of(i, name),
        }
    }

    /// The axes from attribute `axis` to the last.
    pub(crate) fn trailing_axes(&self, rank: usize) -> Lowered<Vec<isize>> {
        let axis = axis_of(self.int("axis", -1), rank)?;
        Ok((axis as isize..rank as isize).collect())
    }

    /// The one number of input `i`, which must be known while reading; `None` when the input is not given.
    pub(crate) fn optional_number_of(&mut self, i: usize, what: &str) -> Lowered<Option<f64>> {
        if matches!(self.item(i), Item::Absent) {
            return Ok(None);
        }
        match self.constant(i, what)?.to_f64()[..] {
            [x] => Ok(Some(x)),
            _ => invalid(format!("{what} (input {i}) must have one element")),
        }
    }

    /// The attribute, if the node has it.
    pub(crate) fn attribute(&self, name: &str) -> Option<&'n Attribute<'m>> {
        self.seen_attributes.borrow_mut().push(name.into());
        self.proto.attributes.iter().find(|a| a.name == name)
    }

    /// Marks attributes as known that have no part in what is computed here.
    pub(crate) fn ignore(&self, names: &[&str]) {
        self.seen_attributes.borrow_mut().extend(names.iter().map(|n| n.to_string()));
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i)
    }

    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.int(name, default.into()) != 0
    }

    pub(crate) fn float(&self, name: &str, default: f64) -> f64 {
        self.attribute(name).map_or(default, |a| a.f.into())
    }

    pub(crate) fn text(&self, name: &str, default: &'static str) -> Lowered<&'m str> {
        match self.attribute(name) {
            None => Ok(default),
            Some(a) => {
                std::str::from_utf8(a.s).map_err(|_| Fault::Invalid(format!("attribute {name:?} is no text")))
            }
        }
    }

    pub(crate) fn ints(&self, name: &str) -> Option<&'n [i64]> {
        self.attribute(name).map(|a| &a.ints[..])
    }

    /// A list of sizes, none negative.
    pub(crate) fn sizes(&self, name: &str) -> Lowered<Option<Vec<usize>>> {
        self.ints(name).map(|list| sizes(list, name)).transpose()
    }

    pub(crate) fn graph(&self, name: &str) -> Lowered<&'n GraphProto<'m>> {
        match self.attribute(name).and_then(|a| a.graph.as_deref()) {
            Some(g) => Ok(g),
            None => invalid(format!("the sub-graph {name:?} is missing")),
        }
    }

    /// A type given by number as attribute `name`.
    pub(crate) fn element(&self, name: &str) -> Lowered<Option<ElementType>> {
        self.attribute(name).map(|a| element(a.i)).transpose()
    }

    /// A result of which nothing is known but the tensor, with the element type of the inputs it is computed from.
    pub(crate) fn carried(&self, t: Tensor) -> Item {
        let halves = self.inputs.iter().filter_map(|i| match i {
            Item::Tensor(t) => Some(t),
            Item::Sequence(_) | Item::Words(_) | Item::Absent => None,
        });
        let element = halves
            .filter(|i| i.is_half())
            .map(|i| i.carried_to(&t))
            .next()
            .unwrap_or(ElementType::Plain(t.dtype()));
        Item::narrow(t, element)
    }
}

/// The element type with this number, one that graphs can hold.
pub(crate) fn element(number: i64) -> Lowered<ElementType> {
    match ElementType::from_number(number) {
        Some(ElementType::String) => {
            unsupported("strings are not supported", "keep text processing outside the model")
        }
        Some(e) => Ok(e),
        None => unsupported(format!("element type {number} is not supported"), "use real numbers"),
    }
}

/// The dtype that holds elements of this type, which is not a string.
pub(crate) fn holder(element: ElementType) -> teff_graph::DType {
    element.dtype().expect("strings are refused where they enter")
}

/// `list` as sizes.
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

/// The axes of a list in its order, counted from the front; all axes without a list.
pub(crate) fn listed_or_all(list: Option<&[i64]>, rank: usize) -> Lowered<Vec<usize>> {
    match list {
        Some(list) => list.iter().map(|&a| axis_of(a, rank)).collect(),
        None => Ok((0..rank).collect()),
    }
}

/// Axes counted from the front, ascending, each once.
pub(crate) fn axes_of(axes: &[i64], rank: usize) -> Lowered<Vec<usize>> {
    let mut out = axes.iter().map(|&a| axis_of(a, rank)).collect::<Lowered<Vec<_>>>()?;
    out.sort_unstable();
    let n = out.len();
    out.dedup();
    if out.len() == n { Ok(out) } else { invalid(format!("axes {axes:?} name one axis twice")) }
}
