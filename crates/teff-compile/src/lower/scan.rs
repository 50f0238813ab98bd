//! The loop of recurrent networks: its body lowered inside a loop over the steps.

use super::fuse;
use super::{Lowering, Storage};
use crate::error::Error;
use crate::program::{BufferId, Expr, Index, Place, Stmt};
use std::collections::HashMap;
use teff_graph::facts::Known;
use teff_graph::{DType, NodeId, Op, Scan, Type, scan_result_types};

impl<'a> Lowering<'a> {
    pub(super) fn scan(&mut self, node: NodeId, scan: &'a Scan) -> Result<(), Error> {
        let results = self.scan_results(node, scan);
        let operands = self.graph[node].operands.clone();
        for (&operand, state) in operands.iter().zip(&results[..scan.states]) {
            let ty = self.node(operand).ty.clone();
            self.store_all(&ty, |l, index| {
                Ok((state.buffer, state.base.clone(), l.element(operand, index)?))
            })?;
        }
        let given: Vec<Storage> = operands[scan.states..].iter().map(|&o| self.in_memory(o)).collect();
        self.repeat("t", scan.length, |l, t| {
            let t = if scan.reverse { t.times(-1).offset(scan.length as i64 - 1) } else { t };
            let mut inputs: Vec<Storage> = results[..scan.states].to_vec();
            for (i, s) in given.iter().enumerate() {
                let input = scan.body.inputs()[scan.states + i];
                let step =
                    if i < scan.scanned { t.times(scan.body[input].ty.len() as i64) } else { Index::zero() };
                inputs.push(Storage { buffer: s.buffer, base: s.base.plus(&step) });
            }
            let mut outputs = Vec::new();
            for (i, output) in scan.body.outputs().iter().enumerate() {
                let ty = &scan.body[output.node].ty;
                outputs.push(if i < scan.states {
                    // The next state, until every reader of this one is done.
                    Storage {
                        buffer: l.add_buffer(format!("next_{i}"), ty.clone(), Place::Arena(0)),
                        base: Index::zero(),
                    }
                } else {
                    let step = t.times(ty.len() as i64);
                    Storage { buffer: results[i].buffer, base: results[i].base.plus(&step) }
                });
            }
            let running = scan.runs_while().map(|i| {
                let state = &results[i];
                Expr::Load(state.buffer, DType::Bool, state.base.clone())
            });
            l.when(running, |l| {
                l.scan_body(scan, inputs, &outputs)?;
                for (next, state) in outputs.iter().zip(&results[..scan.states]) {
                    l.copy(next.buffer, state)?;
                }
                Ok(())
            })
        })
    }

    /// Memory for every result of a scan, shared by the projections that take it out.
    fn scan_results(&mut self, node: NodeId, scan: &Scan) -> Vec<Storage> {
        let types: Vec<Type> = self.graph.operand_types(node);
        let types = scan_result_types(scan, &types).expect("a checked graph");
        let mut results = Vec::new();
        for (i, ty) in types.into_iter().enumerate() {
            let takers = self.graph.ids().filter(|&id| {
                let n = self.node(id);
                matches!(n.op, Op::Project(index) if index == i) && n.operands[0] == node
            });
            let takers: Vec<NodeId> = takers.collect();
            let given = takers.iter().find_map(|id| self.storage.get(id).cloned());
            let storage = given.unwrap_or_else(|| {
                let name = match &self.node(node).label {
                    Some(l) => format!("{}_out", super::name::identifier(l)),
                    None => {
                        if i < scan.states {
                            "state".into()
                        } else {
                            "steps".into()
                        }
                    }
                };
                Storage { buffer: self.add_buffer(name, ty, Place::Arena(0)), base: Index::zero() }
            });
            takers.into_iter().for_each(|id| drop(self.storage.insert(id, storage.clone())));
            results.push(storage);
        }
        results
    }

    /// Where an operand lies: operands of scans are computed into memory or constant.
    fn in_memory(&mut self, node: NodeId) -> Storage {
        if let Some(s) = self.storage.get(&node) {
            return s.clone();
        }
        let Op::Constant(v) = &self.node(node).op else { unreachable!("operands of scans have memory") };
        Storage { buffer: self.constant_buffer(node, v), base: Index::zero() }
    }

    /// The kernels of the body, one after another, for one step.
    fn scan_body(&mut self, scan: &'a Scan, inputs: Vec<Storage>, outputs: &[Storage]) -> Result<(), Error> {
        let body: &'a teff_graph::Graph = &scan.body;
        let groups = fuse::groups(body);
        let mut storage: HashMap<NodeId, Storage> = body.inputs().iter().copied().zip(inputs).collect();
        let mut copies = Vec::new();
        for (output, to) in body.outputs().iter().zip(outputs) {
            let computed = groups.list.iter().any(|g| g.root == output.node);
            if computed && !storage.contains_key(&output.node) {
                storage.insert(output.node, to.clone());
            } else {
                copies.push((output.node, to.clone()));
            }
        }
        let outside = (
            self.graph,
            std::mem::replace(&mut self.groups, groups),
            std::mem::replace(&mut self.storage, storage),
            std::mem::replace(&mut self.known, Known::new(body)),
        );
        let named = std::mem::take(&mut self.builder.named);
        self.graph = body;
        let list = self.groups.list.clone();
        let mut done = list.iter().try_for_each(|g| self.group(g));
        for (node, to) in copies {
            let ty = self.node(node).ty.clone();
            done = done.and_then(|()| {
                self.store_all(&ty, |l, i| Ok((to.buffer, to.base.clone(), l.element(node, i)?)))
            });
        }
        (self.graph, self.groups, self.storage, self.known) = outside;
        self.builder.named = named;
        done
    }

    /// Copies all elements of a buffer.
    fn copy(&mut self, from: BufferId, to: &Storage) -> Result<(), Error> {
        let (dtype, count) = (self.buffers[from.index()].ty.dtype, self.buffers[from.index()].len());
        self.repeat("i", count, |l, i| {
            l.push(Stmt::Store(to.buffer, to.base.plus(&i), Expr::Load(from, dtype, i)));
            Ok(())
        })
    }
}
