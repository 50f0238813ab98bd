//! The table of operations: what each is to a pass that asks what may be joined, moved or computed again.

use crate::geometry::Window;
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op, Unary};

/// How the elements of a result follow from those of the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Given: inputs, constants, parameters, positions, and results of a loop that has run.
    Source,
    /// A function of the elements at the same place. Scale and zero point of a quantisation serve blocks of places.
    Pointwise,
    /// The same elements in another order or shape, repeated or left out: what strides can say.
    View,
    /// Elements of several operands, or of places that are computed.
    Copy,
    /// Many elements combined into one, each result by itself: sums, maxima, windows.
    Reduction,
    /// A reduction that multiplies and accumulates: matrix products and convolutions.
    Product,
    /// Anything else: loops of its own, elements that are not finished one by one.
    Other,
}

/// A row of the table of operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traits {
    /// How elements of the result follow from those of the operands.
    pub class: Class,
    /// What an element of the result costs beside what it is computed from, an addition being 1; 0 where loops are counted otherwise.
    pub cost: f64,
}

/// How a node reads one of its operands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Read {
    /// Each element once, in order, at the place that is computed.
    pub in_step: bool,
    /// How often each element is read; infinite where it is too often to be computed anew each time.
    pub times: f64,
}

impl Op {
    /// The operation's row in the table of operations.
    pub fn traits(&self) -> Traits {
        let row = |class, cost| Traits { class, cost };
        match self {
            Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Project(_) => {
                row(Class::Source, 0.0)
            }
            Op::Unary(u) => row(Class::Pointwise, unary_cost(*u)),
            Op::Binary(b) => row(Class::Pointwise, binary_cost(*b)),
            Op::Select => row(Class::Pointwise, 1.0),
            Op::Cast(_) => row(Class::Pointwise, 0.5),
            Op::Quantize { .. } => row(Class::Pointwise, 12.0),
            Op::Dequantize => row(Class::Pointwise, 2.0),
            Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) | Op::Slice(_) => row(Class::View, 0.0),
            Op::Pad(_) | Op::Concat { .. } | Op::Gather { .. } => row(Class::Copy, 1.0),
            Op::Reduce { .. } | Op::ArgReduce { .. } | Op::Pool { .. } | Op::SumPoolGrad { .. } => {
                row(Class::Reduction, 0.0)
            }
            Op::MatMul | Op::Conv(_) | Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. } => {
                row(Class::Product, 0.0)
            }
            Op::Random { .. } | Op::MaxPoolGrad { .. } | Op::Scatter { .. } | Op::ArgSort { .. } => {
                row(Class::Other, 0.0)
            }
            Op::Scan(_) => row(Class::Other, 0.0),
        }
    }

    /// True when the operation, as far as operand `i` goes, is a function of single elements at the same place.
    pub fn is_function_of(&self, i: usize) -> bool {
        let parameter = i > 0 && matches!(self, Op::Quantize { .. } | Op::Dequantize);
        self.traits().class == Class::Pointwise && !parameter
    }
}

fn unary_cost(u: Unary) -> f64 {
    use Unary::*;
    match u {
        StopGradient => 0.0,
        Neg | Abs | Sign | Not | IsNan | IsInf => 1.0,
        Floor | Ceil | Round => 2.0,
        Sqrt | Exp | Log | Sin | Cos | Tan | Asin | Acos | Atan | Sinh | Cosh | Tanh | Asinh | Acosh
        | Atanh | Erf | Sigmoid | Expm1 | Erfc => 20.0,
    }
}

fn binary_cost(b: Binary) -> f64 {
    use Binary::*;
    match b {
        Pow => 40.0,
        MulHigh => 3.0,
        Div | Rem => 8.0,
        Add | Sub | Mul | Max | Min | And | Or | Xor | Shl | Shr | Eq | Lt | Le => 1.0,
    }
}

impl Window {
    /// Windows that see no element twice and no padding.
    pub fn is_disjoint(&self) -> bool {
        self.size.iter().zip(&self.stride).all(|(size, stride)| size <= stride)
            && self.pad_low.iter().chain(&self.pad_high).all(|&p| p == 0)
            && self.dilation.iter().all(|&d| d == 1)
    }
}

impl Graph {
    /// How often each node is used: as an operand, each time, and as an output.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses: Vec<usize> = self.users().iter().map(Vec::len).collect();
        self.outputs().iter().for_each(|o| uses[o.node.index()] += 1);
        uses
    }

    /// For each node what alone uses its result, once: `None` of what several use, of outputs, and of what nothing needs.
    pub fn only_users(&self) -> Vec<Option<NodeId>> {
        let one = |users: &Vec<NodeId>| if let [user] = users[..] { Some(user) } else { None };
        let mut only: Vec<Option<NodeId>> = self.users().iter().map(one).collect();
        self.outputs().iter().for_each(|o| only[o.node.index()] = None);
        only
    }

    /// For each node whether an input takes part in its value.
    pub fn depend_on_inputs(&self) -> Vec<bool> {
        let mut depend: Vec<bool> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let through = node.operands.iter().any(|o| depend[o.index()]);
            depend.push(through || matches!(node.op, Op::Input { .. }));
        }
        depend
    }

    /// `id` without the broadcasts that repeat it.
    pub fn unrepeated(&self, mut id: NodeId) -> NodeId {
        while let Op::Broadcast(_) = self[id].op {
            id = self[id].operands[0];
        }
        id
    }

    /// How node `id` reads operand `i`.
    pub fn reads(&self, id: NodeId, i: usize) -> Read {
        let node = &self[id];
        let size = |n: usize| n.max(1) as f64;
        let of = size(self[node.operands[i]].ty.len());
        let ratio = size(node.ty.len()) / of;
        if node.op.is_function_of(i) || matches!(node.op, Op::Reshape(_)) {
            return Read { in_step: true, times: 1.0 };
        }
        let times = match &node.op {
            Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) | Op::Reshape(_) => 1.0,
            Op::Quantize { .. } | Op::Dequantize | Op::Broadcast(_) => ratio,
            Op::Permute(_) | Op::Slice(_) | Op::Concat { .. } | Op::Project(_) => 1.0,
            Op::Pad(_) if i > 0 => size(node.ty.len()),
            Op::Pad(_) => 1.0,
            Op::Gather { .. } => ratio.max(1.0),
            Op::Reduce { .. } | Op::ArgReduce { .. } => 1.0,
            Op::MatMul => size(node.ty.shape[node.ty.rank() - 2 + (1 - i)]),
            Op::Pool { window, .. } if window.is_disjoint() => 1.0,
            Op::Pool { window, .. } => {
                window.size.iter().zip(&window.stride).map(|(s, t)| s.div_ceil(*t) as f64).product()
            }
            Op::Scatter { .. } if i == 1 => size(self[node.operands[2]].ty.len()) / of,
            Op::Scatter { .. } => 1.0,
            Op::Conv(_) | Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. } => f64::INFINITY,
            Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } | Op::ArgSort { .. } | Op::Scan(_) => {
                f64::INFINITY
            }
            Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Random { .. } => 1.0,
        };
        Read { in_step: false, times }
    }
}
