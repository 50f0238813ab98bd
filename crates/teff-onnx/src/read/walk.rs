//! The walk over the nodes of a graph, its sub-graphs and functions, each node after those whose outputs it takes.

use super::item::{OnnxValue, Strings, Typed, as_words, moved};
use super::node::Node;
use super::operators;
use super::reader::{Reader, Scope, is_default, no_operator, node_at};
use crate::proto::{GraphProto, NodeProto};
use crate::{Error, NodeAt, Result};
use std::collections::{HashMap, HashSet};
use teff_graph::Tensor;
use teff_reader::{Fault, Lowered, invalid, label, unsupported};

/// No model is lowered to more nodes than this, functions inlined and loops unrolled.
const MOST_NODES: usize = 1 << 16;
/// Functions and sub-graphs nest no deeper than this.
const DEEPEST: usize = 48;

impl<'m> Reader<'m> {
    /// Lowers nodes, each after those it takes something of.
    pub(crate) fn nodes(&mut self, scope: &mut Scope<'_, 'm>, nodes: &[NodeProto<'m>]) -> Result<()> {
        sorted(scope, nodes)?.into_iter().try_for_each(|node| self.node(scope, node))
    }

    /// The outputs of a sub-graph of `scope` that is given these inputs.
    pub(crate) fn subgraph(
        &mut self,
        scope: &Scope<'_, 'm>,
        graph: &GraphProto<'m>,
        inputs: Vec<OnnxValue>,
    ) -> Lowered<Vec<OnnxValue>> {
        self.reading.spend_tensors(1)?;
        self.spend_copies(&inputs)?;
        let wrong = |reason: String| Error::model(reason);
        if graph.inputs.len() != inputs.len() {
            let given = inputs.len();
            return Err(wrong(format!(
                "sub-graph {:?} takes {} inputs and is given {given}",
                graph.name,
                graph.inputs.len()
            ))
            .into());
        }
        let outputs: Vec<OnnxValue> = self.nested(|reader| {
            let mut inner = scope.inner();
            graph.inputs.iter().zip(inputs).for_each(|(info, item)| inner.set(info.name, item));
            reader.initializers(&mut inner, graph)?;
            reader.nodes(&mut inner, &graph.nodes)?;
            let output = |name: &str| {
                let missing = || {
                    wrong(format!(
                        "sub-graph {:?} does not compute its output {name:?}{}",
                        graph.name,
                        inner.hint(name)
                    ))
                };
                inner.get(name).cloned().ok_or_else(missing)
            };
            graph.outputs.iter().map(|o| output(o.name)).collect()
        })?;
        self.spend_copies(&outputs)?;
        Ok(outputs)
    }

    /// One level deeper.
    pub(crate) fn nested<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEEPEST {
            return Err(Error::model(format!(
                "functions and sub-graphs are nested more than {DEEPEST} deep"
            )));
        }
        self.depth += 1;
        let out = run(self);
        self.depth -= 1;
        out
    }

    fn node(&mut self, scope: &mut Scope<'_, 'm>, proto: &NodeProto<'m>) -> Result<()> {
        let at = node_at(scope, proto);
        self.lowered(scope, proto, &at).map_err(|fault| fault.at(&at))
    }

    /// Gives the names of a node's outputs what it is lowered to.
    fn lowered(&mut self, scope: &mut Scope<'_, 'm>, proto: &NodeProto<'m>, at: &NodeAt) -> Lowered<()> {
        self.nodes += 1 + proto.inputs.len() / 16;
        if self.nodes > MOST_NODES {
            let most = format!("it has more than {MOST_NODES} nodes, functions inlined and loops unrolled");
            return Err(Error::model(most).into());
        }
        let input = |name: &&'m str| match (name.is_empty(), scope.get(name)) {
            (true, _) => Ok(OnnxValue::Absent),
            (false, Some(item)) => Ok(item.clone()),
            (false, None) => {
                invalid!("its input {name:?} is given by no node, input or initialiser{}", scope.hint(name))
            }
        };
        let inputs = proto.inputs.iter().map(input).collect::<Lowered<Vec<OnnxValue>>>()?;
        self.spend_copies(&inputs)?;
        let first_new = Tensor::scalar(false).id();
        let outputs = self.outputs_of(scope, proto, at, inputs)?;
        if outputs.len() < proto.output_count() {
            return unsupported(
                format!("only {} of its {} outputs can be computed", outputs.len(), proto.outputs.len()),
                "export the model for inference, without the further outputs",
            );
        }
        for (name, item) in proto.outputs.iter().zip(outputs) {
            let item = self.finished(item, first_new, &at.node)?;
            scope.set(name, item);
        }
        Ok(())
    }

    fn outputs_of(
        &mut self,
        scope: &Scope<'_, 'm>,
        proto: &NodeProto<'m>,
        at: &NodeAt,
        mut inputs: Vec<OnnxValue>,
    ) -> Lowered<Vec<OnnxValue>> {
        let lowering = operators::find(proto.domain, proto.op_type);
        let function = self.functions.get(&[proto.domain, proto.op_type, proto.overload]).copied();
        match (lowering, function) {
            // A function of the model replaces an operator of the same name, but the standard's own are what they are.
            (None, Some(f)) => Ok(self.call(f, proto, inputs)?),
            (Some(_), Some(f)) if !is_default(proto.domain) => Ok(self.call(f, proto, inputs)?),
            (Some(lower), _) => {
                let words = moved(proto, &mut inputs);
                let mut node = Node::new(self, scope, proto, inputs, at.version);
                let outputs = lower.outputs(&mut node)?;
                node.all_looked_at()?;
                Ok(match words {
                    Some(list) => outputs.into_iter().map(|item| as_words(item, &list)).collect(),
                    None => outputs,
                })
            }
            (None, None) => Err(no_operator(&at.operator)),
        }
    }

    /// As [`ReadState::spend`], for handing on values: long sequences are copied, several times on the way through a node.
    fn spend_copies(&self, items: &[OnnxValue]) -> Lowered<()> {
        let size = |item: &OnnxValue| match item {
            OnnxValue::Sequence(list) => list.len().saturating_mul(8),
            OnnxValue::Tensor(_) | OnnxValue::Strings(_) | OnnxValue::Absent => 1,
        };
        self.reading.spend(items.iter().map(size).sum())
    }

    /// Checks and labels what a node gave, and folds it if it is small.
    fn finished(&self, item: OnnxValue, first_new: u64, name: &str) -> Lowered<OnnxValue> {
        let finish = |t: Typed| -> Lowered<Typed> {
            t.tensor.check()?;
            self.reading.spend_tensors(label(&t.tensor, first_new, name))?;
            Ok(Typed { tensor: self.reading.folded(t.tensor), ..t })
        };
        Ok(match item {
            OnnxValue::Tensor(t) => OnnxValue::Tensor(finish(t)?),
            OnnxValue::Sequence(list) => {
                OnnxValue::Sequence(list.into_iter().map(finish).collect::<Lowered<_>>()?)
            }
            OnnxValue::Strings(words) => {
                let positions = finish(words.positions.into())?.tensor;
                OnnxValue::Strings(Strings { positions, ..words })
            }
            OnnxValue::Absent => OnnxValue::Absent,
        })
    }
}

