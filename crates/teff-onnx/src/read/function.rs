//! Functions that a model brings along, inlined where they are called.

use super::item::OnnxValue;
use super::operators;
use super::reader::{Reader, Scope, is_default, no_operator, node_at, qualified};
use crate::proto::{Attribute, FunctionProto, GraphProto, ModelProto, NodeProto};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use teff_reader::Fault;

impl<'m> Reader<'m> {
    /// The outputs of function `f`, called by `node` with these inputs.
    pub(crate) fn call(
        &mut self,
        f: &'m FunctionProto<'m>,
        node: &NodeProto<'m>,
        inputs: Vec<OnnxValue>,
    ) -> Result<Vec<OnnxValue>> {
        self.nested(|reader| {
            let mut scope = Scope::new(&f.opsets);
            let all = inputs.into_iter().chain(std::iter::repeat(OnnxValue::Absent));
            f.inputs.iter().zip(all).for_each(|(name, item)| scope.set(name, item));
            let too_large = |fault: Fault| fault.at(&node_at(&scope, node));
            reader.reading.spend(f.nodes.iter().map(size).sum()).map_err(too_large)?;
            let body: Vec<NodeProto> = f.nodes.iter().map(|n| bound(n, f, &node.attributes)).collect();
            reader.nodes(&mut scope, &body)?;
            let output = |name: &&str| match scope.get(name) {
                Some(item) => Ok(item.clone()),
                None => Err(Error::model(format!(
                    "function {}.{} does not compute its output {name:?}",
                    f.domain, f.name
                ))),
            };
            f.outputs.iter().map(output).collect()
        })
    }
}

/// What copying a node takes, in elements.
fn size(node: &NodeProto) -> usize {
    let names = node.inputs.len() + node.outputs.len();
    let of = |a: &Attribute| {
        let graph =
            a.graph.as_ref().map_or(0, |g| g.nodes.iter().map(size).sum::<usize>() + g.initializers.len());
        16 + a.ints.len() + a.floats.len() + graph
    };
    16 + 2 * names + node.attributes.iter().map(of).sum::<usize>()
}

/// A node of function `f` whose references to the function's attributes are replaced by what the call gives, or by the default. A
/// reference to neither leaves the node without that attribute.
fn bound<'m>(node: &NodeProto<'m>, f: &FunctionProto<'m>, given: &[Attribute<'m>]) -> NodeProto<'m> {
    let bind = |a: &Attribute<'m>| {
        if a.reference.is_empty() {
            let graph = a.graph.as_ref().map(|g| Box::new(bound_graph(g, f, given)));
            return Some(Attribute { graph, ..a.clone() });
        }
        let value = given.iter().chain(&f.defaults).find(|v| v.name == a.reference)?;
        Some(Attribute { name: a.name, ..value.clone() })
    };
    NodeProto { attributes: node.attributes.iter().filter_map(bind).collect(), ..node.clone() }
}

fn bound_graph<'m>(graph: &GraphProto<'m>, f: &FunctionProto<'m>, given: &[Attribute<'m>]) -> GraphProto<'m> {
    GraphProto { nodes: graph.nodes.iter().map(|n| bound(n, f, given)).collect(), ..graph.clone() }
}

/// Calls `f` for every node of `model`, its sub-graphs and functions.
fn each_node(model: &ModelProto, f: &mut dyn FnMut(&Scope, &NodeProto)) {
    fn look(scope: &Scope, nodes: &[NodeProto], f: &mut dyn FnMut(&Scope, &NodeProto)) {
        for node in nodes {
            f(scope, node);
            node.attributes.iter().filter_map(|a| a.graph.as_deref()).for_each(|g| look(scope, &g.nodes, f));
        }
    }
    if let Some(graph) = &model.graph {
        look(&Scope::new(&model.opsets), &graph.nodes, f);
    }
    model.functions.iter().for_each(|function| look(&Scope::new(&function.opsets), &function.nodes, f));
}

/// The operators of `model`, sorted, each once.
pub(crate) fn operators_used(model: &ModelProto) -> Vec<String> {
    let mut found = BTreeSet::new();
    each_node(model, &mut |_, node| {
        found.insert(qualified(node));
    });
    found.into_iter().collect()
}

/// The operators of `model` that nothing here lowers; each once, in order of name.
pub(crate) fn unsupported_operators(model: &ModelProto) -> Vec<Error> {
    let mut found = BTreeMap::new();
    each_node(model, &mut |scope, node| {
        let is_function =
            || model.functions.iter().any(|f| f.domain == node.domain && f.name == node.op_type);
        if operators::find(node.domain, node.op_type).is_none() && (is_default(node.domain) || !is_function())
        {
            found
                .entry(qualified(node))
                .or_insert_with(|| no_operator(&qualified(node)).at(&node_at(scope, node)));
        }
    });
    found.into_values().collect()
}
