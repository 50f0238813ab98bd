//! Constants in the order kernels read them.

use super::Lowering;
use crate::program::{BufferId, Place};
use std::sync::Arc;
use teff_graph::{Data, Element, NodeId, Type, Value, with_data};

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
