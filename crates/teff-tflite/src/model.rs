//! A model file: its tensors, operators and constants, checked for consistency, not yet understood.

use crate::flatbuffer::{Access, Broken, Table, Tables, Vector};
use crate::schema::{
    self, buffer, model, operator, operator_code, quantization_parameters, sub_graph, tensor,
};
use crate::{Error, Result, TFLITE};
use teff_graph::DType;
use teff_reader::{ElementType, Fault, Lowered};

/// The type of elements with this number in the schema, if graphs can hold it.
fn element_type(number: i8) -> Option<ElementType> {
    use schema::tensor_type::*;
    Some(match number {
        FLOAT32 => ElementType::Plain(DType::F32),
        FLOAT16 => ElementType::F16,
        INT32 => ElementType::Plain(DType::I32),
        UINT8 => ElementType::Plain(DType::U8),
        INT64 => ElementType::Plain(DType::I64),
        BOOL => ElementType::Plain(DType::Bool),
        INT16 => ElementType::Plain(DType::I16),
        INT8 => ElementType::Plain(DType::I8),
        FLOAT64 => ElementType::Plain(DType::F64),
        UINT64 => ElementType::Plain(DType::U64),
        UINT32 => ElementType::Plain(DType::U32),
        UINT16 => ElementType::Plain(DType::U16),
        INT4 => ElementType::I4,
        BFLOAT16 => ElementType::BF16,
        _ => return None,
    })
}

/// Scales and zero points: one for all elements, or one for each index along `axis`.
#[derive(Clone, Copy)]
pub(crate) struct Quantization<'a> {
    pub(crate) scales: Vector<'a, f32>,
    pub(crate) zeros: Vector<'a, i64>,
    pub(crate) axis: i32,
}

/// A tensor of the file.
#[derive(Clone)]
pub(crate) struct TensorInfo<'a> {
    pub(crate) name: &'a str,
    /// The number of its type in the schema.
    pub(crate) number: i8,
    /// That type, if graphs can hold it.
    pub(crate) element: Option<ElementType>,
    /// Sizes as stored.
    pub(crate) shape: Vec<i32>,
    /// Axes whose size the model leaves open.
    pub(crate) open: Vec<usize>,
    pub(crate) buffer: u32,
    pub(crate) is_variable: bool,
    pub(crate) quantization: Option<Quantization<'a>>,
    /// Stored in a way that is not supported; what to call it.
    pub(crate) odd: Option<&'static str>,
}

impl TensorInfo<'_> {
    /// The type that holds its elements in a graph.
    pub(crate) fn dtype(&self) -> Option<DType> {
        self.element?.dtype()
    }

    /// What to call its elements in messages.
    pub(crate) fn element_name(&self) -> String {
        match (self.element, self.number) {
            (Some(element), _) => element.name().into(),
            (None, schema::tensor_type::STRING) => "text".into(),
            (None, schema::tensor_type::COMPLEX64) => "complex".into(),
            (None, n) => format!("of type {n} of the schema"),
        }
    }

    /// Why the tensor, the file's `index`-th, cannot be used.
    pub(crate) fn wrong(&self, index: usize, reason: impl Into<String>) -> Error {
        Error::Tensor { tensor: format!("{index} ({:?})", self.name), reason: reason.into() }
    }
}

/// An operator of the file.
#[derive(Clone, Copy)]
pub(crate) struct OperatorInfo<'a> {
    /// Its name in the schema, if it has one.
    pub(crate) name: Option<&'static str>,
    /// Of a custom operator.
    pub(crate) custom: &'a str,
    pub(crate) number: i32,
    pub(crate) version: i32,
    pub(crate) inputs: Vector<'a, i32>,
    pub(crate) outputs: Vector<'a, i32>,
    pub(crate) intermediates: Vector<'a, i32>,
    pub(crate) options_kind: u8,
    pub(crate) options: Option<Table<'a>>,
    /// Of newer operators, in a union of its own.
    pub(crate) options_2_kind: u8,
    pub(crate) options_2: Option<Table<'a>>,
}

