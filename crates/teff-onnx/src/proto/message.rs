//! The messages, decoded.

use super::wire::{Fields, Malformed, Payload, Result};

/// Graphs inside attributes inside graphs: deeper nesting than this is refused while decoding.
const DEPTH: usize = 32;

/// A `ModelProto`.
#[derive(Default)]
pub(crate) struct ModelProto<'a> {
    pub(crate) ir_version: i64,
    pub(crate) producer_name: &'a str,
    pub(crate) producer_version: &'a str,
    pub(crate) graph: Option<GraphProto<'a>>,
    /// (domain, version) pairs.
    pub(crate) opsets: Vec<(&'a str, i64)>,
    pub(crate) functions: Vec<FunctionProto<'a>>,
}

/// A `GraphProto`.
#[derive(Clone, Default)]
pub(crate) struct GraphProto<'a> {
    pub(crate) name: &'a str,
    pub(crate) nodes: Vec<NodeProto<'a>>,
    pub(crate) initializers: Vec<TensorProto<'a>>,
    /// (values, indices, dims) of each.
    pub(crate) sparse: Vec<SparseProto<'a>>,
    pub(crate) inputs: Vec<ValueInfo<'a>>,
    pub(crate) outputs: Vec<ValueInfo<'a>>,
    /// Types of values that are neither inputs nor outputs.
    pub(crate) inner: Vec<ValueInfo<'a>>,
}

/// A `SparseTensorProto`.
#[derive(Clone, Default)]
pub(crate) struct SparseProto<'a> {
    pub(crate) values: TensorProto<'a>,
    pub(crate) indices: TensorProto<'a>,
    pub(crate) dims: Vec<i64>,
}

/// A `FunctionProto`.
#[derive(Clone, Default)]
pub(crate) struct FunctionProto<'a> {
    pub(crate) name: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) overload: &'a str,
    pub(crate) inputs: Vec<&'a str>,
    pub(crate) outputs: Vec<&'a str>,
    /// Attributes with default values.
    pub(crate) defaults: Vec<Attribute<'a>>,
    pub(crate) nodes: Vec<NodeProto<'a>>,
    pub(crate) opsets: Vec<(&'a str, i64)>,
}

/// A `NodeProto`.
#[derive(Clone, Default)]
pub(crate) struct NodeProto<'a> {
    pub(crate) inputs: Vec<&'a str>,
    pub(crate) outputs: Vec<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) op_type: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) overload: &'a str,
    pub(crate) attributes: Vec<Attribute<'a>>,
}

/// An `AttributeProto`.
#[derive(Clone, Default)]
pub(crate) struct Attribute<'a> {
    pub(crate) name: &'a str,
    /// The attribute of the enclosing function that this one stands for.
    pub(crate) reference: &'a str,
    pub(crate) f: f32,
    pub(crate) i: i64,
    pub(crate) s: &'a [u8],
    pub(crate) tensor: Option<TensorProto<'a>>,
    pub(crate) sparse: Option<Box<SparseProto<'a>>>,
    pub(crate) graph: Option<Box<GraphProto<'a>>>,
    pub(crate) floats: Vec<f32>,
    pub(crate) ints: Vec<i64>,
    pub(crate) strings: Vec<&'a [u8]>,
}

/// A `TensorProto`.
#[derive(Clone, Default)]
pub(crate) struct TensorProto<'a> {
    pub(crate) name: &'a str,
    pub(crate) dims: Vec<i64>,
    pub(crate) data_type: i64,
    pub(crate) raw: Option<&'a [u8]>,
    pub(crate) floats: Vec<f32>,
    pub(crate) doubles: Vec<f64>,
    /// `int32_data`, `int64_data` or `uint64_data`, whichever is there.
    pub(crate) ints: Vec<i64>,
    pub(crate) strings: Vec<&'a [u8]>,
    /// (key, value) pairs that say where the data is, when `is_external`.
    pub(crate) external: Vec<(&'a str, &'a str)>,
    pub(crate) is_external: bool,
}

