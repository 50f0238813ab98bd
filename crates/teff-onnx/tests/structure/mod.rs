//! Damage to the structure of a model instead of its bytes: other sizes, ranks, types, attributes, operators, inputs, versions. What
//! comes out is a file in order, and gets further than one with a byte changed.

mod wire;

use wire::{Content, Field, Kind, encoded, fields, packed, put};

/// Every message in the model, with all inside it, in one order.
fn each(kind: Kind, list: &mut Vec<Field>, f: &mut impl FnMut(Kind, &mut Vec<Field>)) {
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

const FLOATS: [f32; 8] = [0.0, -1.0, 0.5, 2.0, 1e30, -1e-30, f32::NAN, f32::INFINITY];

/// Words that attributes choose by.
#[rustfmt::skip]
const WORDS: [&str; 44] = [
    "", "none", "add", "mul", "max", "min", "constant", "edge", "reflect", "wrap", "linear", "cubic", "nearest", "reflection",
    "border", "SAME_UPPER", "SAME_LOWER", "VALID", "CRD", "forward", "reverse", "bidirectional", "align_corners", "asymmetric",
    "half_pixel_symmetric", "tf_crop_and_resize", "not_larger", "not_smaller", "floor", "round_prefer_ceil", "avg", "circular",
    "tanh", "LEFT", "RIGHT", "IDF", "SOFTMAX_ZERO", "BRANCH_EQ", "LEAF", "Affine", "...ij,j->i...", "bij,bjk->bik", "ii->i",
    "gated_delta",
];

/// What chooses: `pick(n)` is below n.
pub(crate) type Pick<'p> = dyn FnMut(usize) -> usize + 'p;

/// What a model's messages are changed to.
struct Choice<'c> {
    /// (domain, name).
    operators: &'c [(&'c str, &'c str)],
    /// Names of values.
    values: Vec<Vec<u8>>,
    /// Attributes, whole.
    attributes: Vec<Content>,
}

/// A copy of a model with some of its structure changed. `operators` are (domain, name) to choose from. `None` when the bytes are no
/// model.
pub(crate) fn damaged(bytes: &[u8], operators: &[(&str, &str)], pick: &mut Pick) -> Option<Vec<u8>> {
    let mut model = fields(Kind::Model, bytes)?;
    for _ in 0..1 + pick(4) {
        let mut choice = Choice { operators, values: vec![vec![]], attributes: vec![] };
        // Weights are long lists: that each message is as likely as any other keeps them from being all that changes.
        let mut count = 0;
        each(Kind::Model, &mut model, &mut |kind, list| {
            count += 1;
            for Field(number, content) in list {
                match (kind, *number, &content) {
                    (Kind::Node, 1 | 2, Content::Bytes(name)) => choice.values.push(name.clone()),
                    (Kind::Node, 5, _) => choice.attributes.push(content.clone()),
                    _ => {}
                }
            }
        });
        let chosen = pick(count);
        let mut at = 0;
        each(Kind::Model, &mut model, &mut |kind, list| {
            if at == chosen {
                change(kind, list, &choice, pick);
            }
            at += 1;
        });
    }
    Some(encoded(&model))
}

fn number(pick: &mut Pick) -> u64 {
    NUMBERS[pick(NUMBERS.len())] as u64
}

fn change(kind: Kind, list: &mut Vec<Field>, choice: &Choice, pick: &mut Pick) {
    match kind {
        Kind::Node if pick(2) == 0 => return change_node(list, choice, pick),
        Kind::Graph if pick(2) == 0 => return change_graph(list, choice, pick),
        Kind::Shape if pick(3) == 0 => return list.truncate(pick(list.len() + 1)),
        Kind::Shape if pick(2) == 0 => {
            let size = Field(1, Content::Number(number(pick)));
            let dim = Field(1, Content::Message(Kind::Dim, vec![size]));
            return list.insert(pick(list.len() + 1), dim);
        }
        Kind::Tensor if pick(2) == 0 => return change_elements(list, pick),
        _ if list.is_empty() => return,
        _ => {}
    }
    let at = pick(list.len());
    let Field(field, content) = &mut list[at];
    match pick(6) {
        0 => drop(list.remove(at)),
        1 => list.insert(at, list[at].clone()),
        2 => {
            let other = pick(list.len());
            list.swap(at, other);
        }
        _ => match (kind, *field, content) {
            (_, _, Content::Number(n)) => *n = number(pick),
            (_, _, Content::Fixed(bytes)) => {
                let x = FLOATS[pick(FLOATS.len())];
                bytes.iter_mut().zip(x.to_le_bytes()).for_each(|(b, x)| *b = x);
            }
            (Kind::Node, _, Content::Bytes(bytes)) => {
                *bytes = choice.values[pick(choice.values.len())].clone()
            }
            (Kind::Attribute, 4 | 9, Content::Bytes(bytes)) => *bytes = WORDS[pick(WORDS.len())].into(),
            // Lists of integers, which are packed or not.
            (Kind::Attribute, 8, Content::Bytes(bytes)) | (Kind::Tensor, 1, Content::Bytes(bytes)) => {
                change_list(bytes, pick);
            }
            (_, _, Content::Bytes(_) | Content::Message(..)) => {}
        },
    }
}

/// One number of a packed list is another, is there twice, or is gone.
fn change_list(bytes: &mut Vec<u8>, pick: &mut Pick) {
    let Some(mut list) = packed(bytes).filter(|l| !l.is_empty()) else { return };
    let at = pick(list.len());
    match pick(4) {
        0 => drop(list.remove(at)),
        1 => list.insert(at, number(pick)),
        _ => list[at] = number(pick),
    }
    bytes.clear();
    list.into_iter().for_each(|n| put(bytes, n));
}