/// A model file. Of several sub-graphs the first is the model; the others serve control flow and the setting of variables.
pub(crate) struct ModelFile<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) version: u32,
    pub(crate) subgraphs: usize,
    pub(crate) tensors: Vec<TensorInfo<'a>>,
    pub(crate) operators: Vec<OperatorInfo<'a>>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
    buffers: Tables<'a>,
}

/// A file that is damaged, where one that is whole may contradict itself.
impl From<Broken> for Error {
    fn from(Broken { at, of }: Broken) -> Error {
        let reason = format!("what byte {at} refers to lies outside the file, which has {of} bytes");
        Error::NotModel { format: &TFLITE, reason }
    }
}

/// Tensors have no more axes than this.
const MOST_AXES: usize = 8;

impl<'a> ModelFile<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<ModelFile<'a>> {
        let not = |reason: String| Err(Error::NotModel { format: &TFLITE, reason });
        if bytes.is_empty() {
            return not("the file is empty".into());
        }
        if bytes.get(4..8) != Some(b"TFL3") {
            return not("bytes 4 to 7 are not the identifier \"TFL3\"".into());
        }
        ModelFile::subgraph(bytes, 0)
    }

    /// The file with sub-graph `index` in place of the model.
    pub(crate) fn subgraph(bytes: &'a [u8], index: usize) -> Result<ModelFile<'a>> {
        let root = Table::root(bytes)?;
        let version = root.get(model::VERSION)?;
        if version != 3 {
            return Err(Error::model(format!("it is of schema version {version}; version 3 is supported")));
        }
        let subgraphs = root.tables(model::SUBGRAPHS)?;
        if index >= subgraphs.len() {
            return Err(Error::model(format!("it has {} sub-graphs and no {index}", subgraphs.len())));
        }
        let graph = subgraphs.get(index)?;
        let mut tensors = Vec::new();
        for t in graph.tables(sub_graph::TENSORS)?.iter() {
            tensors.push(tensor_info(&t?, tensors.len())?);
        }
        let codes = root.tables(model::OPERATOR_CODES)?;
        let mut operators = Vec::new();
        for o in graph.tables(sub_graph::OPERATORS)?.iter() {
            operators.push(operator_info(&o?, &codes, operators.len())?);
        }
        let interface = |list: Vector<i32>| {
            let known = |i: i32| {
                let found = usize::try_from(i).ok().filter(|&i| i < tensors.len());
                found.ok_or_else(|| {
                    Error::model(format!("it has {} tensors and gives {i} as input or output", tensors.len()))
                })
            };
            list.iter().map(known).collect::<Result<Vec<_>>>()
        };
        let inputs = interface(graph.vector(sub_graph::INPUTS)?)?;
        let outputs = interface(graph.vector(sub_graph::OUTPUTS)?)?;
        Ok(ModelFile {
            bytes,
            name: graph.text(sub_graph::NAME)?,
            description: root.text(model::DESCRIPTION)?,
            version,
            subgraphs: subgraphs.len(),
            tensors,
            operators,
            inputs,
            outputs,
            buffers: root.tables(model::BUFFERS)?,
        })
    }

    /// The position of a tensor as a list names it, if there is such a tensor.
    pub(crate) fn position(&self, tensor: Option<i32>) -> Option<usize> {
        usize::try_from(tensor?).ok().filter(|&t| t < self.tensors.len())
    }

    /// The tensor that entry `k` of a list of an operator names: `what` the list is of.
    pub(crate) fn entry(&self, list: Vector<i32>, k: usize, what: &str) -> Lowered<usize> {
        let found = self.position(list.get(k));
        found.ok_or_else(|| Fault::Invalid(format!("its {what} {k} is missing or does not exist")))
    }

    /// The bytes of buffer `i`; `None` when there is no such buffer or nothing in it.
    pub(crate) fn data(&self, i: u32) -> Access<Option<&'a [u8]>> {
        let i = i as usize;
        if i >= self.buffers.len() {
            return Ok(None);
        }
        let table = self.buffers.get(i)?;
        let (offset, size) = (table.get(buffer::OFFSET)?, table.get(buffer::SIZE)?);
        // Files over 2 GB keep their data behind the FlatBuffer; offsets 0 and 1 say that they do not.
        if offset > 1 {
            let end = offset.checked_add(size).and_then(|end| usize::try_from(end).ok());
            let bytes = end.and_then(|end| self.bytes.get(offset as usize..end));
            return bytes
                .map(Some)
                .ok_or(Broken { at: usize::try_from(offset).unwrap_or(usize::MAX), of: self.bytes.len() });
        }
        let data: Vector<u8> = table.vector(buffer::DATA)?;
        Ok((!data.is_empty()).then(|| data.bytes()))
    }
}

