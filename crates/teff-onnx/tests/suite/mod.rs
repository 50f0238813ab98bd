//! The tests of the ONNX backend suite as graphs, inputs and the outputs they must give.

#![allow(dead_code, unused_imports, reason = "each test program uses some of it")]

mod archive;
mod compare;

pub(crate) use archive::Archive;
pub(crate) use compare::difference;
use teff_graph::{Graph, Value, evaluate};
use teff_onnx::{Model, ReadOptions, read, read_tensor};

/// Floats agree within this share of the expected number ...
pub(crate) const RTOL: f64 = 1e-3;
/// ... plus this.
pub(crate) const ATOL: f64 = 1e-5;

/// A data set of a test, read with as few of its inputs fixed as it takes.
pub(crate) struct DataSet {
    /// What the model computes.
    pub(crate) graph: Graph,
    /// A value for each of the graph's inputs.
    pub(crate) inputs: Vec<Value>,
    /// What the suite expects.
    pub(crate) expected: Vec<Value>,
    /// What the plain evaluator gives, which is close to that.
    pub(crate) evaluated: Vec<Value>,
    /// Names of the model's inputs that shapes depend on; they are constants of the graph.
    pub(crate) fixed: Vec<String>,
}

/// An input or output of a data set: a tensor, or what a sequence or an optional holds.
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) elements: Vec<Value>,
    is_tensor: bool,
}

/// Inputs or outputs of a data set, as they are numbered.
pub(crate) fn items(archive: &Archive, set: &str, what: &str) -> Result<Vec<Item>, String> {
    let one = |bytes: &[u8]| read_tensor(bytes).map_err(|e| format!("{what}: {e}"));
    let item = |bytes: &[u8]| match list(bytes) {
        Some((name, tensors)) => {
            let elements = tensors.into_iter().map(|t| Ok(one(t)?.1)).collect::<Result<_, String>>()?;
            Ok(Item { name, elements, is_tensor: false })
        }
        None => one(bytes).map(|(name, value)| Item { name, elements: vec![value], is_tensor: true }),
    };
    (0..).map_while(|k| archive.get(&format!("{set}/{what}_{k}.pb"))).map(item).collect()
}

/// The name and the tensors of a `SequenceProto` (field 1 the name, 2 the kind, 3 each tensor) or an `OptionalProto` (the same, a
/// sequence in field 5). Both begin with the name, a `TensorProto` with its sizes (as numbers) or its type.
fn list(bytes: &[u8]) -> Option<(String, Vec<&[u8]>)> {
    let (&[0x0a, length], rest) = bytes.split_first_chunk()? else { return None };
    let (name, rest) = rest.split_at_checked(length.into())?;
    Some((String::from_utf8(name.to_vec()).ok()?, tensors(rest)?))
}

/// The tensors among the fields of a sequence or optional, its name taken off.
fn tensors(mut fields: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while let Some((&key, rest)) = fields.split_first() {
        let (length, rest) = number(rest)?;
        if key == 0x10 {
            fields = rest;
            continue;
        }
        let (element, rest) = rest.split_at_checked(length)?;
        fields = rest;
        match key {
            0x1a => found.push(element),
            0x2a => found.extend(tensors(element)?),
            _ => return None,
        }
    }
    Some(found)
}

/// A number in the wire format, and what follows it.
fn number(mut bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (mut n, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        bytes = rest;
        n |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return Some((n, bytes));
        }
    }
}

/// The data sets of a test that the plain evaluator passes, or why it does not.
pub(crate) fn load(archive: &Archive, test: &str) -> Result<Vec<DataSet>, String> {
    (0..)
        .map(|k| format!("{test}/test_data_set_{k}"))
        .take_while(|set| archive.get(&format!("{set}/output_0.pb")).is_some())
        .map(|set| data_set(archive, test, &set))
        .collect()
}

/// Whether the model draws numbers that ONNX leaves open, even with a seed: what the suite expects of Bernoulli is one draw of many
/// ("for example and information only", says the suite), and ONNX's own reference evaluator gives another.
pub(crate) fn is_drawn(model: &[u8]) -> bool {
    teff_onnx::operators(model).is_ok_and(|o| o.iter().any(|o| o == "Bernoulli" || o == "RandomUniformLike"))
}

/// Whether this is a draw that ONNX allows: of the expected type, a one where the probability is 1, a zero where it is 0, elsewhere
/// one of the two.
fn allowed_draw(inputs: &[Value], got: &[Value], expected: &[Value]) -> Result<(), String> {
    let ([p], [got], [expected]) = (inputs, got, expected) else {
        return Err("takes one input, gives one output".into());
    };
    if got.ty() != expected.ty() {
        return Err(format!("is {}, should be {}", got.ty(), expected.ty()));
    }
    let allowed = |i: usize| match got.get(i).as_f64() {
        0.0 => p.get(i).as_f64() < 1.0,
        1.0 => p.get(i).as_f64() > 0.0,
        _ => false,
    };
    match (0..got.len()).find(|&i| !allowed(i)) {
        Some(i) => Err(format!("element {i} is {:?} with probability {:?}", got.get(i), p.get(i))),
        None => Ok(()),
    }
}

