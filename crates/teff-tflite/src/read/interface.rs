//! The inputs and outputs of the model.

use super::ReadOptions;
use super::held::Held;
use super::reader::Reader;
use crate::model::{ModelFile, TensorInfo};
use crate::{Error, Result};
use teff_graph::Tensor;
use teff_reader::{AxisSize, ElementType, check_names, pinned};

/// Makes an input of each input of the model.
pub(crate) fn inputs(reader: &mut Reader, options: &ReadOptions) -> Result<Vec<Tensor>> {
    let file = reader.file;
    let names: Vec<String> =
        (0..file.inputs.len()).map(|k| name_of(file, file.inputs[k], "input", k)).collect();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    check_names(options.input_shapes.iter().map(|(name, _)| name), &known)?;
    let mut made = Vec::new();
    for (k, name) in names.iter().enumerate() {
        let index = file.inputs[k];
        if file.inputs[..k].contains(&index) {
            return Err(Error::interface(name, "is listed twice"));
        }
        let info = &file.tensors[index];
        let fixed = options.input_shapes.iter().find(|(n, _)| n == name).map(|(_, s)| &s[..]);
        let shape = pinned(&reader.reading, name, &sizes(info), fixed)?;
        let wrong = |reason: String| Error::interface(name, reason);
        let Some(dtype) = info.dtype() else {
            return Err(wrong(format!("is {}, which is not supported", info.element_name())));
        };
        if !matches!(info.element, Some(ElementType::Plain(_))) {
            reader.reading.note(format!("input {name:?} is {} and is taken as {dtype}", info.element_name()));
        }
        let tensor = Tensor::input(name, dtype, &shape);
        tensor.check().map_err(|e| wrong(e.to_string()))?;
        reader.set(index, Held::plain(tensor.clone()));
        made.push(tensor);
    }
    if file.subgraphs > 1 {
        reader.reading.note(format!("the file has {} sub-graphs; the first is the model", file.subgraphs));
    }
    Ok(made)
}

/// The name of a tensor that is input or output `k`.
fn name_of(file: &ModelFile, index: usize, what: &str, k: usize) -> String {
    let name = file.tensors[index].name;
    if name.is_empty() { format!("{what}{k}") } else { name.into() }
}

fn sizes(info: &TensorInfo) -> Vec<AxisSize<'static>> {
    let size = |(axis, &n): (usize, &i32)| match usize::try_from(n) {
        Ok(n) if !info.open.contains(&axis) => AxisSize::Known(n),
        _ => AxisSize::Open(""),
    };
    info.shape.iter().enumerate().map(size).collect()
}

/// The outputs of the model, with axes as in the file.
pub(crate) fn outputs(reader: &mut Reader) -> Result<Vec<(String, Tensor)>> {
    let file = reader.file;
    if file.outputs.is_empty() {
        return Err(Error::model("it has no outputs"));
    }
    let mut outputs = Vec::new();
    for (k, &index) in file.outputs.iter().enumerate() {
        let name = name_of(file, index, "output", k);
        match reader.get(index)? {
            Some(held) => outputs.push((name, held.into_plain())),
            None => return Err(Error::interface(name, "is given by no operator")),
        }
    }
    Ok(outputs)
}
