//! Sub-graphs: lowered as often as they are run, each time only what is wanted of them.

use super::held::Held;
use super::operators::{Lower, Table};
use super::reader::Reader;
use crate::model::{ModelFile, OperatorInfo};
use crate::schema::{if_options as o, tensor_type};
use crate::{Error, Result};
use std::collections::HashSet;
use teff_graph::{DType, Tensor};
use teff_reader::{Fault, Lowered, ensure, invalid, unsupported};

pub(super) const TABLE: Table = &[("IF", Lower::Subgraphs(if_))];

/// A sub-graph has no more inputs than this.
const MOST_INPUTS: usize = 128;
/// Sub-graphs stand inside each other no deeper than this.
const MOST_DEPTH: usize = 4;

/// A sub-graph of the file being read.
pub(super) struct Subgraph<'m> {
    index: usize,
    pub(super) file: ModelFile<'m>,
    /// Its constants, by tensor: loaded once, so that every run of it shares them.
    constants: Vec<Option<Held>>,
    /// By tensor: the inputs of the sub-graph it depends on, a bit each.
    depends: Vec<u128>,
}

/// What to lower for some tensors of a sub-graph.
pub(super) struct Selection {
    operators: Vec<usize>,
    wanted: Vec<usize>,
}

/// Tensors of a list that are there.
fn tensors(list: crate::flatbuffer::Vector<i32>) -> impl Iterator<Item = usize> {
    list.iter().filter_map(|t| usize::try_from(t).ok())
}

impl<'m> Subgraph<'m> {
    /// Sub-graph `index`, which takes `inputs` inputs and gives `outputs` outputs.
    pub(super) fn new(
        reader: &mut Reader<'_, 'm>,
        index: i32,
        inputs: usize,
        outputs: usize,
    ) -> Lowered<Self> {
        let found = usize::try_from(index).ok().filter(|&i| i > 0 && i < reader.file.subgraphs);
        let Some(index) = found else {
            return invalid!("it runs sub-graph {index}");
        };
        if reader.depth >= MOST_DEPTH {
            return unsupported(
                format!("loops inside each other deeper than {MOST_DEPTH}"),
                "convert with fewer loops inside each other",
            );
        }
        let file =
            ModelFile::subgraph(reader.file.bytes, index).map_err(|e| Fault::Invalid(e.to_string()))?;
        ensure!(
            (file.inputs.len(), file.outputs.len()) == (inputs, outputs) && inputs <= MOST_INPUTS,
            "sub-graph {index} has {} inputs and {} outputs, where {inputs} (up to {MOST_INPUTS}) and {outputs} are needed",
            file.inputs.len(),
            file.outputs.len()
        );
        ensure!(
            file.inputs.iter().collect::<HashSet<_>>().len() == inputs,
            "sub-graph {index} lists an input twice"
        );
        // Operators may share their lists in the file, so that going through them takes longer than the file is.
        let size: usize = file.operators.iter().map(|o| 1 + o.inputs.len() + o.outputs.len()).sum();
        reader.count_operands(file.tensors.len() + size).map_err(|e| Fault::Invalid(e.to_string()))?;
        let mut sub = Subgraph { index, constants: Vec::new(), depends: depends(&file), file };
        sub.constants = sub.load(reader).map_err(|e| sub.fault(e))?;
        Ok(sub)
    }

    fn load(&self, reader: &mut Reader) -> Result<Vec<Option<Held>>> {
        let file = &self.file;
        let used = file.operators.iter().flat_map(|o| tensors(o.inputs)).chain(file.outputs.iter().copied());
        let mut constants = vec![None; file.tensors.len()];
        for t in used.collect::<HashSet<_>>() {
            if t < constants.len() && !file.inputs.contains(&t) {
                constants[t] = reader.constant(file, t)?.map(Held::plain);
            }
        }
        Ok(constants)
    }

    /// An error inside, as one of the operator that runs this.
    fn fault(&self, error: Error) -> Fault {
        let within = |what: String| format!("in sub-graph {}, {what}", self.index);
        match error {
            Error::Unsupported { at, what, remedy } => {
                Fault::Unsupported(within(format!("{at}: {what}")), remedy)
            }
            other => Fault::Invalid(within(other.to_string())),
        }
    }

    /// The inputs of the sub-graph that tensor `t` depends on, a bit each.
    pub(super) fn depends(&self, t: usize) -> u128 {
        self.depends[t]
    }

    /// What to lower for `wanted`.
    pub(super) fn part(&self, wanted: Vec<usize>) -> Selection {
        let mut needed: HashSet<usize> = wanted.iter().copied().collect();
        let mut operators = Vec::new();
        for (i, info) in self.file.operators.iter().enumerate().rev() {
            if tensors(info.outputs).any(|t| needed.contains(&t)) {
                operators.push(i);
                needed.extend(tensors(info.inputs));
            }
        }
        operators.reverse();
        Selection { operators, wanted }
    }