/// Another operator, another attribute or one input more.
fn change_node(list: &mut Vec<Field>, choice: &Choice, pick: &mut Pick) {
    match pick(4) {
        0 if !choice.attributes.is_empty() => {
            list.push(Field(5, choice.attributes[pick(choice.attributes.len())].clone()));
        }
        1 => {
            let name = choice.values[pick(choice.values.len())].clone();
            list.insert(0, Field(1, Content::Bytes(name)));
        }
        _ => {
            let (domain, name) = choice.operators[pick(choice.operators.len())];
            list.retain(|f| f.0 != 4 && f.0 != 7);
            list.push(Field(4, Content::Bytes(name.into())));
            list.push(Field(7, Content::Bytes(domain.into())));
        }
    }
}

/// An input becomes a constant, so that what depends on it is known while reading; or there is a node more, in front of all.
fn change_graph(list: &mut Vec<Field>, choice: &Choice, pick: &mut Pick) {
    let inputs: Vec<Vec<Field>> = list.iter().filter(|f| f.0 == 11).filter_map(|f| message(&f.1)).collect();
    if inputs.is_empty() {
        return;
    }
    let input = &inputs[pick(inputs.len())];
    if pick(3) > 0 {
        list.extend(constant(input, pick).map(|t| Field(5, Content::Message(Kind::Tensor, t))));
        return;
    }
    // It takes what the graph is given, and every node of that input takes its result instead.
    let Some(Content::Bytes(name)) = find(input, 1).cloned() else { return };
    let result = [&name[..], b".new"].concat();
    for Field(_, content) in list.iter_mut().filter(|f| f.0 == 1) {
        let Content::Message(Kind::Node, node) = content else { continue };
        for Field(_, content) in node.iter_mut().filter(|f| f.0 == 1) {
            if matches!(content, Content::Bytes(b) if *b == name) {
                *content = Content::Bytes(result.clone());
            }
        }
    }
    let given = inputs.iter().filter_map(|i| find(i, 1).cloned()).map(|name| Field(1, name));
    let mut node: Vec<Field> = std::iter::once(Field(1, Content::Bytes(name))).chain(given).collect();
    node.truncate(1 + pick(4));
    node.push(Field(2, Content::Bytes(result)));
    let (domain, operator) = choice.operators[pick(choice.operators.len())];
    node.push(Field(4, Content::Bytes(operator.into())));
    node.push(Field(7, Content::Bytes(domain.into())));
    list.insert(0, Field(1, Content::Message(Kind::Node, node)));
}

fn find(list: &[Field], number: u64) -> Option<&Content> {
    list.iter().find(|f| f.0 == number).map(|f| &f.1)
}

fn message(content: &Content) -> Option<Vec<Field>> {
    match content {
        Content::Message(_, list) => Some(list.clone()),
        _ => None,
    }
}

/// A tensor of the name, type and shape of an input.
fn constant(input: &[Field], pick: &mut Pick) -> Option<Vec<Field>> {
    let ty = message(find(&message(find(input, 2)?)?, 1)?)?;
    let (Some(Content::Number(element)), Some(shape)) = (find(&ty, 1), find(&ty, 2)) else { return None };
    let mut tensor = Vec::new();
    let mut count = 1;
    for Field(_, dim) in message(shape)? {
        let Some(Content::Number(size)) = find(&message(&dim)?, 1).cloned() else { return None };
        tensor.push(Field(1, Content::Number(size)));
        count = usize::try_from(size).ok()?.checked_mul(count).filter(|&n| n <= 1 << 12)?;
    }
    let bytes = (0..count).flat_map(|_| element_bytes(*element, pick)).collect();
    tensor.push(Field(2, Content::Number(*element)));
    tensor.push(Field(8, find(input, 1)?.clone()));
    tensor.push(Field(9, Content::Bytes(bytes)));
    Some(tensor)
}

/// An element of a type of ONNX, mostly a small number.
fn element_bytes(element: u64, pick: &mut Pick) -> Vec<u8> {
    let n = if pick(4) == 0 { number(pick) } else { pick(4) as u64 };
    let x = if pick(4) == 0 { FLOATS[pick(FLOATS.len())] } else { pick(8) as f32 / 2.0 };
    match element {
        1 => x.to_le_bytes().into(),
        11 => f64::from(x).to_le_bytes().into(),
        7 | 13 => n.to_le_bytes().into(),
        6 | 12 => (n as u32).to_le_bytes().into(),
        4 | 5 | 10 | 16 => (n as u16).to_le_bytes().into(),
        9 => vec![n as u8 & 1],
        _ => vec![n as u8],
    }
}

/// Elements of a tensor are others: axes, sizes, starts.
fn change_elements(list: &mut [Field], pick: &mut Pick) {
    let element = match find(list, 2) {
        Some(Content::Number(n)) => *n,
        _ => 0,
    };
    let data = list.iter_mut().find(|f| matches!(f.0, 4..=11) && f.0 != 8);
    match data.map(|f| (f.0, &mut f.1)) {
        Some((5 | 7 | 11, Content::Bytes(bytes))) => change_list(bytes, pick),
        Some((_, Content::Bytes(bytes))) if !bytes.is_empty() => {
            let new = element_bytes(element, pick);
            let first = pick(bytes.len()) / new.len() * new.len();
            bytes[first..].iter_mut().zip(new).for_each(|(b, x)| *b = x);
        }
        Some((_, Content::Number(n))) => *n = number(pick),
        _ => {}
    }
}
