//! What a lowering sees of its node: inputs, attributes, version.
//!
//! Every look at an attribute or input is remembered. What is there and was not looked at makes the node unsupported, so that
//! nothing a model says is dropped in silence.

pub(crate) use super::item::holder;
use super::item::{OnnxValue, Typed};
use super::reader::{Reader, Scope, node_at};
use crate::proto::{Attribute, ElementType, GraphProto, NodeProto, element_type};
use std::cell::RefCell;
use teff_graph::{DType, Tensor};
pub(crate) use teff_reader::{
    Fault, Lowered, Operands, ReadState, Repeat, axis_of, ensure, invalid, listed_or_all, sizes, unsupported,
};

/// The node being lowered.
pub(crate) struct Node<'n, 's, 'm> {
    pub(crate) reader: &'n mut Reader<'m>,
    pub(crate) scope: &'n Scope<'s, 'm>,
    proto: &'n NodeProto<'m>,
    inputs: Vec<OnnxValue>,
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
        inputs: Vec<OnnxValue>,
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
        let unseen = |i: &usize| !seen.contains(i) && !matches!(self.inputs[*i], OnnxValue::Absent);
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

    /// As [`Operands::spend`], for going through all that was read so far.
    pub(crate) fn spend_graph(&self) -> Lowered<()> {
        self.spend_tensors(self.reader.nodes)
    }

    /// How many inputs are given, absent ones included.
    pub(crate) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// How many outputs are asked for, counted to the last that has a name.
    pub(crate) fn output_count(&self) -> usize {
        self.proto.output_count()
    }

    /// Whether anything uses output `i`.
    pub(crate) fn wants(&self, i: usize) -> bool {
        self.proto.outputs.get(i).is_some_and(|o| !o.is_empty())
    }

    /// Input `i` whatever it is.
    pub(crate) fn item(&self, i: usize) -> OnnxValue {
        self.seen_inputs.borrow_mut().push(i);
        self.inputs.get(i).cloned().unwrap_or(OnnxValue::Absent)
    }

    /// Input `i`, a tensor, with its element type.
    pub(crate) fn typed(&self, i: usize) -> Lowered<Typed> {
        self.item(i).into_typed(&format!("input {i}"))
    }

    /// Input `i` if it is given.
    pub(crate) fn optional(&self, i: usize) -> Lowered<Option<Tensor>> {
        self.given(i, || self.x(i))
    }

    /// All inputs from `from` on, each a tensor.
    pub(crate) fn tensors(&self, from: usize) -> Lowered<Vec<Tensor>> {
        (from..self.inputs.len()).map(|i| self.x(i)).collect()
    }

    /// The integers called `name`, which old versions have as an attribute and new ones as input `i`.
    pub(crate) fn ints_at(&self, name: &str, i: usize) -> Lowered<Option<Vec<i64>>> {
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

    /// What the word of attribute `name` stands for.
    pub(crate) fn choice<T: Copy>(&self, name: &str, default: &'static str, all: &[(&str, T)]) -> Lowered<T> {
        let word = self.text(name, default)?;
        match all.iter().find(|(choice, _)| *choice == word) {
            Some(&(_, meaning)) => Ok(meaning),
            None => {
                let words: Vec<&str> = all.iter().map(|(choice, _)| *choice).collect();
                let (last, others) = words.split_last().expect("there is a choice");
                let others = others.join(", ");
                unsupported(format!("{name}={word:?}"), &format!("use {others} or {last}"))
            }
        }
    }

    /// A size or count that is attribute `name`; one that is negative is too large for anything.
    pub(crate) fn size(&self, name: &str, default: i64) -> usize {
        usize::try_from(self.int(name, default)).unwrap_or(usize::MAX)
    }

    /// `y` plus input `i`, which broadcasts to it, if that is given.
    pub(crate) fn plus(&self, y: Tensor, i: usize) -> Lowered {
        Ok(match self.optional(i)? {
            Some(b) => y + b,
            None => y,
        })
    }

    pub(crate) fn ints(&self, name: &str) -> Option<&'n [i64]> {
        self.attribute(name).map(|a| &a.ints[..])
    }

    /// A list of floats; none when it is not given.
    pub(crate) fn floats(&self, name: &str) -> &'n [f32] {
        self.attribute(name).map_or(&[], |a| &a.floats)
    }

    /// A list of words; none when it is not given.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        let words = self.attribute(name).map_or(&[][..], |a| &a.strings);
        words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    /// The numbers of a tensor that is an attribute, if it is given.
    pub(crate) fn tensor_numbers(&mut self, name: &str) -> Lowered<Option<Vec<f64>>> {
        let Some(t) = self.attribute(name).and_then(|a| a.tensor.as_ref()) else { return Ok(None) };
        let t = self.reader.tensor(t)?.tensor;
        Ok(self.known(&t).map(|v| v.to_f64()))
    }

    /// A list of sizes, none negative.
    pub(crate) fn sizes(&self, name: &str) -> Lowered<Option<Vec<usize>>> {
        self.ints(name).map(|list| sizes(list, name)).transpose()
    }

    pub(crate) fn graph(&self, name: &str) -> Lowered<&'n GraphProto<'m>> {
        match self.attribute(name).and_then(|a| a.graph.as_deref()) {
            Some(g) => Ok(g),
            None => invalid!("the sub-graph {name:?} is missing"),
        }
    }

    /// A type given by number as attribute `name`.
    pub(crate) fn element(&self, name: &str) -> Lowered<Option<ElementType>> {
        self.attribute(name).map(|a| element(a.i)).transpose()
    }

    /// A result of which nothing is known but the tensor, with the element type of the inputs it is computed from.
    pub(crate) fn carried(&self, t: Tensor) -> OnnxValue {
        let half = |item: &OnnxValue| match item {
            OnnxValue::Tensor(t) => t.is_half().then_some(t.element),
            OnnxValue::Sequence(_) | OnnxValue::Strings(_) | OnnxValue::Absent => None,
        };
        let half = self.inputs.iter().find_map(half).filter(|_| t.dtype() == DType::F32);
        let element = half.unwrap_or(ElementType::Plain(t.dtype()));
        OnnxValue::narrow(t, element)
    }
}

impl Operands for Node<'_, '_, '_> {
    const FIX: &'static str = "export with it fixed: shapes are static here";

    fn reading(&self) -> &ReadState {
        &self.reader.reading
    }

    fn is_given(&self, i: usize) -> bool {
        !matches!(self.item(i), OnnxValue::Absent)
    }

    fn x(&self, i: usize) -> Lowered {
        self.typed(i).map(|t| t.tensor)
    }
}

/// The element type with this number, one that graphs can hold.
pub(crate) fn element(number: i64) -> Lowered<ElementType> {
    match element_type(number) {
        Some(ElementType::String) => {
            unsupported("strings are not supported", "keep text processing outside the model")
        }
        Some(e) => Ok(e),
        None => unsupported(format!("element type {number} is not supported"), "use real numbers"),
    }
}

/// Axes counted from the front, ascending, each once.
pub(crate) fn axes_of(axes: &[i64], rank: usize) -> Lowered<Vec<usize>> {
    let out = teff_reader::axes_of(axes, rank)?;
    ensure!(out.len() == axes.len(), "axes {axes:?} name one axis twice");
    Ok(out)
}
