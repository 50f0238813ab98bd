//! Messages of the format, decoded so far that they can be changed, and encoded again.

/// A field of a message: its number and content.
#[derive(Clone)]
pub(crate) struct Field(pub(crate) u64, pub(crate) Content);

#[derive(Clone)]
pub(crate) enum Content {
    Number(u64),
    /// Of 4 or 8 bytes.
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
    Message(Kind, Vec<Field>),
}

/// The messages that are looked into (onnx.proto).
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Value,
    Type,
    TensorType,
    Shape,
    Dim,
    Element,
    Opset,
}

/// What field `number` of a message holds, when that is a message to look into.
fn inner(kind: Kind, number: u64) -> Option<Kind> {
    Some(match (kind, number) {
        (Kind::Model, 7) | (Kind::Attribute, 6 | 11) => Kind::Graph,
        (Kind::Model, 25) => Kind::Function,
        (Kind::Model, 8) | (Kind::Function, 9) => Kind::Opset,
        (Kind::Graph, 1) | (Kind::Function, 7) => Kind::Node,
        (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) | (Kind::Sparse, 1 | 2) => Kind::Tensor,
        (Kind::Graph, 11..=13) => Kind::Value,
        (Kind::Graph, 15) | (Kind::Attribute, 22) => Kind::Sparse,
        (Kind::Node, 5) => Kind::Attribute,
        (Kind::Value, 2) | (Kind::Element, 1) => Kind::Type,
        (Kind::Type, 1) => Kind::TensorType,
        (Kind::Type, 4 | 9) => Kind::Element,
        (Kind::TensorType, 2) => Kind::Shape,
        (Kind::Shape, 1) => Kind::Dim,
        _ => return None,
    })
}

pub(crate) fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

pub(crate) fn fields(kind: Kind, mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes)?;
        let mut take = |n: usize| {
            let (taken, rest) = bytes.split_at_checked(n)?;
            bytes = rest;
            Some(taken)
        };
        let content = match key & 7 {
            0 => Content::Number(number(&mut bytes)?),
            1 => Content::Fixed(take(8)?.to_vec()),
            5 => Content::Fixed(take(4)?.to_vec()),
            2 => {
                let len = number(&mut bytes)? as usize;
                let (taken, rest) = bytes.split_at_checked(len)?;
                bytes = rest;
                match inner(kind, key >> 3).and_then(|k| Some((k, fields(k, taken)?))) {
                    Some((k, list)) => Content::Message(k, list),
                    None => Content::Bytes(taken.to_vec()),
                }
            }
            _ => return None,
        };
        all.push(Field(key >> 3, content));
    }
    Some(all)
}

pub(crate) fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

pub(crate) fn encoded(list: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for Field(number, content) in list {
        let (wire, bytes) = match content {
            Content::Number(n) => {
                put(&mut out, number << 3);
                put(&mut out, *n);
                continue;
            }
            Content::Fixed(bytes) => {
                put(&mut out, number << 3 | if bytes.len() == 8 { 1 } else { 5 });
                out.extend(bytes);
                continue;
            }
            Content::Bytes(bytes) => (2, bytes.clone()),
            Content::Message(_, list) => (2, encoded(list)),
        };
        put(&mut out, number << 3 | wire);
        put(&mut out, bytes.len() as u64);
        out.extend(bytes);
    }
    out
}

/// The numbers of a packed list.
pub(crate) fn packed(mut bytes: &[u8]) -> Option<Vec<u64>> {
    let mut list = Vec::new();
    while !bytes.is_empty() {
        list.push(number(&mut bytes)?);
    }
    Some(list)
}
