//! Reverse-mode differentiation: from tensors to tensors.

use crate::error::{Error, Result};
use crate::graph::reachable;
use crate::op::Op;
use crate::ops;
use crate::tensor::Tensor;
use std::collections::{HashMap, HashSet};

/// The gradients of `sum over (y, seed) of sum(y * seed)` in each of `wrt`; `None` where nothing depends on it.
///
/// Each rule stands beside its operation in `ops/`; this only walks the graph from users to operands and adds up.
///
/// # Errors
/// The first invalid operation among the tensors, or a seed whose type is not its tensor's.
pub fn gradients(outputs: &[(Tensor, Tensor)], wrt: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
    let roots: Vec<Tensor> = outputs.iter().map(|(y, _)| y.clone()).collect();
    let all = reachable(&roots)?;
    let mut needed: HashSet<u64> = wrt.iter().map(Tensor::id).collect();
    for t in &all {
        if t.operands().iter().any(|o| needed.contains(&o.id())) {
            needed.insert(t.id());
        }
    }
    let mut found: HashMap<u64, Tensor> = HashMap::new();
    for (y, seed) in outputs {
        seed.check()?;
        if seed.ty() != y.ty() || !y.dtype().is_float() {
            return Err(Error::new(
                "gradient",
                vec![y.ty(), seed.ty()],
                "takes floats and seeds of the same type",
            ));
        }
        add(&mut found, y, seed.clone());
    }
    // Gradients of the results of each scan, which its projections collect.
    let mut of_scans: HashMap<u64, Vec<Option<Tensor>>> = HashMap::new();
    for t in all.iter().rev().filter(|t| needed.contains(&t.id())) {
        let operand_grads = match t.op() {
            Op::Scan(scan) => match of_scans.remove(&t.id()) {
                Some(grads) => ops::scan_gradient(scan, t.operands(), &grads)?,
                None => continue,
            },
            Op::Project(index) => {
                if let Some(g) = found.get(&t.id()) {
                    let scan = &t.operands()[0];
                    let grads =
                        of_scans.entry(scan.id()).or_insert_with(|| vec![None; scan.scan_result_count()]);
                    grads[*index] = Some(g.clone());
                }
                continue;
            }
            // Each operation has its gradient beside it.
            op => match found.get(&t.id()) {
                Some(g) => ops::gradient(op, t.operands(), t, g),
                None => continue,
            },
        };
        for (operand, g) in t.operands().iter().zip(operand_grads) {
            if let Some(g) = g.filter(|_| needed.contains(&operand.id())) {
                g.check()?;
                add(&mut found, operand, g);
            }
        }
    }
    Ok(wrt.iter().map(|w| found.get(&w.id()).cloned()).collect())
}

fn add(found: &mut HashMap<u64, Tensor>, t: &Tensor, g: Tensor) {
    let sum = match found.get(&t.id()) {
        Some(before) => before + g,
        None => g,
    };
    found.insert(t.id(), sum);
}

/// The [`Op::Param`] leaves that `roots` are computed from, in the order in which they were made. One parameter read twice is two
/// leaves.
///
/// # Errors
/// The first invalid operation among the tensors.
pub fn parameter_leaves(roots: &[Tensor]) -> Result<Vec<Tensor>> {
    Ok(reachable(roots)?.into_iter().filter(|t| matches!(t.op(), Op::Param(_))).collect())
}