/// A `ValueInfoProto`.
#[derive(Clone, Default)]
pub(crate) struct ValueInfo<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: ValueKind<'a>,
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
    /// Map, sparse tensor, or nested deeper than ONNX nests.
    Other(&'static str),
}

/// One size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Dim<'a> {
    Size(i64),
    /// Known at run time only; the name may be empty.
    Symbol(&'a str),
}

/// Decodes each field of `bytes`.
fn each<'a>(bytes: &'a [u8], mut take: impl FnMut(u64, Payload<'a>) -> Result<()>) -> Result<()> {
    Fields(bytes).try_for_each(|field| field.and_then(|(number, payload)| take(number, payload)))
}

impl<'a> ModelProto<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut m = ModelProto::default();
        each(bytes, |number, p| {
            match number {
                1 => m.ir_version = p.int()?,
                2 => m.producer_name = p.text()?,
                3 => m.producer_version = p.text()?,
                7 => m.graph = Some(GraphProto::decode(p.bytes()?, 0)?),
                8 => m.opsets.push(opset(p.bytes()?)?),
                25 => m.functions.push(FunctionProto::decode(p.bytes()?)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(m)
    }
}

fn opset(bytes: &[u8]) -> Result<(&str, i64)> {
    let mut out = ("", 0);
    each(bytes, |number, p| {
        match number {
            1 => out.0 = p.text()?,
            2 => out.1 = p.int()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(out)
}

impl<'a> GraphProto<'a> {
    fn decode(bytes: &'a [u8], depth: usize) -> Result<Self> {
        if depth > DEPTH {
            return Err(Malformed("graphs are nested too deeply"));
        }
        let mut g = GraphProto::default();
        each(bytes, |number, p| {
            match number {
                1 => g.nodes.push(NodeProto::decode(p.bytes()?, depth)?),
                2 => g.name = p.text()?,
                5 => g.initializers.push(TensorProto::decode(p.bytes()?)?),
                11 => g.inputs.push(ValueInfo::decode(p.bytes()?)?),
                12 => g.outputs.push(ValueInfo::decode(p.bytes()?)?),
                13 => g.inner.push(ValueInfo::decode(p.bytes()?)?),
                15 => g.sparse.push(SparseProto::decode(p.bytes()?)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(g)
    }
}

impl<'a> SparseProto<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut s = SparseProto::default();
        each(bytes, |number, p| {
            match number {
                1 => s.values = TensorProto::decode(p.bytes()?)?,
                2 => s.indices = TensorProto::decode(p.bytes()?)?,
                3 => p.ints(&mut s.dims)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(s)
    }
}

impl<'a> FunctionProto<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut f = FunctionProto::default();
        each(bytes, |number, p| {
            match number {
                1 => f.name = p.text()?,
                4 => f.inputs.push(p.text()?),
                5 => f.outputs.push(p.text()?),
                7 => f.nodes.push(NodeProto::decode(p.bytes()?, 0)?),
                9 => f.opsets.push(opset(p.bytes()?)?),
                10 => f.domain = p.text()?,
                11 => f.defaults.push(Attribute::decode(p.bytes()?, 0)?),
                13 => f.overload = p.text()?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(f)
    }
}

impl<'a> NodeProto<'a> {
    /// How many outputs are asked for, counted to the last that has a name.
    pub(crate) fn output_count(&self) -> usize {
        self.outputs.iter().rposition(|o| !o.is_empty()).map_or(0, |last| last + 1)
    }

    fn decode(bytes: &'a [u8], depth: usize) -> Result<Self> {
        let mut n = NodeProto::default();
        each(bytes, |number, p| {
            match number {
                1 => n.inputs.push(p.text()?),
                2 => n.outputs.push(p.text()?),
                3 => n.name = p.text()?,
                4 => n.op_type = p.text()?,
                5 => n.attributes.push(Attribute::decode(p.bytes()?, depth)?),
                7 => n.domain = p.text()?,
                8 => n.overload = p.text()?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(n)
    }
}

impl<'a> Attribute<'a> {
    fn decode(bytes: &'a [u8], depth: usize) -> Result<Self> {
        let mut a = Attribute::default();
        each(bytes, |number, p| {
            match number {
                1 => a.name = p.text()?,
                2 => a.f = p.float()?,
                3 => a.i = p.int()?,
                4 => a.s = p.bytes()?,
                5 => a.tensor = Some(TensorProto::decode(p.bytes()?)?),
                6 => a.graph = Some(Box::new(GraphProto::decode(p.bytes()?, depth + 1)?)),
                7 => p.floats(&mut a.floats)?,
                8 => p.ints(&mut a.ints)?,
                9 => a.strings.push(p.bytes()?),
                21 => a.reference = p.text()?,
                22 => a.sparse = Some(Box::new(SparseProto::decode(p.bytes()?)?)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(a)
    }
}

impl<'a> TensorProto<'a> {
    /// Also the form of a tensor in a file of its own, as test data is.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut t = TensorProto::default();
        each(bytes, |number, p| {
            match number {
                1 => p.ints(&mut t.dims)?,
                2 => t.data_type = p.int()?,
                4 => p.floats(&mut t.floats)?,
                5 | 7 | 11 => p.ints(&mut t.ints)?,
                6 => t.strings.push(p.bytes()?),
                8 => t.name = p.text()?,
                9 => t.raw = Some(p.bytes()?),
                10 => p.doubles(&mut t.doubles)?,
                13 => t.external.push(pair(p.bytes()?)?),
                14 => t.is_external = p.int()? == 1,
                _ => {}
            }
            Ok(())
        })?;
        Ok(t)
    }
}

/// A `StringStringEntryProto`.
fn pair(bytes: &[u8]) -> Result<(&str, &str)> {
    let mut out = ("", "");
    each(bytes, |number, p| {
        match number {
            1 => out.0 = p.text()?,
            2 => out.1 = p.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(out)
}

impl<'a> ValueInfo<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut v = ValueInfo::default();
        each(bytes, |number, p| {
            match number {
                1 => v.name = p.text()?,
                2 => v.kind = value_kind(p.bytes()?, 2)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(v)
    }
}

/// A `TypeProto` with types inside it at most `nested` deep; an optional sequence of tensors has two.
fn value_kind(bytes: &[u8], nested: usize) -> Result<ValueKind<'_>> {
    let mut kind = ValueKind::Unknown;
    each(bytes, |number, p| {
        match number {
            1 => {
                let (mut data_type, mut dims) = (0, None);
                each(p.bytes()?, |number, p| {
                    match number {
                        1 => data_type = p.int()?,
                        2 => dims = Some(shape(p.bytes()?)?),
                        _ => {}
                    }
                    Ok(())
                })?;
                kind = ValueKind::Tensor { data_type, dims };
            }
            4 => kind = ValueKind::Sequence(element_kind(p.bytes()?, nested)?),
            5 => kind = ValueKind::Other("map"),
            8 => kind = ValueKind::Other("sparse tensor"),
            9 => kind = ValueKind::Optional(element_kind(p.bytes()?, nested)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(kind)
}

/// What a sequence or optional holds.
fn element_kind(bytes: &[u8], nested: usize) -> Result<Box<ValueKind<'_>>> {
    let mut kind = ValueKind::Unknown;
    each(bytes, |number, p| {
        if number == 1 {
            kind = match nested.checked_sub(1) {
                Some(nested) => value_kind(p.bytes()?, nested)?,
                None => ValueKind::Other("nested sequence"),
            };
        }
        Ok(())
    })?;
    Ok(Box::new(kind))
}

fn shape(bytes: &[u8]) -> Result<Vec<Dim<'_>>> {
    let mut dims = Vec::new();
    each(bytes, |number, p| {
        if number == 1 {
            let mut dim = Dim::Symbol("");
            each(p.bytes()?, |number, p| {
                match number {
                    1 => dim = Dim::Size(p.int()?),
                    2 => dim = Dim::Symbol(p.text()?),
                    _ => {}
                }
                Ok(())
            })?;
            dims.push(dim);
        }
        Ok(())
    })?;
    Ok(dims)
}
