//! How the value of one graph node is written: a few ONNX nodes, the last of which gives it.

use crate::proto::ElementType;
use teff_graph::{NodeId, Value};

/// An operand of an ONNX node.
#[derive(Clone)]
pub(crate) enum Arg {
    /// The value of a graph node.
    Node(NodeId),
    /// What an earlier step of the same plan gives.
    Step(usize),
    /// An initialiser of its own, called after the node and this word; stored in a narrower type where there is one.
    Constant(Value, &'static str, Option<ElementType>),
}

/// An attribute's value.
#[derive(Clone)]
pub(crate) enum Attribute {
    Int(i64),
    Ints(Vec<i64>),
    Float(f32),
    Text(&'static str),
    /// A `GraphProto`, encoded.
    Graph(Vec<u8>),
}

/// One ONNX node.
pub(crate) struct WrittenNode {
    pub(crate) operator: &'static str,
    pub(crate) inputs: Vec<Arg>,
    pub(crate) attributes: Vec<(&'static str, Attribute)>,
    /// How many outputs it has.
    pub(crate) outputs: usize,
    /// Which of them is the value.
    pub(crate) result: usize,
}

/// The ONNX nodes for one graph node.
#[derive(Default)]
pub(crate) struct Translation {
    pub(crate) steps: Vec<WrittenNode>,
    /// Graph nodes that the body of a scan takes by name.
    pub(crate) captured: Vec<NodeId>,
    /// The operator set needed.
    pub(crate) opset: i64,
}

impl Translation {
    /// One operator without attributes.
    pub(crate) fn of(operator: &'static str, inputs: Vec<Arg>) -> Translation {
        Translation::default().then(operator, inputs)
    }

    /// Another operator after those there are.
    pub(crate) fn then(mut self, operator: &'static str, inputs: Vec<Arg>) -> Translation {
        self.steps.push(WrittenNode { operator, inputs, attributes: Vec::new(), outputs: 1, result: 0 });
        self
    }

    fn last(&mut self) -> &mut WrittenNode {
        self.steps.last_mut().expect("a plan begins with an operator")
    }

    /// An attribute of the last operator.
    pub(crate) fn with(mut self, name: &'static str, value: Attribute) -> Translation {
        self.last().attributes.push((name, value));
        self
    }

    pub(crate) fn int(self, name: &'static str, n: i64) -> Translation {
        self.with(name, Attribute::Int(n))
    }

    pub(crate) fn ints(self, name: &'static str, list: impl IntoIterator<Item = usize>) -> Translation {
        self.with(name, Attribute::Ints(list.into_iter().map(|n| n as i64).collect()))
    }

    /// The last operator gives its `result`-th output of `outputs`.
    pub(crate) fn giving(mut self, result: usize, outputs: usize) -> Translation {
        (self.last().result, self.last().outputs) = (result, outputs);
        self
    }

    pub(crate) fn needs_opset(mut self, opset: i64) -> Translation {
        self.opset = self.opset.max(opset);
        self
    }

    /// The graph nodes whose values it uses.
    pub(crate) fn uses(&self) -> impl Iterator<Item = NodeId> + '_ {
        let inputs = self.steps.iter().flat_map(|s| &s.inputs).filter_map(|arg| match arg {
            Arg::Node(id) => Some(*id),
            Arg::Step(_) | Arg::Constant(..) => None,
        });
        inputs.chain(self.captured.iter().copied())
    }
}

/// A list of integers as a 1-D initialiser.
pub(crate) fn ints(list: impl IntoIterator<Item = i64>, word: &'static str) -> Arg {
    let list: Vec<i64> = list.into_iter().collect();
    Arg::Constant(Value::new([list.len()], list), word, None)
}

/// Sizes as a 1-D initialiser.
pub(crate) fn sizes(list: &[usize], word: &'static str) -> Arg {
    ints(list.iter().map(|&n| n as i64), word)
}
