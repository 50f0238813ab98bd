//! The messages, decoded. Each is a table of its fields.

use super::wire::{Malformed, Payload, Result, WireFields};

/// Messages inside messages: deeper nesting than this is refused while decoding. A graph in an attribute of a graph is three levels deeper.
const DEPTH: usize = 96;

/// A message.
pub(crate) trait Message<'a>: Sized {
    /// From its bytes, `depth` messages inside another.
    fn decode(bytes: &'a [u8], depth: usize) -> Result<Self>;
}

/// A field of a message, which takes its payloads one after another: the last, or each of a list.
trait MessageField<'a> {
    fn put(&mut self, payload: Payload<'a>, depth: usize) -> Result<()>;
}

/// Decodes each field of `bytes`.
fn each<'a>(bytes: &'a [u8], depth: usize, mut f: impl FnMut(u64, Payload<'a>) -> Result<()>) -> Result<()> {
    if depth > DEPTH {
        return Err(Malformed("messages are nested too deeply"));
    }
    WireFields(bytes).try_for_each(|field| field.and_then(|(number, payload)| f(number, payload)))
}

/// A struct with the fields of a message, each behind its number.
macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $number:pat => $field:ident: $ty:ty,)* })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Default)]
        pub(crate) struct $name<'a> { $($(#[$field_doc])* pub(crate) $field: $ty,)* }

        impl<'a> Message<'a> for $name<'a> {
            fn decode(bytes: &'a [u8], depth: usize) -> Result<Self> {
                let mut m = $name::default();
                each(bytes, depth, |number, p| match number {
                    $($number => m.$field.put(p, depth),)*
                    _ => Ok(()),
                })?;
                Ok(m)
            }
        }
    )* };
}