    /// The wanted tensors, when the inputs are these. One that is not given must not be needed.
    pub(super) fn run(
        &self,
        reader: &mut Reader<'_, 'm>,
        part: &Selection,
        inputs: &[Option<Held>],
    ) -> Lowered<Vec<Held>> {
        reader.reading.spend(self.constants.len())?;
        let mut values = self.constants.clone();
        for (&t, input) in self.file.inputs.iter().zip(inputs) {
            values[t].clone_from(input);
        }
        reader.enter(&self.file, values).part(part).map_err(|e| self.fault(e))
    }
}

impl Reader<'_, '_> {
    fn part(&mut self, part: &Selection) -> Result<Vec<Held>> {
        part.operators.iter().try_for_each(|&i| self.operator(i))?;
        let value = |&t: &usize| {
            self.get(t)?
                .ok_or_else(|| self.file.tensors[t].wrong(t, "is given by no operator, input or constant"))
        };
        part.wanted.iter().map(value).collect()
    }
}

/// By tensor: the inputs it depends on.
fn depends(file: &ModelFile) -> Vec<u128> {
    let mut depends = vec![0; file.tensors.len()];
    for (k, &t) in file.inputs.iter().enumerate().take(MOST_INPUTS) {
        depends[t] |= 1 << k;
    }
    for info in &file.operators {
        let all = tensors(info.inputs).filter_map(|t| depends.get(t)).fold(0, |all, d| all | d);
        for t in tensors(info.outputs) {
            if let Some(d) = depends.get_mut(t) {
                *d |= all;
            }
        }
    }
    depends
}

/// What operator `info` is given, axes as in the file.
pub(super) fn given(reader: &mut Reader, info: &OperatorInfo) -> Lowered<Vec<Tensor>> {
    let file = reader.file;
    let mut all = Vec::new();
    for (k, t) in info.inputs.iter().enumerate() {
        let tensor = file.position(Some(t)).map(|t| &file.tensors[t]);
        if let Some(tensor) = tensor.filter(|t| t.number == tensor_type::RESOURCE) {
            return unsupported(
                format!("a variable inside a sub-graph (input {k}, {:?})", tensor.name),
                "convert with frozen variables, for example by from_keras_model",
            );
        }
        match reader.input(k, t)? {
            Some(held) => all.push(reader.reading.folded(held.into_plain())),
            None => return invalid!("its input {k} is missing"),
        }
    }
    Ok(all)
}

/// What sub-graph `index`, which gives `outputs` outputs, makes of these inputs.
pub(super) fn run_whole(
    reader: &mut Reader,
    index: i32,
    inputs: &[Tensor],
    outputs: usize,
) -> Lowered<Vec<Tensor>> {
    let sub = Subgraph::new(reader, index, inputs.len(), outputs)?;
    let part = sub.part(sub.file.outputs.clone());
    let inputs: Vec<Option<Held>> = inputs.iter().cloned().map(Held::plain).map(Some).collect();
    Ok(sub.run(reader, &part, &inputs)?.into_iter().map(Held::into_plain).collect())
}

/// One of two sub-graphs; where the condition depends on the model's inputs, both, of which one is taken.
fn if_(reader: &mut Reader, i: usize, given: Vec<Tensor>) -> Lowered<Vec<Tensor>> {
    let info = reader.file.operators[i];
    let Some((condition, rest)) = given.split_first() else { return invalid!("it has no condition") };
    ensure!(
        condition.dtype() == DType::Bool && condition.len() == 1,
        "its condition is {condition}, and must be one bool"
    );
    let options = info.options(o::UNION)?;
    let (then, other) = (options.get(o::THEN_SUBGRAPH_INDEX)?, options.get(o::ELSE_SUBGRAPH_INDEX)?);
    let branch = |reader: &mut Reader, index| run_whole(reader, index, rest, info.outputs.len());
    match reader.reading.value(condition) {
        Some(v) => branch(reader, if v.to_i64()[0] != 0 { then } else { other }),
        None => {
            let (yes, no) = (branch(reader, then)?, branch(reader, other)?);
            reader
                .reading
                .note(format!("of the branches at operator {i} both are computed, and one is taken"));
            let condition = condition.reshape(&[]);
            let either = |(yes, no): (&Tensor, &Tensor)| match yes.ty() == no.ty() {
                true => Ok(condition.select(yes, no)),
                false => invalid!("its branches give {yes} and {no}"),
            };
            yes.iter().zip(&no).map(either).collect()
        }
    }
}
