//! Dense layers and convolutions of floats on machines without a float unit: sums of integer products.
//!
//! An addition and a multiplication of floats in software take about 170 cycles on a Cortex-M0+, an integer multiplication one. So
//! the weights of a layer become integers when the network is compiled, its inputs when it runs, with one exponent for all of them
//! (block floating point), and each sum becomes a float once. What lies in memory between layers stays float, so layers of this kind
//! stand beside any others, and what follows a sum (bias, activation, addition of a residual) is computed as ever.
//!
//! `format` has the arithmetic and the proof of its error, `choose` decides which layers are computed so, `widths` how precisely, by what
//! `probe` sees of the outputs on the inputs given or those that `suggest` makes up, `powers`
//! where the inputs' channels are of different units, `running` finds the exponent, turns inputs into integers, adds products and turns sums
//! into floats; `loops` are those around that. `rectify` compares floats as integers where that can be done.

mod choose;
mod format;
mod loops;
mod magnify;
mod powers;
mod probe;
mod rectify;
mod running;
mod suggest;

use super::Lowering;
use super::fuse::Group;
use crate::program::{BufferId, Place, Products};
use format::Format;
use powers::Powers;
pub(super) use rectify::rectify;
use std::collections::HashMap;
use std::sync::Arc;
use teff_graph::{ConvGeometry, Node, NodeId, Shape, Value};

/// How the products of the layers are computed.
#[derive(Default)]
pub(super) struct Layers {
    /// By the address of the node of each product.
    of_product: HashMap<*const Node, Layer>,
    /// How far outputs are off on the inputs that were tried, as a share of their range.
    pub(super) off: Option<f64>,
}

/// How the products of one layer are computed.
#[derive(Clone)]
enum Layer {
    BlockFloat(Arc<BlockFloat>),
    /// By software floats, for this reason.
    Software(&'static str),
}

/// A layer whose products are those of integers.
struct BlockFloat {
    format: Format,
    /// The constant that the weights come from, which names them.
    source: NodeId,
    /// The inputs.
    x: NodeId,
    /// None of them is negative.
    positive: bool,
    /// What their channels are scaled by, where that differs.
    powers: Option<Powers>,
    loops: Loops,
}

/// What the loops go over.
enum Loops {
    Dense(loops::Dense),
    /// With the shape of the weights.
    Conv(ConvGeometry, Shape),
}

impl<'a> Lowering<'a> {
    /// Writes the statements of a group when its products are those of mantissas; false when they are not.
    pub(super) fn by_block_float(&mut self, group: &Group) -> bool {
        let product = group.innermost();
        let Some(Layer::BlockFloat(layer)) =
            self.layers.of_product.get(&std::ptr::from_ref(self.node(product))).cloned()
        else {
            return false;
        };
        match &layer.loops {
            Loops::Dense(dense) => self.block_float_dense(group, product, &layer, dense),
            Loops::Conv(..) => self.block_float_conv(group, &layer),
        }
        true
    }

    /// How the products of a group are computed, for the report.
    pub(super) fn products(&self, group: &Group) -> Products {
        match self.layers.of_product.get(&std::ptr::from_ref(self.node(group.innermost()))) {
            None => Products::AsWritten,
            Some(Layer::Software(reason)) => Products::Software { reason },
            Some(Layer::BlockFloat(layer)) => Products::Mantissas {
                weight_bits: layer.format.width.weight_bits + 1,
                input_bits: layer.format.width.input_bits + 1,
                error: layer.format.error,
            },
        }
    }

    /// A constant of integers, named after the constant they come from.
    fn integers(&mut self, source: NodeId, what: &str, value: Value) -> BufferId {
        let name = self.names.of_constant(self.scope.graph, source) + what;
        self.add_buffer(name, value.ty(), Place::Constant(Arc::new(value)))
    }
}
