//! Layers of 8-bit numbers on machines with one 32-bit multiplier: operands packed into words, several to one (SIMD within a register).
//!
//! Here is what their kernels share: weights, inputs as lanes of words, and what the sums of lanes lack of the sums that the graph asks
//! for. `conv`, `depthwise` and `dense` are the loops around the micro-kernels of such machines.

mod conv;
mod dense;
mod depthwise;

use crate::lower::Lowering;
use crate::lower::fuse::Group;
use crate::program::{BufferId, Expr, Index, Place, pack_bits};
use std::sync::Arc;
use teff_graph::{Binary, DType, NodeId, Op, Value};

/// 8-bit inputs as lanes.
#[derive(Clone, Copy)]
pub(super) struct Lanes {
    /// The integers, as `i32`.
    pub(super) node: NodeId,
    /// What is added to bring them between -128 and 127.
    pub(super) shift: i64,
    /// The lane that stands for 0.
    pub(super) zero: i64,
}

impl Lanes {
    /// The lane of an element.
    pub(super) fn of(&self, element: Expr) -> Expr {
        match self.shift {
            0 => element,
            by => Expr::binary(Binary::Add, element, Expr::int(DType::I32, by)),
        }
    }

    /// The lane that stands for padding.
    pub(super) fn padding(&self) -> Expr {
        Expr::int(DType::I32, self.zero)
    }
}

/// Two lanes in a word.
pub(super) fn word(low: Expr, high: Expr) -> Expr {
    Expr::binary(Binary::Add, low, Expr::binary(Binary::Mul, high, Expr::int(DType::I32, 1 << 16)))
}

/// Weights as a constant, several to a byte where they have fewer than 8 bits.
pub(super) fn weights_of(all: Vec<i8>, bits: u8) -> Value {
    if bits == 8 {
        return Value::new([all.len()], all);
    }
    let bytes = pack_bits(&all, bits);
    Value::new([bytes.len()], bytes)
}

/// What sums of lanes are, once something is added to each channel.
#[derive(Clone, Copy)]
pub(super) struct Whole {
    /// The node whose value the whole sum is.
    pub(super) node: NodeId,
    add: Option<BufferId>,
}

impl Whole {
    /// The value of `node` at a channel.
    pub(super) fn of(&self, sum: Expr, channel: &Index) -> Expr {
        match self.add {
            None => sum,
            Some(add) => Expr::binary(Binary::Add, sum, Expr::Load(add, DType::I32, channel.clone())),
        }
    }
}

impl<'a> Lowering<'a> {
    /// What sums of lanes with these rows of weights lack of the value of `node`: weights times the lane that stands for 0. A bias that
    /// follows is added with it.
    pub(super) fn whole(&mut self, group: &Group, node: NodeId, rows: &[Vec<i8>], lanes: &Lanes) -> Whole {
        let lacks = |row: &Vec<i8>| row.iter().map(|w| i64::from(*w) * -lanes.zero).sum::<i64>();
        let lacks: Vec<i64> = rows.iter().map(lacks).collect();
        if lacks.iter().all(|n| *n == 0) {
            return Whole { node, add: None };
        }
        let (node, all) = match self.bias_after(group, node, rows.len()) {
            Some((sum, bias)) => (sum, lacks.iter().zip(bias).map(|(a, b)| (a + b) as i32).collect()),
            None => (node, lacks.iter().map(|n| *n as i32).collect::<Vec<i32>>()),
        };
        let name = self.names.unique("offsets");
        let value = Value::new([rows.len()], all);
        Whole { node, add: Some(self.add_buffer(name, value.ty(), Place::Constant(Arc::new(value)))) }
    }

    /// The sum that `node` goes into, when all it is used for is to be added to a constant of each channel.
    fn bias_after(&self, group: &Group, node: NodeId, channels: usize) -> Option<(NodeId, Vec<i64>)> {
        if group.root == node || self.scope.groups.uses[node.index()] != 1 {
            return None;
        }
        let sum = *self.scope.graph.users()[node.index()].first()?;
        let (Op::Binary(Binary::Add), &[a, b]) = (&self.node(sum).op, &self.node(sum).operands[..]) else {
            return None;
        };
        let bias = self.scope.known.along(if a == node { b } else { a }, 1)?;
        (bias.len() == channels).then(|| (sum, bias.into_iter().map(|x| x as i64).collect()))
    }

    /// Rows of weights that are constants between -127 and 127, in the order of the graph.
    pub(super) fn small_weights(&self, w: NodeId, outputs: usize) -> Option<Vec<Vec<i8>>> {
        let all = self.constant_integers(w)?;
        let small =
            all.iter().map(|w| i8::try_from(*w).ok().filter(|w| *w > -128)).collect::<Option<Vec<i8>>>()?;
        let taps = small.len() / outputs;
        (taps > 0).then(|| small.chunks_exact(taps).map(<[i8]>::to_vec).collect())
    }

    /// The integers of a node that is computed from constants alone.
    pub(super) fn constant_integers(&self, id: NodeId) -> Option<Vec<i64>> {
        let integer = self.node(id).ty.dtype.int_range().is_some();
        Some(self.scope.known.value(id).filter(|_| integer)?.to_i64())
    }

    /// What lanes are made of, if `x` is an 8-bit integer, less a constant at most.
    pub(super) fn lanes(&self, x: NodeId) -> Option<Lanes> {
        let node = self.node(x);
        let (narrow, less) = if let Op::Binary(op @ (Binary::Add | Binary::Sub)) = node.op {
            let c = self.scope.known.uniform(node.operands[1])?.as_int() as i64;
            (node.operands[0], if op == Binary::Sub { c } else { -c })
        } else {
            (x, 0)
        };
        let Op::Cast(DType::I32) = self.node(narrow).op else { return None };
        let from = self.node(self.node(narrow).operands[0]).ty.dtype;
        let shift = if from == DType::U8 { -128 } else { 0 };
        if !matches!(from, DType::I8 | DType::U8) {
            return None;
        }
        let zero = less + shift;
        (-128..=127).contains(&zero).then_some(Lanes { node: narrow, shift, zero })
    }

    /// The lane of an input's element, or of padding where the condition does not hold.
    pub(super) fn lane(&mut self, lanes: &Lanes, inside: Option<Expr>, from: &[Index]) -> Expr {
        self.inside_or(
            inside,
            |_| lanes.padding(),
            |l, always| lanes.of(l.element_of(lanes.node, from, always)),
        )
    }

    /// A constant that is read by words.
    pub(super) fn word_constant(&mut self, of: NodeId, value: Value) -> BufferId {
        let name = self.names.of_constant(self.scope.graph, self.source_of(of));
        let id = self.add_buffer(name, value.ty(), Place::Constant(Arc::new(value)));
        self.buffers[id.index()].align = 4;
        id
    }
}
