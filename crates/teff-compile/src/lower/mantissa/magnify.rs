//! Layers whose errors would be magnified by what follows, far beyond the share of the range that they are.

use super::choose::Candidate;
use crate::lower::Lowering;
use teff_graph::{Binary, NodeId, Op, Unary};

/// No longer chain is followed.
pub(super) const FURTHEST: usize = 8;

impl Lowering<'_> {
    /// Why a product stays in floats although it has mantissas.
    pub(super) fn magnified(&self, users: &[Vec<NodeId>], product: &Candidate) -> Option<&'static str> {
        let root = |id: NodeId| matches!(self.node(id).op, Op::Unary(Unary::Sqrt));
        // A distance, `sqrt(|x|^2 - 2 x w + |w|^2)`: near zero nothing but the errors would be left.
        if self.leads_to(users, product.node, FURTHEST, &root) {
            return Some("a root is taken of a difference that it is part of");
        }
        // A sum of powers, as the polynomial kernel of a support vector machine: terms far larger than the sum, which cancel.
        let product_of = |id: NodeId| matches!(self.node(id).op, Op::MatMul);
        let power = |id: NodeId| {
            matches!(self.node(id).op, Op::Binary(Binary::Pow))
                && self.leads_to(users, id, FURTHEST, &product_of)
        };
        let summed = || self.comes_from(product.x, FURTHEST, &|id| power(id));
        (self.leads_to(users, product.node, FURTHEST, &power) || summed())
            .then_some("it is part of a sum of powers")
    }

    /// Whether what `node` is moved, scaled and added to is then given to a node that is `wanted`.
    fn leads_to(
        &self,
        users: &[Vec<NodeId>],
        node: NodeId,
        depth: usize,
        wanted: &dyn Fn(NodeId) -> bool,
    ) -> bool {
        depth > 0
            && users[node.index()].iter().any(|&user| {
                wanted(user) || self.is_linear(user) && self.leads_to(users, user, depth - 1, wanted)
            })
    }

    /// Whether `node` is moved, scaled and summed from a node that is `wanted`.
    pub(super) fn comes_from(&self, node: NodeId, depth: usize, wanted: &dyn Fn(NodeId) -> bool) -> bool {
        let before = || self.node(node).operands.iter().any(|&o| self.comes_from(o, depth - 1, wanted));
        depth > 0 && (wanted(node) || self.is_linear(node) && before())
    }

    /// Whether a change of its operand changes a node by as much, or by a constant factor of it.
    fn is_linear(&self, node: NodeId) -> bool {
        let constant = |&o: &NodeId| self.evaluated(o, FURTHEST, false).is_some();
        match &self.node(node).op {
            Op::Unary(Unary::Neg)
            | Op::Broadcast(_)
            | Op::Reshape(_)
            | Op::Permute(_)
            | Op::Slice(_)
            | Op::Concat { .. }
            | Op::Binary(Binary::Add | Binary::Sub | Binary::Max | Binary::Min) => true,
            Op::Binary(Binary::Mul | Binary::Div) => self.node(node).operands.iter().any(constant),
            Op::Unary(_)
            | Op::Binary(_)
            | Op::Select
            | Op::Cast(_)
            | Op::Quantize { .. }
            | Op::Dequantize => false,
            Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Project(_) => false,
            Op::Random { .. } | Op::Reduce { .. } | Op::ArgReduce { .. } | Op::MatMul | Op::Conv(_) => false,
            Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. } | Op::Pool { .. } | Op::Pad(_) => false,
            Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } | Op::Gather { .. } | Op::Scatter { .. } => false,
            Op::ArgSort { .. } | Op::Scan(_) | Op::DecodePicture(_) => false,
        }
    }
}
