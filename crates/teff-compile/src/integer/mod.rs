//! Quantised graphs in integers.
//!
//! What ONNX and TFLite say with floats between `Dequantize` and `Quantize` is rewritten so that no float is left but where the network's
//! interface has floats. Every float node is followed as integers times a scale ([`affine::Affine`]) for as long as that is exact to the
//! 31 bits that integers have; a `Quantize` then brings the integers to its own scale ([`requantize`], which is where rounding is
//! said). Functions of one 8-bit element become tables ([`table`]), computed by the reference evaluator. What can be followed by
//! neither stays as it is.
//!
//! Results are those of the formula in real numbers. They may differ from those of the float graph by one step, where a float lies
//! within its own rounding of the border between two integers. The rewritten graph is what evaluator, C and Rust agree on to the bit.

mod affine;
mod elementwise;
mod left;
mod linear;
mod prospect;
mod quantize;
mod requantize;
mod sums;
mod table;
#[cfg(test)]
mod tests;

use affine::Affine;
pub use left::{left_in_floats, quantizes_floats};
pub use prospect::{Form, Prospect};
use requantize::Quantization;
use std::collections::HashMap;
use table::Sources;
use teff_graph::facts::Known;
use teff_graph::{Binary, DType, Graph, NodeId, Op, PoolKind, Tensor, Unary};

/// The graph with everything quantised computed in integers.
///
/// # Errors
/// None on a graph that passed its verifier; one here is a defect.
pub fn integer(graph: &Graph) -> Result<Graph, teff_graph::Error> {
    let quantised = |op: &Op| matches!(op, Op::Quantize { .. } | Op::Dequantize);
    if !graph.nodes().iter().any(|n| quantised(&n.op)) {
        return Ok(graph.clone());
    }
    let walk = IntegerPass::of(graph);
    let tensor = |id: &NodeId| walk.made[id.index()].clone();
    let inputs: Vec<Tensor> = graph.inputs().iter().map(tensor).collect();
    let outputs: Vec<(&str, Tensor)> = graph.outputs().iter().map(|o| (&*o.name, tensor(&o.node))).collect();
    Graph::from_tensors(&graph.name, &inputs, &outputs)
}

struct IntegerPass<'a> {
    graph: &'a Graph,
    /// What computes each node now.
    made: Vec<Tensor>,
    /// The integers behind each node, where there are.
    affine: Vec<Option<Affine>>,
    /// Whether each node is a product, its bias added or not.
    products: Vec<bool>,
    known: Known<'a>,
    sources: Sources,
    /// What a `Quantize` was made from, and for what.
    before: HashMap<NodeId, (Affine, Quantization)>,
    uses: Vec<usize>,
}