fn tensor_info<'a>(t: &Table<'a>, index: usize) -> Result<TensorInfo<'a>> {
    let shape: Vector<i32> = t.vector(tensor::SHAPE)?;
    if shape.len() > MOST_AXES {
        return Err(Error::model(format!(
            "tensor {index} has {} axes; at most {MOST_AXES} are supported",
            shape.len()
        )));
    }
    let signature: Vector<i32> = t.vector(tensor::SHAPE_SIGNATURE)?;
    let is_open = |&axis: &usize| signature.get(axis).is_some_and(|n| n < 0);
    let mut odd = t.has(tensor::SPARSITY).then_some("sparse");
    let mut quantization = None;
    if let Some(q) = t.table(tensor::QUANTIZATION)? {
        if q.get(quantization_parameters::DETAILS_TYPE)? != 0 {
            odd = Some("quantised in a way of its own");
        }
        let scales: Vector<f32> = q.vector(quantization_parameters::SCALE)?;
        // A scale of 0 marks a type that is no quantisation, as converters write it for int32.
        if scales.get(0).is_some_and(|s| s != 0.0) {
            quantization = Some(Quantization {
                scales,
                zeros: q.vector(quantization_parameters::ZERO_POINT)?,
                axis: q.get(quantization_parameters::QUANTIZED_DIMENSION)?,
            });
        }
    }
    Ok(TensorInfo {
        name: t.text(tensor::NAME)?,
        number: t.get(tensor::TYPE)?,
        element: element_type(t.get(tensor::TYPE)?),
        shape: shape.iter().collect(),
        open: (0..shape.len()).filter(is_open).collect(),
        buffer: t.get(tensor::BUFFER)?,
        is_variable: t.get(tensor::IS_VARIABLE)?,
        quantization,
        odd,
    })
}

fn operator_info<'a>(o: &Table<'a>, codes: &Tables<'a>, index: usize) -> Result<OperatorInfo<'a>> {
    let code = o.get(operator::OPCODE_INDEX)? as usize;
    if code >= codes.len() {
        return Err(Error::model(format!(
            "operator {index} refers to operator code {code}; there are {}",
            codes.len()
        )));
    }
    let code = codes.get(code)?;
    // Numbers up to 127 were once stored in a byte, which old files have alone.
    let old = i32::from(code.get(operator_code::DEPRECATED_BUILTIN_CODE)?);
    let number = code.get(operator_code::BUILTIN_CODE)?.max(old);
    let name = usize::try_from(number).ok().and_then(|n| schema::OPERATORS.split(' ').nth(n));
    Ok(OperatorInfo {
        name,
        custom: code.text(operator_code::CUSTOM_CODE)?,
        number,
        version: code.get(operator_code::VERSION)?,
        inputs: o.vector(operator::INPUTS)?,
        outputs: o.vector(operator::OUTPUTS)?,
        intermediates: o.vector(operator::INTERMEDIATES)?,
        options_kind: o.get(operator::BUILTIN_OPTIONS_TYPE)?,
        options: o.table(operator::BUILTIN_OPTIONS)?,
        options_2_kind: o.get(operator::BUILTIN_OPTIONS_2_TYPE)?,
        options_2: o.table(operator::BUILTIN_OPTIONS_2)?,
    })
}
