//! ONNX files written by hand: tests of the reader must not depend on the writer beside it.
#![allow(dead_code, reason = "each test program uses some of it")]

/// A message in the wire format.
#[derive(Default, Clone)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn varint(mut self, mut n: u64) -> Self {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
        self
    }

    pub(crate) fn raw(mut self, b: &[u8]) -> Self {
        self.0.extend(b);
        self
    }

    pub(crate) fn int(self, field: u64, n: i64) -> Self {
        self.varint(field << 3).varint(n as u64)
    }

    pub(crate) fn bytes(self, field: u64, b: &[u8]) -> Self {
        let mut m = self.varint(field << 3 | 2).varint(b.len() as u64);
        m.0.extend(b);
        m
    }

    pub(crate) fn text(self, field: u64, s: &str) -> Self {
        self.bytes(field, s.as_bytes())
    }

    pub(crate) fn message(self, field: u64, m: Message) -> Self {
        self.bytes(field, &m.0)
    }
}

pub(crate) fn node(op: &str, domain: &str, inputs: &[&str], outputs: &[&str]) -> Message {
    let m = inputs.iter().fold(Message::default(), |m, i| m.text(1, i));
    let m = outputs.iter().fold(m, |m, o| m.text(2, o));
    m.text(3, "the_node").text(4, op).text(7, domain)
}

pub(crate) fn int_attribute(name: &str, n: i64) -> Message {
    Message::default().text(1, name).int(3, n).int(20, 2)
}

pub(crate) fn text_attribute(name: &str, s: &str) -> Message {
    Message::default().text(1, name).text(4, s).int(20, 3)
}

pub(crate) fn ints_attribute(name: &str, list: &[i64]) -> Message {
    list.iter().fold(Message::default().text(1, name), |m, &n| m.int(8, n)).int(20, 7)
}

pub(crate) fn graph_attribute(name: &str, graph: Message) -> Message {
    Message::default().text(1, name).message(6, graph).int(20, 5)
}

/// An initialiser of integers.
pub(crate) fn ints(name: &str, dims: &[i64], list: &[i64]) -> Message {
    let m = dims.iter().fold(Message::default(), |m, &d| m.int(1, d)).int(2, 7).text(8, name);
    m.bytes(9, &list.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>())
}

/// An initialiser of floats.
pub(crate) fn floats(name: &str, dims: &[i64], list: &[f32]) -> Message {
    let m = dims.iter().fold(Message::default(), |m, &d| m.int(1, d)).int(2, 1).text(8, name);
    m.bytes(9, &list.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
}

/// An input or output of floats. A negative size is left open.
pub(crate) fn value(name: &str, dims: &[i64]) -> Message {
    let dim = |&d: &i64| if d < 0 { Message::default().text(2, "n") } else { Message::default().int(1, d) };
    let shape = dims.iter().fold(Message::default(), |m, d| m.message(1, dim(d)));
    let tensor = Message::default().int(1, 1).message(2, shape);
    Message::default().text(1, name).message(2, Message::default().message(1, tensor))
}

/// A model with input x, output y and these nodes and further fields of the graph.
pub(crate) fn model(x: &[i64], nodes: &[Message], more: &[(u64, Message)]) -> Vec<u8> {
    let graph = nodes.iter().fold(Message::default(), |m, n| m.message(1, n.clone())).text(2, "g");
    let graph = more.iter().fold(graph, |m, (field, inner)| m.message(*field, inner.clone()));
    let graph = graph.message(11, value("x", x)).message(12, Message::default().text(1, "y"));
    let opset = Message::default().text(1, "").int(2, 17);
    Message::default().int(1, 8).message(7, graph).message(8, opset).0
}