/// A cycle is shown with so many nodes.
const SHOWN: usize = 6;

/// `nodes` so that each comes after those it takes something of, which is otherwise the order they are in: the format asks for it, and
/// some tools that edit models do not keep it. `scope` has the inputs and
/// initialisers of their graph.
///
/// # Errors
/// A name that is given twice, and nodes that wait for each other.
fn sorted<'n, 'm>(scope: &Scope<'_, 'm>, nodes: &'n [NodeProto<'m>]) -> Result<Vec<&'n NodeProto<'m>>> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|o| !o.is_empty()) {
            let other = match makers.insert(name, i) {
                Some(first) => node_at(scope, &nodes[first]).to_string(),
                None if scope.holds(name) => "an input or initialiser".into(),
                None => continue,
            };
            let fault = Fault::Invalid(format!("its output {name:?} is given by {other} too"));
            return Err(fault.at(&node_at(scope, node)));
        }
    }
    let needs: Vec<Vec<usize>> = nodes
        .iter()
        .map(|node| {
            let mut names = node.inputs.clone();
            let graphs = node.attributes.iter().filter_map(|a| a.graph.as_deref());
            graphs.for_each(|graph| names.extend(taken_from_outside(graph)));
            names.into_iter().filter_map(|name| makers.get(name).copied()).collect()
        })
        .collect();
    if needs.iter().enumerate().all(|(i, list)| list.iter().all(|&need| need < i)) {
        return Ok(nodes.iter().collect());
    }
    match after_needs(&needs) {
        Ok(order) => Ok(order.into_iter().map(|i| &nodes[i]).collect()),
        Err(cycle) => {
            let shown = cycle.iter().take(SHOWN).map(|&i| node_at(scope, &nodes[i]).to_string());
            let shown = shown.collect::<Vec<_>>().join(", ");
            let more = if cycle.len() > SHOWN {
                format!(" and {} more", cycle.len() - SHOWN)
            } else {
                String::new()
            };
            let reason = match cycle.len() {
                1 => format!("{shown} takes its own output"),
                _ => format!("nodes wait for each other, each for an output of the next: {shown}{more}"),
            };
            Err(Error::InvalidModel { reason })
        }
    }
}

/// All numbers, each after those it needs; or some that need each other.
fn after_needs(needs: &[Vec<usize>]) -> std::result::Result<Vec<usize>, Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        New,
        Open,
        Done,
    }
    let mut states = vec![Visit::New; needs.len()];
    let mut order = Vec::with_capacity(needs.len());
    for first in 0..needs.len() {
        // A path of nodes, each with how many of its needs were followed. No recursion: a path may be as long as the model.
        let mut path = vec![];
        if states[first] == Visit::New {
            path.push((first, 0));
            states[first] = Visit::Open;
        }
        while let Some((node, followed)) = path.last_mut() {
            let Some(&next) = needs[*node].get(*followed) else {
                states[*node] = Visit::Done;
                order.push(*node);
                path.pop();
                continue;
            };
            *followed += 1;
            match states[next] {
                Visit::Done => {}
                Visit::New => {
                    states[next] = Visit::Open;
                    path.push((next, 0));
                }
                Visit::Open => {
                    return Err(path.iter().map(|&(n, _)| n).skip_while(|&n| n != next).collect());
                }
            }
        }
    }
    Ok(order)
}

/// The names that the nodes of a sub-graph, and of those inside it, take from the graphs around it.
fn taken_from_outside<'m>(graph: &GraphProto<'m>) -> HashSet<&'m str> {
    let mut names = HashSet::new();
    for node in &graph.nodes {
        names.extend(&node.inputs);
        let graphs = node.attributes.iter().filter_map(|a| a.graph.as_deref());
        graphs.for_each(|inner| names.extend(taken_from_outside(inner)));
    }
    // A branch may give what is outside as it is.
    names.extend(graph.outputs.iter().map(|o| o.name));
    let own = graph.inputs.iter().map(|i| i.name).chain(graph.initializers.iter().map(|t| t.name));
    let own = own.chain(graph.sparse.iter().map(|s| s.values.name));
    own.chain(graph.nodes.iter().flat_map(|n| n.outputs.iter().copied())).for_each(|name| {
        names.remove(name);
    });
    names
}
