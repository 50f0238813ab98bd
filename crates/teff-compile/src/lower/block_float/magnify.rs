//! Layers whose errors would be magnified by what follows, far beyond the share of the range that they are.

use super::choose::Candidate;
use crate::lower::Lowering;
use teff_graph::facts::Class;
use teff_graph::{Binary, Node, NodeId, Op, Unary};

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
        let summed = || self.comes_from(product.layer.x, FURTHEST, &|id| power(id));
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
        let Node { op, operands, .. } = self.node(node);
        let linear =
            matches!(op, Op::Concat { .. } | Op::Unary(Unary::Neg) | Op::Binary(Binary::Add | Binary::Sub))
                || matches!(op, Op::Binary(Binary::Max | Binary::Min));
        let scales = matches!(op, Op::Binary(Binary::Mul | Binary::Div));
        // Other functions change by more or less than their operands, and sums of many are not this question's.
        let constant = |o: &NodeId| self.scope.known.compact(*o).is_some();
        linear || op.traits().class == Class::View || scales && operands.iter().any(constant)
    }
}
