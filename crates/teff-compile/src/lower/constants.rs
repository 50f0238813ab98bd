//! Constants as they are best stored, and in the order kernels read them.

use super::Lowering;
use crate::program::{BufferId, Expr, Place, Program, map_exprs};
use std::sync::Arc;
use teff_graph::{DType, Data, Element, NodeId, Type, Value, with_data};

/// Stores integers of 64 bits that fit 32 as such, and writes elements at known positions as numbers.
pub(super) fn store(program: &mut Program) {
    narrow_constants(program);
    fold_tables(program);
}

/// Elements of constants whose positions are known are constants, as compilers know too.
fn fold_tables(program: &mut Program) {
    let Program { kernels, buffers, .. } = program;
    for kernel in kernels {
        map_exprs(&mut kernel.body, &mut |e| {
            if let Expr::Load(id, dtype, at) = e
                && let (Some(at), Place::Constant(value)) = (at.as_constant(), &buffers[id.index()].place)
            {
                *e = Expr::constant(*dtype, value.get(at as usize));
            }
        });
    }
}

/// Constants of 64 bits that fit 32 are stored as such.
fn narrow_constants(program: &mut Program) {
    let mut narrowed = vec![false; program.buffers.len()];
    for (b, narrowed) in program.buffers.iter_mut().zip(&mut narrowed) {
        let Place::Constant(value) = &b.place else { continue };
        let fits = |i: usize| i32::try_from(value.get(i).as_int()).is_ok();
        if b.ty.dtype != DType::I64 || !(0..value.len()).all(fits) {
            continue;
        }
        let ty = Type::new(DType::I32, b.ty.shape.clone());
        b.place = Place::Constant(Arc::new(Value::from_fn(&ty, |i| value.get(i))));
        (b.ty, b.align, *narrowed) = (ty, 4, true);
    }
    for kernel in &mut program.kernels {
        map_exprs(&mut kernel.body, &mut |e| {
            if let Expr::Load(id, dtype @ DType::I64, _) = e
                && narrowed[id.index()]
            {
                *dtype = DType::I32;
                *e = e.clone().cast(DType::I64);
            }
        });
    }
}

impl<'a> Lowering<'a> {
    /// A buffer whose element i is element `order[i]` of `value`; one that is there already when it is the same.
    pub(super) fn packed(&mut self, node: NodeId, value: &Arc<Value>, order: Vec<usize>) -> BufferId {
        if order.iter().copied().eq(0..value.len()) {
            return self.constant_buffer(node, value);
        }
        let key = (Arc::as_ptr(value), order);
        if let Some(&id) = self.packs.get(&key) {
            return id;
        }
        let name = self.names.of_constant(self.scope.graph, node);
        let data = with_data!(value.data(), v => take(v, &key.1));
        let ty = Type::new(value.dtype(), [key.1.len()]);
        let place = Place::Constant(Arc::new(Value::from_data(ty.shape.clone(), data)));
        let id = self.add_buffer(name, ty, place);
        self.packs.insert(key, id);
        id
    }
}

fn take<T: Element>(v: &[T], order: &[usize]) -> Data {
    T::wrap(order.iter().map(|&i| v[i]).collect())
}
