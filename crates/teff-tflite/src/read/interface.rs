//! The inputs and outputs of the model.

use super::ReadOptions;
use super::held::Held;
use super::walk::Reader;
use crate::error::{Error, Result};
use crate::model::{Element, TensorInfo};
use teff_graph::Tensor;

/// Makes an input of each input of the model.
pub(crate) fn inputs(reader: &mut Reader, options: &ReadOptions) -> Result<Vec<Tensor>> {
    let file = reader.file;
    let name_of = |k: usize| match file.tensors[file.inputs[k]].name {
        "" => format!("input{k}"),
        name => name.to_string(),
    };
    let names: Vec<String> = (0..file.inputs.len()).map(name_of).collect();
    if let Some((unknown, _)) = options.input_shapes.iter().find(|(n, _)| !names.contains(n)) {
        let reason = format!("a shape was given for it, but the model's inputs are {names:?}");
        return Err(Error::Interface { name: unknown.clone(), reason });
    }
    let mut made = Vec::new();
    for (k, name) in names.iter().enumerate() {
        let index = file.inputs[k];
        if file.inputs[..k].contains(&index) {
            return Err(Error::Interface { name: name.clone(), reason: "is listed twice".into() });
        }
        let info = &file.tensors[index];
        let fixed = options.input_shapes.iter().find(|(n, _)| n == name).map(|(_, s)| &s[..]);
        let shape = shape(reader, name, info, fixed)?;
        let wrong = |reason: String| Error::Interface { name: name.clone(), reason };
        let Some(dtype) = info.element.dtype() else {
            return Err(wrong(format!("is {}, which is not supported", info.element.name())));
        };
        if !matches!(info.element, Element::Plain(_)) {
            reader.note(format!("input {name:?} is {} and is taken as {dtype}", info.element.name()));
        }
        let tensor = Tensor::input(name, dtype, &shape);
        tensor.check().map_err(|e| wrong(e.to_string()))?;
        reader.set(index, Held::plain(tensor.clone()));
        made.push(tensor);
    }
    if file.subgraphs > 1 {
        reader.note(format!("the file has {} sub-graphs; the first is the model", file.subgraphs));
    }
    Ok(made)
}

fn shape(reader: &mut Reader, name: &str, info: &TensorInfo, fixed: Option<&[usize]>) -> Result<Vec<usize>> {
    let wrong = |reason: String| Err(Error::Interface { name: name.into(), reason });
    let shown: Vec<String> = (0..info.shape.len())
        .map(|axis| if info.open.contains(&axis) { "?".into() } else { info.shape[axis].to_string() })
        .collect();
    let shown = format!("[{}]", shown.join(", "));
    if let Some(fixed) = fixed {
        let fits =
            |axis: usize| info.open.contains(&axis) || i64::from(info.shape[axis]) == fixed[axis] as i64;
        if fixed.len() != info.shape.len() || !(0..fixed.len()).all(fits) {
            return wrong(format!("the given shape {fixed:?} does not fit the model's {shown}"));
        }
        return Ok(fixed.to_vec());
    }
    let mut shape = Vec::new();
    for (axis, &n) in info.shape.iter().enumerate() {
        match usize::try_from(n) {
            Ok(n) if !info.open.contains(&axis) => shape.push(n),
            _ if axis == 0 => {
                reader.note(format!("input {name:?}: the batch axis of {shown} is pinned to 1"));
                shape.push(1);
            }
            _ => {
                let size = |(axis, n): (usize, &i32)| match axis {
                    _ if *n > 0 && !info.open.contains(&axis) => n.to_string(),
                    0 => "1".into(),
                    _ => "32".into(),
                };
                let example: Vec<String> = info.shape.iter().enumerate().map(size).collect();
                return wrong(format!(
                    "its shape {shown} leaves axis {axis} open. Give it, for example --input-shape {name}:{}",
                    example.join("x")
                ));
            }
        }
    }
    Ok(shape)
}

/// The outputs of the model, with axes as in the file.
pub(crate) fn outputs(reader: &mut Reader) -> Result<Vec<(String, Tensor)>> {
    let file = reader.file;
    if file.outputs.is_empty() {
        return Err(Error::InvalidModel { reason: "it has no outputs".into() });
    }
    let mut outputs = Vec::new();
    for (k, &index) in file.outputs.iter().enumerate() {
        let name = match file.tensors[index].name {
            "" => format!("output{k}"),
            name => name.to_string(),
        };
        match reader.get(index)? {
            Some(held) => outputs.push((name, held.into_plain())),
            None => return Err(Error::Interface { name, reason: "is given by no operator".into() }),
        }
    }
    Ok(outputs)
}
