//! The loop of recurrent networks: its body lowered inside a loop over the steps.

use super::{Lowering, Scope, Storage};
use crate::program::{Expr, Place, Stmt};
use teff_graph::{DType, NodeId, Op, Scan, Type, scan_result_types};

impl<'a> Lowering<'a> {
    pub(super) fn scan(&mut self, node: NodeId, scan: &'a Scan) {
        let results = self.scan_results(node, scan);
        let (states, steps) = results.split_at(scan.states);
        let operands = &self.node(node).operands;
        for (&operand, state) in operands.iter().zip(states) {
            self.store_all(&self.node(operand).ty, state, |l, index| l.element(operand, index));
        }
        let given: Vec<Storage> = operands[scan.states..].iter().map(|&o| self.in_memory(o)).collect();
        self.repeat("t", scan.length, |l, t| {
            let t = if scan.reverse { t.times(-1).offset(scan.length as i64 - 1) } else { t };
            let step_of = |all: &Storage, ty: &Type| all.from(&t.times(ty.len() as i64));
            let mut inputs: Vec<Storage> = states.to_vec();
            for (i, s) in given.iter().enumerate() {
                let ty = &scan.body[scan.body.inputs()[scan.states + i]].ty;
                inputs.push(if i < scan.scanned { step_of(s, ty) } else { s.clone() });
            }
            let mut outputs = Vec::new();
            for (i, output) in scan.body.outputs().iter().enumerate() {
                let ty = &scan.body[output.node].ty;
                outputs.push(match i.checked_sub(scan.states) {
                    Some(i) => step_of(&steps[i], ty),
                    // The next state, until every reader of this one is done.
                    None => Storage::of(l.add_buffer(format!("next_{i}"), ty.clone(), Place::Arena(0))),
                });
            }
            let running =
                scan.runs_while().map(|i| Expr::Load(states[i].buffer, DType::Bool, states[i].base.clone()));
            l.when(running, |l| {
                l.scan_body(scan, inputs, &outputs);
                for (next, state) in outputs.iter().zip(states) {
                    l.copy(next, state);
                }
            });
        });
    }

    /// Memory for every result of a scan, shared by the projections that take it out.
    fn scan_results(&mut self, node: NodeId, scan: &Scan) -> Vec<Storage> {
        let graph = self.scope.graph;
        let types = scan_result_types(scan, &graph.operand_types(node)).expect("a checked graph");
        let mut results = Vec::new();
        for (i, ty) in types.into_iter().enumerate() {
            let takes = |id: &NodeId| graph[*id].op == Op::Project(i) && graph[*id].operands[0] == node;
            let takers: Vec<NodeId> = graph.ids().filter(takes).collect();
            let given = takers.iter().find_map(|id| self.scope.storage.get(id).cloned());
            let storage = given.unwrap_or_else(|| {
                let unnamed = if i < scan.states { "state" } else { "steps" };
                let label = graph[node].label.as_ref();
                let name = label.map_or(unnamed.into(), |l| format!("{}_out", super::name::identifier(l)));
                Storage::of(self.add_buffer(name, ty, Place::Arena(0)))
            });
            takers.into_iter().for_each(|id| drop(self.scope.storage.insert(id, storage.clone())));
            results.push(storage);
        }
        results
    }

    /// Where an operand lies: operands of scans are computed into memory or constant.
    fn in_memory(&mut self, node: NodeId) -> Storage {
        if let Some(s) = self.scope.storage.get(&node) {
            return s.clone();
        }
        let Op::Constant(v) = &self.node(node).op else { unreachable!("operands of scans have memory") };
        Storage::of(self.constant_buffer(node, v))
    }

    /// The kernels of the body, one after another, for one step.
    fn scan_body(&mut self, scan: &'a Scan, inputs: Vec<Storage>, outputs: &[Storage]) {
        let mut body = Scope::new(&scan.body);
        body.storage = scan.body.inputs().iter().copied().zip(inputs).collect();
        let outside = std::mem::replace(&mut self.scope, body);
        let named = std::mem::take(&mut self.builder.named);
        let copies = self.scope.give_memory(outputs);
        self.scope.groups.list.clone().iter().for_each(|g| self.group(g));
        for (node, to) in copies {
            self.store_all(&self.node(node).ty, &to, |l, i| l.element(node, i));
        }
        self.scope = outside;
        self.builder.named = named;
    }

    /// Copies all elements of a buffer.
    fn copy(&mut self, from: &Storage, to: &Storage) {
        let (dtype, count) =
            (self.buffers[from.buffer.index()].ty.dtype, self.buffers[from.buffer.index()].len());
        self.repeat("i", count, |l, i| {
            l.push(Stmt::Store(to.buffer, to.base.plus(&i), Expr::Load(from.buffer, dtype, i)))
        });
    }
}
