//! The order of nodes: each after those whose outputs it takes.
//!
//! The format asks for it, and some tools that edit models do not keep it.

use super::reader::{Scope, node_at};
use crate::proto::{GraphProto, NodeProto};
use crate::{Error, Result};
use std::collections::{HashMap, HashSet};
use teff_reader::Fault;

/// A cycle is shown with so many nodes.
const SHOWN: usize = 6;

/// `nodes` so that each comes after those it takes something of, which is otherwise the order they are in. `scope` has the inputs and
/// initialisers of their graph.
///
/// # Errors
/// A name that is given twice, and nodes that wait for each other.
pub(crate) fn sorted<'n, 'm>(
    scope: &Scope<'_, 'm>,
    nodes: &'n [NodeProto<'m>],
) -> Result<Vec<&'n NodeProto<'m>>> {
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