impl<'g> IntegerPass<'g> {
    /// A walk that has not begun.
    fn new(graph: &'g Graph) -> IntegerPass<'g> {
        IntegerPass {
            graph,
            made: Vec::new(),
            affine: Vec::new(),
            products: Vec::new(),
            known: Known::new(graph),
            sources: Sources::default(),
            before: HashMap::new(),
            uses: graph.users().iter().map(Vec::len).collect(),
        }
    }

    fn of(graph: &'g Graph) -> IntegerPass<'g> {
        let mut walk = IntegerPass::new(graph);
        graph.ids().for_each(|id| walk.node(id));
        walk
    }

    fn node(&mut self, id: NodeId) {
        let node = &self.graph[id];
        self.sources.note(self.graph, id, &self.known);
        let operands: Vec<Tensor> = node.operands.iter().map(|o| self.made[o.index()].clone()).collect();
        // All else is what its operands are made of.
        let in_integers = if let Op::Quantize { .. } = node.op {
            self.quantized(id)
        } else if let Op::Pool { kind: PoolKind::Max, .. } = node.op {
            self.pooled_before(&node.op, node.operands[0])
        } else {
            None
        };
        let tensor = in_integers.unwrap_or_else(|| Tensor::apply(node.op.clone(), &operands));
        self.made.push(tensor);
        let affine = self.followed(id);
        if let Some(label) = &node.label {
            self.made[id.index()].named(label);
            if let Some(a) = &affine {
                a.q.named(label);
            }
        }
        // Products of integers are computed the better way, whoever uses them.
        if let (Some(a), DType::I32, Op::MatMul | Op::Conv(_) | Op::ConvTranspose { .. }) =
            (&affine, node.ty.dtype, &node.op)
        {
            self.made[id.index()] = a.int();
        }
        // Floats that are wanted of sums, as where a network ends, are made of the sums.
        let is_product = self.is_product(id);
        self.products.push(is_product);
        if let Some(a) = affine.as_ref().filter(|_| node.ty.dtype == DType::F32 && is_product) {
            self.made[id.index()] = a.float();
            node.label.iter().for_each(|label| _ = self.made[id.index()].named(label));
        }
        self.affine.push(affine);
    }

    /// Whether `id` is a product or convolution, with its bias or without.
    fn is_product(&self, id: NodeId) -> bool {
        let node = &self.graph[id];
        let is_constant = |o: &NodeId| self.known.compact(*o).is_some();
        let of_product = || node.operands.iter().any(|o| self.products[o.index()]);
        match node.op {
            Op::MatMul | Op::Conv(_) | Op::ConvTranspose { .. } => !node.operands.iter().all(is_constant),
            Op::Binary(Binary::Add) => of_product() && node.operands.iter().any(is_constant),
            Op::Reshape(_) => of_product(),
            // All else is computed of these floats.
            _ => false,
        }
    }

    fn made(&self, id: NodeId) -> &Tensor {
        &self.made[id.index()]
    }

    fn affine(&self, id: NodeId) -> Option<&Affine> {
        self.affine[id.index()].as_ref()
    }

    /// The integers behind a node, if they have 32 bits at most.
    fn followed(&self, id: NodeId) -> Option<Affine> {
        self.follow(id).filter(|a| a.bound() < 1 << 31 && a.q.check().is_ok())
    }

    fn follow(&self, id: NodeId) -> Option<Affine> {
        let node = &self.graph[id];
        let operand = |i: usize| self.affine(node.operands[i]);
        match &node.op {
            Op::Dequantize => self.dequantized(id),
            Op::Cast(DType::I32) if self.graph[node.operands[0]].ty.dtype.size() == 1 => {
                Some(Affine::plain(self.made(node.operands[0])))
            }
            Op::Cast(to) => operand(0).filter(|_| *to == DType::F32).cloned(),
            Op::MatMul => linear::matmul(operand(0)?, operand(1)?, self.weights(node.operands[1])),
            Op::Conv(geometry) => {
                linear::conv(operand(0)?, operand(1)?, geometry, self.weights(node.operands[1]))
            }
            Op::ConvTranspose { geometry, spatial } => linear::conv_transpose(
                operand(0)?,
                operand(1)?,
                geometry,
                spatial,
                self.weights(node.operands[1]),
            ),
            Op::Unary(function) => {
                (*function == Unary::Neg).then(|| Some(operand(0)?.signed(vec![-1], 0)))?
            }
            Op::Binary(op) => self.binary(*op, node.operands[0], node.operands[1]),
            Op::Pad(_) => {
                self.known.uniform(node.operands[1]).filter(|fill| fill.as_f64() == 0.0)?;
                operand(0)?.moved(&node.op, &[])
            }
            Op::Gather { .. } => operand(0)?.moved(&node.op, &[self.made(node.operands[1]).clone()]),
            Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) | Op::Slice(_) => {
                operand(0)?.moved(&node.op, &[])
            }
            Op::Concat { axis } => self.joined(&node.operands, *axis),
            Op::Pool { kind, window } => self.pooled(id, *kind, window),
            Op::Reduce { kind, axes } => self.reduced(operand(0)?, &node.op, *kind, axes),
            // Tables or floats.
            Op::Select | Op::Quantize { .. } | Op::ArgReduce { .. } | Op::ArgSort { .. } => None,
            Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Random { .. } => None,
            Op::ConvWeightGrad { .. } | Op::Scatter { .. } => None,
            Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } | Op::Scan(_) | Op::Project(_) => None,
        }
    }

    /// The elements of a constant operand, as integers without their zero, if it is one.
    fn weights(&self, id: NodeId) -> Option<Vec<i64>> {
        let a = self.affine(id)?;
        self.known.compact(id)?;
        let graph = Graph::from_tensors("weights", &[], &[("", a.int())]).ok()?;
        Some(teff_graph::evaluate(&graph, &[]).ok()?.pop()?.to_i64())
    }
}