messages! {
    /// A `ModelProto`.
    ModelProto {
        1 => ir_version: i64,
        2 => producer_name: &'a str,
        3 => producer_version: &'a str,
        7 => graph: Option<GraphProto<'a>>,
        /// (domain, version) pairs.
        8 => opsets: Vec<(&'a str, i64)>,
        25 => functions: Vec<FunctionProto<'a>>,
    }
    /// A `GraphProto`.
    GraphProto {
        1 => nodes: Vec<NodeProto<'a>>,
        2 => name: &'a str,
        5 => initializers: Vec<TensorProto<'a>>,
        11 => inputs: Vec<ValueInfo<'a>>,
        12 => outputs: Vec<ValueInfo<'a>>,
        /// Types of values that are neither inputs nor outputs.
        15 => sparse: Vec<SparseProto<'a>>,
    }
    /// A `SparseTensorProto`.
    SparseProto {
        1 => values: TensorProto<'a>,
        2 => indices: TensorProto<'a>,
        3 => dims: Vec<i64>,
    }
    /// A `FunctionProto`.
    FunctionProto {
        1 => name: &'a str,
        4 => inputs: Vec<&'a str>,
        5 => outputs: Vec<&'a str>,
        7 => nodes: Vec<NodeProto<'a>>,
        9 => opsets: Vec<(&'a str, i64)>,
        10 => domain: &'a str,
        /// Attributes with default values.
        11 => defaults: Vec<Attribute<'a>>,
        13 => overload: &'a str,
    }
    /// A `NodeProto`.
    NodeProto {
        1 => inputs: Vec<&'a str>,
        2 => outputs: Vec<&'a str>,
        3 => name: &'a str,
        4 => op_type: &'a str,
        5 => attributes: Vec<Attribute<'a>>,
        7 => domain: &'a str,
        8 => overload: &'a str,
    }
    /// An `AttributeProto`.
    Attribute {
        1 => name: &'a str,
        2 => f: f32,
        3 => i: i64,
        4 => s: &'a [u8],
        5 => tensor: Option<TensorProto<'a>>,
        6 => graph: Option<Box<GraphProto<'a>>>,
        7 => floats: Vec<f32>,
        8 => ints: Vec<i64>,
        9 => strings: Vec<&'a [u8]>,
        /// The attribute of the enclosing function that this one stands for.
        21 => reference: &'a str,
        22 => sparse: Option<Box<SparseProto<'a>>>,
    }
    /// A `TensorProto`; also the form of a tensor in a file of its own, as test data is.
    TensorProto {
        1 => dims: Vec<i64>,
        2 => data_type: i64,
        4 => floats: Vec<f32>,
        /// `int32_data`, `int64_data` or `uint64_data`, whichever is there.
        5 | 7 | 11 => ints: Vec<i64>,
        6 => strings: Vec<&'a [u8]>,
        8 => name: &'a str,
        9 => raw: Option<&'a [u8]>,
        10 => doubles: Vec<f64>,
        /// (key, value) pairs that say where the data is, when `is_external`.
        13 => external: Vec<(&'a str, &'a str)>,
        14 => is_external: bool,
    }
    /// A `ValueInfoProto`.
    ValueInfo {
        1 => name: &'a str,
        2 => kind: ValueKind<'a>,
    }
    /// A `TypeProto.Tensor`.
    TensorType {
        1 => data_type: i64,
        2 => shape: Option<Shape<'a>>,
    }
    /// A `TensorShapeProto`.
    Shape {
        1 => dims: Vec<Dim<'a>>,
    }
    /// A `TypeProto.Sequence` or `TypeProto.Optional`.
    Holder {
        1 => kind: ValueKind<'a>,
    }
}

/// A `TypeProto`.
#[derive(Clone, Default)]
pub(crate) enum ValueKind<'a> {
    /// A tensor with an element type; without sizes when even the rank is not said.
    Tensor { data_type: i64, dims: Option<Vec<Dim<'a>>> },
    /// Nothing said.
    #[default]
    Unknown,
    /// A list of tensors like this.
    Sequence(Box<ValueKind<'a>>),
    /// A tensor or a sequence, or nothing.
    Optional(Box<ValueKind<'a>>),
    /// Map or sparse tensor.
    Other(&'static str),
}

/// One size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Dim<'a> {
    Size(i64),
    /// Known at run time only; the name may be empty.
    Symbol(&'a str),
}

impl<'a> Message<'a> for ValueKind<'a> {
    fn decode(bytes: &'a [u8], depth: usize) -> Result<Self> {
        let mut kind = ValueKind::Unknown;
        let element = |p: Payload<'a>| Ok(Box::new(Holder::decode(p.bytes()?, depth + 1)?.kind));
        each(bytes, depth, |number, p| {
            kind = match number {
                1 => {
                    let TensorType { data_type, shape } = TensorType::decode(p.bytes()?, depth + 1)?;
                    ValueKind::Tensor { data_type, dims: shape.map(|s| s.dims) }
                }
                4 => ValueKind::Sequence(element(p)?),
                5 => ValueKind::Other("map"),
                8 => ValueKind::Other("sparse tensor"),
                9 => ValueKind::Optional(element(p)?),
                _ => return Ok(()),
            };
            Ok(())
        })?;
        Ok(kind)
    }
}

impl<'a> Message<'a> for Dim<'a> {
    fn decode(bytes: &'a [u8], depth: usize) -> Result<Self> {
        let mut dim = Dim::Symbol("");
        each(bytes, depth, |number, p| {
            match number {
                1 => dim = Dim::Size(p.int()?),
                2 => dim = Dim::Symbol(p.text()?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(dim)
    }
}

/// An `OperatorSetIdProto` or a `StringStringEntryProto`.
impl<'a, V: MessageField<'a> + Default> Message<'a> for (&'a str, V) {
    fn decode(bytes: &'a [u8], depth: usize) -> Result<Self> {
        let mut out = ("", V::default());
        each(bytes, depth, |number, p| match number {
            1 => out.0.put(p, depth),
            2 => out.1.put(p, depth),
            _ => Ok(()),
        })?;
        Ok(out)
    }
}

/// How payloads are taken by fields of each type.
macro_rules! fields {
    ($($ty:ty: |$field:ident, $p:ident| $take:expr;)*) => { $(
        impl<'a> MessageField<'a> for $ty {
            fn put(&mut self, $p: Payload<'a>, _: usize) -> Result<()> {
                let $field = self;
                $take
            }
        }
    )* };
}

fields! {
    i64: |field, p| p.int().map(|n| *field = n);
    f32: |field, p| p.float().map(|x| *field = x);
    bool: |field, p| p.int().map(|n| *field = n == 1);
    &'a str: |field, p| p.text().map(|s| *field = s);
    &'a [u8]: |field, p| p.bytes().map(|b| *field = b);
    Option<&'a [u8]>: |field, p| p.bytes().map(|b| *field = Some(b));
    Vec<&'a str>: |list, p| p.text().map(|s| list.push(s));
    Vec<&'a [u8]>: |list, p| p.bytes().map(|b| list.push(b));
    Vec<i64>: |list, p| p.ints(list);
    Vec<f32>: |list, p| p.floats(list);
    Vec<f64>: |list, p| p.doubles(list);
}

impl<'a, M: Message<'a>> MessageField<'a> for M {
    fn put(&mut self, p: Payload<'a>, depth: usize) -> Result<()> {
        *self = M::decode(p.bytes()?, depth + 1)?;
        Ok(())
    }
}

impl<'a, M: Message<'a>> MessageField<'a> for Option<M> {
    fn put(&mut self, p: Payload<'a>, depth: usize) -> Result<()> {
        *self = Some(M::decode(p.bytes()?, depth + 1)?);
        Ok(())
    }
}

impl<'a, M: Message<'a>> Message<'a> for Box<M> {
    fn decode(bytes: &'a [u8], depth: usize) -> Result<Self> {
        M::decode(bytes, depth).map(Box::new)
    }
}

impl<'a, M: Message<'a>> MessageField<'a> for Vec<M> {
    fn put(&mut self, p: Payload<'a>, depth: usize) -> Result<()> {
        self.push(M::decode(p.bytes()?, depth + 1)?);
        Ok(())
    }
}

impl NodeProto<'_> {
    /// How many outputs are asked for, counted to the last that has a name.
    pub(crate) fn output_count(&self) -> usize {
        self.outputs.iter().rposition(|o| !o.is_empty()).map_or(0, |last| last + 1)
    }
}
