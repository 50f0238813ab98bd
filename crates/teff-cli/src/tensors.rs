//! Tensors in files: what models are run on, and what they give.

use crate::args::{count, one, path_of};
use crate::failure::{During, Failure, Result};
use crate::files::{read, write};
use crate::ui::Ui;
use clap::ArgMatches;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use teff::Feed;
use teff::data::{Array, Column, Element, Picture, Samples, Split};
use teff::graph::facts::quantization;
use teff::graph::{DType, Graph, NodeId, Num, Type, Value, random_bits};

/// Types of elements as NumPy's files have them, and as graphs do.
const TYPES: [(Element, DType); 11] = [
    (Element::Bool, DType::Bool),
    (Element::U8, DType::U8),
    (Element::I8, DType::I8),
    (Element::U16, DType::U16),
    (Element::I16, DType::I16),
    (Element::U32, DType::U32),
    (Element::I32, DType::I32),
    (Element::U64, DType::U64),
    (Element::I64, DType::I64),
    (Element::F32, DType::F32),
    (Element::F64, DType::F64),
];

fn element(dtype: DType) -> Element {
    TYPES.iter().find(|(_, d)| *d == dtype).expect("all are listed").0
}

fn value(array: &Array) -> Value {
    let (_, dtype) = TYPES.iter().find(|(e, _)| *e == array.element).expect("all are listed");
    let ty = Type::new(*dtype, &array.shape[..]);
    Value::from_le_bytes(&ty, &array.bytes).expect("an array has as many bytes as its shape says")
}

/// The data set that `--data` or the command's first argument names, with what `--label` says.
pub(crate) fn open_data(args: &ArgMatches) -> Result<Split> {
    let label = args.try_get_one::<String>("label").ok().flatten().cloned();
    Ok(teff::data::open_with(path_of(args, "data"), &teff::data::Options { label, ..Default::default() })?)
}

/// Writes a `.npy` file.
pub(crate) fn write_npy(path: &Path, value: &Value) -> Result<()> {
    let array =
        Array { element: element(value.dtype()), shape: value.shape().to_vec(), bytes: value.to_le_bytes() };
    write(path, &array.to_npy())
}

/// The pixels of a picture, its channels first or last as the input has them; one that is grey may be without.
fn pixels(path: &Path, graph: &Graph, id: NodeId) -> Result<Value> {
    let (name, ty) = (graph.input_name(id), &graph[id].ty);
    let picture = Picture::open(path)?;
    let [channels, height, width] = [picture.channels, picture.height, picture.width];
    let core: Vec<usize> = ty.shape.iter().skip_while(|n| **n == 1).copied().collect();
    let is = |shape: &[usize]| core == shape.iter().skip_while(|n| **n == 1).copied().collect::<Vec<_>>();
    let fits = is(&[channels, height, width]) || is(&[height, width, channels]);
    let takes = ty.dtype == DType::F32
        || matches!(ty.dtype, DType::I8 | DType::U8)
        || quantization(graph, id).is_some();
    if !fits || !takes {
        return Err(Failure::new(format!(
            "{}: a picture of {width}x{height} pixels and {channels} channels, and input {name:?} takes {ty}; bring it to that size and \
             kind, or give the elements as .npy",
            path.display()
        )));
    }
    let (shape, samples) = (vec![channels, height, width], Samples::U8(picture.planes()));
    Ok(Feed::value_of(graph, id, &Column { name: name.into(), shape, samples })?)
}

/// `NAME=FILE` or `FILE`: a name is one of `names`. The file's name is what bytes the system takes, UTF-8 or not.
fn named<'a>(argument: &OsStr, names: &[&'a str]) -> (Option<&'a str>, PathBuf) {
    for name in names {
        // Of `a` and `a=b`, which both fit `a=b=c.npy`, the longer.
        let longer = |other: &&str| other.len() > name.len() && behind(argument, other).is_some();
        if let Some(file) = behind(argument, name).filter(|_| !names.iter().any(longer)) {
            return (Some(name), file);
        }
    }
    (None, argument.into())
}

/// The file behind `NAME=`.
#[cfg(unix)]
fn behind(argument: &OsStr, name: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let file = argument.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    Some(OsStr::from_bytes(file).into())
}

#[cfg(not(unix))]
fn behind(argument: &OsStr, name: &str) -> Option<PathBuf> {
    Some(argument.to_str()?.strip_prefix(name)?.strip_prefix('=')?.into())
}