fn data_set(archive: &Archive, test: &str, set: &str) -> Result<DataSet, String> {
    let bytes = archive.get(&format!("{test}/model.onnx")).expect("the archive names it as a test");
    let files = items(archive, set, "input").and_then(|i| Ok((i, items(archive, set, "output")?)));
    let (inputs, expected) = match files {
        Ok(files) => files,
        // What keeps the model from being read says more than what keeps the data from it.
        Err(e) => return Err(read(bytes, &ReadOptions::default()).map_or_else(|e| e.to_string(), |_| e)),
    };
    let (model, fixed) = read_static(bytes, &inputs)?;
    model.graph.verify().map_err(|e| format!("verifier: {e}"))?;
    let inputs: Vec<Value> =
        inputs.into_iter().filter(|i| !fixed.contains(&i.name)).flat_map(|i| i.elements).collect();
    let evaluated = evaluate(&model.graph, &inputs).map_err(|e| e.to_string())?;
    let expected: Vec<Value> = expected.into_iter().flat_map(|i| i.elements).collect();
    if is_drawn(bytes) {
        allowed_draw(&inputs, &evaluated, &expected)?;
        return Ok(DataSet { graph: model.graph, inputs, expected: evaluated.clone(), evaluated, fixed });
    }
    compare(&evaluated, &expected)?;
    Ok(DataSet { graph: model.graph, inputs, expected, evaluated, fixed })
}

/// The model with as few inputs fixed as its shapes need, and the names of those.
fn read_static(bytes: &[u8], inputs: &[Item]) -> Result<(Model, Vec<String>), String> {
    let attempt = |fixed: &[String]| read_with(bytes, inputs, fixed).map_err(|e| e.to_string());
    let reason = match attempt(&[]) {
        Ok(model) => return Ok((model, Vec::new())),
        Err(reason) => reason,
    };
    if !reason.contains("the values of the model's inputs") {
        return Err(reason);
    }
    let mut open: Vec<&Item> = inputs.iter().filter(|i| i.is_tensor && !i.name.is_empty()).collect();
    let mut fixed: Vec<String> = open.iter().map(|i| i.name.clone()).collect();
    let mut model = attempt(&fixed)?;
    // Large ones first: what shapes depend on is short.
    open.sort_by_key(|i| std::cmp::Reverse(i.elements[0].len()));
    for item in open {
        let fewer: Vec<String> = fixed.iter().filter(|n| **n != item.name).cloned().collect();
        if let Ok(read) = attempt(&fewer) {
            (model, fixed) = (read, fewer);
        }
    }
    Ok((model, fixed))
}

/// The model with these inputs fixed. Sizes left open are those of the given inputs.
fn read_with(bytes: &[u8], inputs: &[Item], fixed: &[String]) -> teff_onnx::Result<Model> {
    let mut options = ReadOptions::default();
    for Item { name, elements, is_tensor } in inputs.iter().filter(|i| !i.name.is_empty()) {
        let shapes: Vec<Vec<usize>> = elements.iter().map(|v| v.shape().to_vec()).collect();
        match &elements[..] {
            [value] if fixed.contains(name) => options.fixed_inputs.push((name.clone(), value.clone())),
            [value] if *is_tensor => options.input_shapes.push((name.clone(), value.shape().to_vec())),
            _ => options.sequence_inputs.push((name.clone(), shapes)),
        }
    }
    let first = read(bytes, &options);
    if first.is_ok() || options.sequence_inputs.is_empty() {
        return first;
    }
    // A file does not tell a sequence of one tensor, or of none, from an optional that holds a tensor, or nothing.
    for (name, shapes) in std::mem::take(&mut options.sequence_inputs) {
        match shapes.into_iter().next() {
            Some(shape) => options.input_shapes.push((name, shape)),
            None => options.absent_inputs.push(name),
        }
    }
    read(bytes, &options).or(first)
}

/// An error that says which outputs are not close to what is expected.
pub(crate) fn compare(got: &[Value], expected: &[Value]) -> Result<(), String> {
    if got.len() != expected.len() {
        return Err(format!("{} outputs, should be {}", got.len(), expected.len()));
    }
    let differ = |(k, (g, e))| difference(g, e, RTOL, ATOL).map(|d| format!("output {k}: {d}"));
    match got.iter().zip(expected).enumerate().find_map(differ) {
        Some(reason) => Err(reason),
        None => Ok(()),
    }
}
