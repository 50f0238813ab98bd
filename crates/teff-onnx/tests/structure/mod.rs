//! Damage to the structure of a model instead of its bytes: other sizes, ranks, types, attributes, operators, inputs. What comes out
//! is a file in order, and gets further than one with a byte changed.

/// A field of a message: its number and content.
#[derive(Clone)]
struct Field(u64, Content);

#[derive(Clone)]
enum Content {
    Number(u64),
    /// Of 4 or 8 bytes.
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
    Message(Kind, Vec<Field>),
}

/// The messages that are looked into (onnx.proto).
#[derive(Clone, Copy, PartialEq)]
enum Kind {
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
}

/// What field `number` of a message holds, when that is a message to look into.
fn inner(kind: Kind, number: u64) -> Option<Kind> {
    Some(match (kind, number) {
        (Kind::Model, 7) | (Kind::Attribute, 6 | 11) => Kind::Graph,
        (Kind::Model, 25) => Kind::Function,
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

fn number(bytes: &mut &[u8]) -> Option<u64> {
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

fn fields(kind: Kind, mut bytes: &[u8]) -> Option<Vec<Field>> {
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

fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn encoded(list: &[Field]) -> Vec<u8> {
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

/// Every message in the model, with all inside it, in one order.
fn each<'a>(kind: Kind, list: &'a mut Vec<Field>, f: &mut impl FnMut(Kind, &mut Vec<Field>)) {
    f(kind, list);
    for Field(_, content) in list {
        if let Content::Message(kind, inner) = content {
            each(*kind, inner, f);
        }
    }
}

/// Numbers at which sizes, axes and counts turn.
const NUMBERS: [i64; 22] = [
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    10,
    11,
    16,
    17,
    -1,
    -2,
    -3,
    -5,
    1 << 16,
    1 << 31,
    1 << 40,
    i64::MAX,
    i64::MIN,
    i64::MIN + 1,
];

/// A copy of a model with some of its structure changed; `pick(n)` chooses below n, `operators` are names to choose from. `None` when
/// the bytes are no model.
pub fn damaged(bytes: &[u8], operators: &[String], pick: &mut impl FnMut(usize) -> usize) -> Option<Vec<u8>> {
    let mut model = fields(Kind::Model, bytes)?;
    let mut names = vec![String::new()];
    each(Kind::Model, &mut model, &mut |kind, list| {
        if kind == Kind::Node {
            names.extend(list.iter().filter(|f| f.0 <= 2).filter_map(text));
        }
    });
    // Weights are long lists: that each message is as likely as any other keeps them from being all that changes.
    let mut count = 0;
    each(Kind::Model, &mut model, &mut |_, _| count += 1);
    for _ in 0..1 + pick(3) {
        let chosen = pick(count);
        let mut at = 0;
        each(Kind::Model, &mut model, &mut |kind, list| {
            if at == chosen {
                change(kind, list, &names, operators, pick);
            }
            at += 1;
        });
    }
    Some(encoded(&model))
}

fn text(field: &Field) -> Option<String> {
    match &field.1 {
        Content::Bytes(b) => String::from_utf8(b.clone()).ok(),
        _ => None,
    }
}

fn change(
    kind: Kind,
    list: &mut Vec<Field>,
    names: &[String],
    operators: &[String],
    pick: &mut impl FnMut(usize) -> usize,
) {
    // A node is another operator now and then; a shape has an axis more.
    if kind == Kind::Node && pick(3) == 0 {
        if let Some(f) = list.iter_mut().find(|f| f.0 == 4) {
            f.1 = Content::Bytes(operators[pick(operators.len())].clone().into_bytes());
        }
        return;
    }
    if kind == Kind::Shape && pick(3) == 0 {
        let size = Field(1, Content::Number(NUMBERS[pick(NUMBERS.len())] as u64));
        list.insert(pick(list.len() + 1), Field(1, Content::Message(Kind::Dim, vec![size])));
        return;
    }
    if list.is_empty() {
        return;
    }
    let at = pick(list.len());
    match pick(6) {
        0 => drop(list.remove(at)),
        1 => list.insert(at, list[at].clone()),
        2 => {
            let other = pick(list.len());
            list.swap(at, other);
        }
        _ => match &mut list[at].1 {
            Content::Number(n) => *n = NUMBERS[pick(NUMBERS.len())] as u64,
            Content::Fixed(bytes) => {
                let x = [0.0f32, -1.0, 0.5, 1e30, f32::NAN, f32::INFINITY][pick(6)];
                bytes.iter_mut().zip(x.to_le_bytes()).for_each(|(b, x)| *b = x);
            }
            Content::Bytes(bytes) if kind == Kind::Node => {
                *bytes = names[pick(names.len())].clone().into_bytes()
            }
            // Elements of a tensor: axes, sizes, starts.
            Content::Bytes(bytes) if !bytes.is_empty() => {
                let first = pick(bytes.len()) / 8 * 8;
                let n = NUMBERS[pick(NUMBERS.len())].to_le_bytes();
                bytes[first..].iter_mut().zip(n).for_each(|(b, x)| *b = x);
            }
            Content::Bytes(_) | Content::Message(..) => {}
        },
    }
}