/// The values of all inputs of `graph`, from arguments `FILE` (in the order of the inputs) or `NAME=FILE`, of which a file `.npz` has
/// all inputs by name. Floats for integers that stand for floats become those, which the user is told.
pub(crate) fn inputs(graph: &Graph, arguments: &[OsString], ui: &Ui) -> Result<Vec<Value>> {
    let names: Vec<&str> = graph.inputs().iter().map(|id| graph.input_name(*id)).collect();
    let mut given: Vec<Option<Value>> = vec![None; names.len()];
    let place = |name: &str| {
        names.iter().position(|n| *n == name).ok_or_else(|| {
            Failure::new(format!("--input: the model has no input {name:?}; it has {}", described(graph)))
        })
    };
    for argument in arguments {
        let (name, path) = named(argument, &names);
        let path = path.as_path();
        if path.extension().is_some_and(|e| e == "npz") && name.is_none() {
            for (name, array) in Array::open_all(path)? {
                given[place(&name)?] = Some(value(&array));
            }
            continue;
        }
        let at = match name {
            Some(name) => place(name)?,
            None => given.iter().position(Option::is_none).ok_or_else(|| {
                Failure::new(format!("--input {}: the model has only {}", path.display(), described(graph)))
            })?,
        };
        given[at] = Some(match path.extension().and_then(|e| e.to_str()) {
            Some("pb") => teff::onnx::read_tensor(&read(path)?).during(path.display())?.1,
            _ if Picture::is_named(path) => pixels(path, graph, graph.inputs()[at])?,
            _ => value(&Array::open(path)?),
        });
    }
    let all = given.into_iter().zip(graph.inputs()).zip(&names);
    all.map(|((value, id), name)| fitted(value, name, *id, graph, ui)).collect()
}

/// The value, if it is what the input takes; leading axes of 1 may be missing or too many.
fn fitted(value: Option<Value>, name: &str, id: NodeId, graph: &Graph, ui: &Ui) -> Result<Value> {
    let ty = &graph[id].ty;
    let Some(value) = value else {
        return Err(Failure::new(format!(
            "no value for input {name:?}: give --input {name}=FILE.npy for each of {}",
            described(graph)
        )));
    };
    let core = |shape: &[usize]| shape.iter().skip_while(|n| **n == 1).copied().collect::<Vec<_>>();
    if core(value.shape()) != core(&ty.shape) {
        return Err(Failure::new(format!("input {name:?} takes {ty}, the file has {}", value.ty())));
    }
    if let Some(to) = quantization(graph, id).filter(|_| value.dtype().is_float()) {
        let which = to.single().map_or("the scales and zero points".into(), |(scale, zero)| {
            format!("scale {} and zero point {zero}", scale as f32)
        });
        ui.note(format!("input {name:?}: floats become {ty} by {which} of the model"));
        let floats = Value::from_fn(&Type::new(to.scale.dtype(), &ty.shape[..]), |i| value.get(i));
        return Ok(to.quantize(&floats));
    }
    let Some(same) = converted(&value, ty.dtype) else {
        return Err(Failure::new(format!(
            "input {name:?} takes {ty}, the file has {}, and not all its numbers are the same as {}; convert them first, in NumPy by \
             x.astype(\"{}\")",
            value.ty(),
            ty.dtype,
            element(ty.dtype).name()
        )));
    };
    Ok(same.reshape(&ty.shape[..]))
}

/// The same numbers in another element type; nothing if one of them is not the same there.
fn converted(value: &Value, dtype: DType) -> Option<Value> {
    if value.dtype() == dtype {
        return Some(value.clone());
    }
    let whole = |x: Num| match x {
        Num::Int(n) => Some(n),
        Num::Float(x) => (x.fract() == 0.0 && x.abs() < 2f64.powi(64)).then_some(x as i128),
    };
    let same = |a: Num, b: Num| match (a, b) {
        (Num::Float(a), Num::Float(b)) => a == b || a.is_nan() && b.is_nan(),
        _ => whole(a).is_some() && whole(a) == whole(b),
    };
    let fits = |n: i128| dtype.int_range().is_none_or(|(low, high)| (low..=high).contains(&n));
    let numbers: Vec<Num> = (0..value.len()).map(|i| value.get(i)).collect();
    if !dtype.is_float() && !numbers.iter().all(|&x| whole(x).is_some_and(fits)) {
        return None;
    }
    let out = Value::from_fn(&Type::new(dtype, value.shape()), |i| match whole(numbers[i]) {
        Some(n) if !dtype.is_float() => Num::Int(n),
        _ => Num::Float(numbers[i].as_f64()),
    });
    (0..out.len()).all(|i| same(out.get(i), numbers[i])).then_some(out)
}

/// Inputs with their types, for messages.
fn described(graph: &Graph) -> String {
    let all = graph.inputs().iter().map(|id| (graph.input_name(*id), id));
    let list: Vec<String> = all.map(|(name, id)| format!("{name:?}: {}", graph[*id].ty)).collect();
    if list.is_empty() { "no inputs".into() } else { list.join(", ") }
}

