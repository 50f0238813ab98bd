//! Which constants are stored in fewer bits than a byte.

use crate::proto::ElementType;
use std::collections::HashMap;
use teff_graph::{DType, Graph, NodeId, Op, Value};

/// The constants of 8-bit integers that nothing but `Dequantize` uses, where all elements and the zero points beside them, which have the
/// same type in ONNX, fit into 4 or 2 bits; each with the narrowest type that holds them.
pub(crate) fn narrow(graph: &Graph) -> HashMap<NodeId, ElementType> {
    let users = graph.users();
    let mut found = HashMap::new();
    for id in graph.ids() {
        let Op::Constant(value) = &graph[id].op else { continue };
        let types: &[ElementType] = match value.dtype() {
            DType::I8 => &[ElementType::I2, ElementType::I4],
            DType::U8 => &[ElementType::U2, ElementType::U4],
            _ => continue,
        };
        let users = &users[id.index()];
        let is_output = graph.outputs().iter().any(|o| o.node == id);
        let mut zeros: Vec<&Value> = Vec::new();
        let dequantised = users.iter().all(|u| {
            let node = &graph[*u];
            let zero = node.operands.get(2).map(|z| &graph[*z].op);
            if let Some(Op::Constant(zero)) = zero {
                zeros.push(zero);
            }
            matches!(node.op, Op::Dequantize)
                && node.operands[0] == id
                && matches!(zero, Some(Op::Constant(_)))
        });
        if is_output || users.is_empty() || value.is_empty() || !dequantised {
            continue;
        }
        zeros.push(value);
        if let Some(ty) = types.iter().find(|ty| zeros.iter().all(|v| fits(v, **ty))) {
            found.insert(id, *ty);
        }
    }
    found
}

fn fits(value: &Value, ty: ElementType) -> bool {
    let Some((low, high)) = ty.int_range() else { return false };
    value.to_i64().iter().all(|x| (low..=high).contains(&i128::from(*x)))
}