/// Bytes of inputs and outputs that samples take together at most.
const SAMPLES: usize = 1 << 30;

/// An error when so many samples of all inputs and outputs are more than are held at once.
fn check_samples(graph: &Graph, count: usize) -> Result<()> {
    let ids = graph.inputs().iter().copied().chain(graph.outputs().iter().map(|o| o.node));
    let one: usize = ids.map(|id| graph[id].ty.bytes().max(64)).fold(0, usize::saturating_add);
    match one.checked_mul(count).filter(|bytes| *bytes <= SAMPLES) {
        Some(_) => Ok(()),
        None => Err(Failure::new(format!(
            "--samples {count}: inputs and outputs of one take {one} bytes, and of all at most {SAMPLES} are held; give at most {}",
            SAMPLES / one.max(1)
        ))),
    }
}

/// Invented values for all inputs: floats uniform in [-1, 1), integers of 8 and 16 bits over their whole range, wider ones in 0 to 7,
/// which also serve as indices.
fn invented(graph: &Graph, seed: u64, sample: usize) -> Vec<Value> {
    let one = |(i, id): (usize, &teff::graph::NodeId)| {
        let ty = &graph[*id].ty;
        let key = seed.wrapping_mul(1_000_003).wrapping_add((sample * 1000 + i) as u64);
        Value::from_fn(ty, |k| {
            let bits = random_bits(key as i64, k as u64);
            match ty.dtype {
                d if d.is_float() => Num::Float((bits >> 40) as f64 / (1u64 << 23) as f64 - 1.0),
                DType::Bool => Num::Int((bits >> 63) as i128),
                DType::I8 => Num::Int(i128::from(bits as i8)),
                DType::U8 => Num::Int(i128::from(bits as u8)),
                DType::I16 => Num::Int(i128::from(bits as i16)),
                DType::U16 => Num::Int(i128::from(bits as u16)),
                _ => Num::Int((bits % 8) as i128),
            }
        })
    };
    graph.inputs().iter().enumerate().map(one).collect()
}

/// The inputs that the arguments name, as the only sample; none when they name none.
pub(crate) fn given_samples(graph: &Graph, args: &ArgMatches, ui: &Ui) -> Result<Option<Vec<Vec<Value>>>> {
    let files: Vec<OsString> = args.get_many("input").into_iter().flatten().cloned().collect();
    if files.is_empty() { Ok(None) } else { Ok(Some(vec![inputs(graph, &files, ui)?])) }
}

/// As many invented samples as the arguments ask for.
pub(crate) fn invented_samples(graph: &Graph, args: &ArgMatches) -> Result<Vec<Vec<Value>>> {
    let (count, seed) = (count(args, "samples"), one(args, "seed"));
    check_samples(graph, count)?;
    Ok((0..count).map(|i| invented(graph, seed, i)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_value_in_another_type_or_are_refused() {
        let doubles = |list: &[f64]| Value::new([list.len()], list.to_vec());
        let floats = Value::new([4], vec![0.5f32, -3.0, f32::NAN, f32::INFINITY]);
        let found = converted(&doubles(&[0.5, -3.0, f64::NAN, f64::INFINITY]), DType::F32).unwrap();
        assert_eq!(found.to_le_bytes(), floats.to_le_bytes());
        assert_eq!(converted(&doubles(&[0.1]), DType::F32), None);
        assert_eq!(converted(&doubles(&[1e300]), DType::F32), None);
        assert_eq!(converted(&doubles(&[3.0, -7.0]), DType::I8), Some(Value::new([2], vec![3i8, -7])));
        for wrong in [0.5, 128.0, -129.0, f64::NAN, f64::INFINITY, 1e30] {
            assert_eq!(converted(&doubles(&[wrong]), DType::I8), None, "{wrong}");
        }
        let longs = |list: &[i64]| Value::new([list.len()], list.to_vec());
        assert_eq!(converted(&longs(&[7, -1]), DType::I32), Some(Value::new([2], vec![7i32, -1])));
        assert_eq!(
            converted(&longs(&[1 << 24, -5]), DType::F32),
            Some(Value::new([2], vec![16_777_216f32, -5.0]))
        );
        assert_eq!(converted(&longs(&[(1 << 24) + 1]), DType::F32), None);
        assert_eq!(converted(&longs(&[i64::MAX]), DType::F64), None);
        assert_eq!(converted(&longs(&[-1]), DType::U8), None);
        assert_eq!(converted(&longs(&[1, 0]), DType::Bool), Some(Value::new([2], vec![true, false])));
        assert_eq!(converted(&longs(&[2]), DType::Bool), None);
        assert_eq!(
            converted(&Value::new([2], vec![true, false]), DType::F32),
            Some(Value::new([2], vec![1f32, 0.0]))
        );
    }
}
