//! How a network is given the samples of a data set: which array each input takes, in which order of axes, and in which integers.

use crate::error::{Error, Result};
use teff_data::{Column, Dataset, Sample, Samples};
use teff_graph::facts::{Quantization, quantization};
use teff_graph::{DType, Graph, NodeId, Num, Type, Value};

/// How each input of a network is filled. Data are in the units of the network before it was quantised: an input of integers that stand
/// for floats gets them by its own scale and zero point.
#[derive(Clone, Debug)]
pub struct Feed {
    ports: Vec<Port>,
    batch: usize,
}

/// How one input is.
#[derive(Clone, Debug)]
struct Port {
    /// The array of the data set.
    column: usize,
    ty: Type,
    turn: Turn,
    /// What the integers of a quantised network stand for.
    quantization: Option<Quantization>,
}

/// Where the elements of a sample go.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    /// Where they are.
    Stay,
    /// The first axis, of so many channels, becomes the last, as TFLite models have it.
    ChannelsLast(usize),
    /// The last axis, of so many channels, becomes the first.
    ChannelsFirst(usize),
}

impl Feed {
    /// Looks for an array for each input: by its name, or in their order where there are as many of both and no names agree.
    ///
    /// # Errors
    /// Inputs for which there is no array, or of another shape or type; inputs for different numbers of samples.
    pub fn new(graph: &Graph, data: &Dataset) -> Result<Feed> {
        let error = |reason: String| Error::Setting(format!("model {:?}: {reason}", graph.name));
        let mut ports = Vec::new();
        let mut batch = None;
        for (&id, column) in graph.inputs().iter().zip(columns(graph, data)?) {
            let from = &data.inputs()[column];
            let (port, count) = Port::new(graph, id, column, from).map_err(error)?;
            if *batch.get_or_insert(count) != count {
                let name = graph.input_name(id);
                return Err(error(format!(
                    "its inputs are for different numbers of samples: {name:?} for {count}"
                )));
            }
            ports.push(port);
        }
        Ok(Feed { ports, batch: batch.unwrap_or(1) })
    }

    /// The value of the input `id` of `graph`, for one sample: the first of `column`.
    ///
    /// # Errors
    /// A sample of another size or type.
    pub fn value_of(graph: &Graph, id: NodeId, column: &Column) -> Result<Value> {
        let error = |reason: String| Error::Setting(format!("model {:?}: {reason}", graph.name));
        let (port, count) = Port::new(graph, id, 0, column).map_err(error)?;
        Ok(port.value(column, &vec![0; count]))
    }

    /// How many samples the network takes at once.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The values of all inputs for the samples `indices` of the data set it was made for, of which a network takes [`Feed::batch`]; where
    /// there are fewer, the last is repeated.
    ///
    /// # Panics
    /// When there are no indices, too many, or there is no such sample.
    pub fn values(&self, data: &Dataset, indices: &[usize]) -> Vec<Value> {
        assert!(!indices.is_empty() && indices.len() <= self.batch, "as many samples as the network takes");
        let mut all = indices.to_vec();
        all.resize(self.batch, indices[indices.len() - 1]);
        self.ports.iter().map(|port| port.value(&data.inputs()[port.column], &all)).collect()
    }
}

/// The array of the data for each input of the network.
fn columns(graph: &Graph, data: &Dataset) -> Result<Vec<usize>> {
    let names: Vec<&str> = graph.inputs().iter().map(|id| graph.input_name(*id)).collect();
    let find = |name: &&str| data.inputs().iter().position(|c| c.name == **name);
    let found: Vec<Option<usize>> = names.iter().map(find).collect();
    if let Some(all) = found.iter().copied().collect() {
        return Ok(all);
    }
    if found.iter().all(Option::is_none) && names.len() == data.inputs().len() {
        return Ok((0..names.len()).collect());
    }
    let has: Vec<&str> = data.inputs().iter().map(|c| &*c.name).collect();
    Err(Error::Setting(format!(
        "model {:?}: takes {}, and the data have {}; name the arrays as the inputs",
        graph.name,
        names.join(", "),
        has.join(", ")
    )))
}

/// A number of the data that `dtype` does not have.
fn not_of(dtype: DType, samples: &Samples) -> Option<f64> {
    let (low, high) = dtype.int_range()?;
    let fits = |n: i128| (low..=high).contains(&n);
    match samples {
        // Pixels fit: they are the bytes of 8 bits, from black to white, and 0 to 255 of wider integers.
        Samples::U8(_) => None,
        Samples::I64(all) => all.iter().find(|n| !fits(i128::from(**n))).map(|n| *n as f64),
        Samples::F32(all) => {
            all.iter().find(|x| x.fract() != 0.0 || !fits(**x as i128)).map(|x| f64::from(*x))
        }
    }
}

impl Port {
    /// The input `id`, filled from array number `column`, and for how many samples it is.
    fn new(
        graph: &Graph,
        id: NodeId,
        column: usize,
        from: &Column,
    ) -> std::result::Result<(Port, usize), String> {
        let (ty, name, len) = (&graph[id].ty, graph.input_name(id), from.sample_len());
        let count = ty.len() / len;
        let leads = ty.shape.first() == Some(&count) || count == 1;
        if ty.is_empty() || !ty.len().is_multiple_of(len) || !leads {
            return Err(format!(
                "input {name:?} takes {ty}, but a sample of the data has shape {:?}",
                from.shape
            ));
        }
        let quantization = quantization(graph, id);
        if let (None, Some(x)) = (&quantization, not_of(ty.dtype, &from.samples)) {
            return Err(format!(
                "input {name:?} takes {ty}, and the data have {x}; give numbers of {}",
                ty.dtype
            ));
        }
        Ok((Port { column, ty: ty.clone(), turn: turn(ty, &from.shape, count), quantization }, count))
    }

    fn value(&self, column: &Column, indices: &[usize]) -> Value {
        let len = column.sample_len();
        let at = |k: usize| (indices[k / len], self.turn.from(k % len, len));
        if let Some(quantization) = &self.quantization {
            let floats = self.floats(quantization.scale.dtype(), column, indices);
            return quantization.quantize(&floats);
        }
        if self.ty.dtype.is_float() {
            return self.floats(self.ty.dtype, column, indices);
        }
        Value::from_fn(&self.ty, |k| {
            let (sample, i) = at(k);
            Num::Int(match (column.sample(sample), self.ty.dtype) {
                (Sample::U8(pixels), DType::I8) => i128::from(pixels[i]) - 128,
                (Sample::U8(pixels), _) => i128::from(pixels[i]),
                (Sample::I64(whole), _) => i128::from(whole[i]),
                (Sample::F32(floats), _) => floats[i] as i128,
            })
        })
    }

    /// The samples as a network of floats sees them, in the order of this input.
    fn floats(&self, dtype: DType, column: &Column, indices: &[usize]) -> Value {
        let len = column.sample_len();
        let mut all = vec![0.0; indices.len() * len];
        column.gather(indices, &mut all);
        let from = |k: usize| all[k / len * len + self.turn.from(k % len, len)];
        if dtype == DType::F32 {
            return Value::new(self.ty.shape.clone(), (0..all.len()).map(from).collect());
        }
        Value::from_fn(&Type::new(dtype, self.ty.shape.clone()), |k| Num::Float(f64::from(from(k))))
    }
}

impl Turn {
    /// Which element of a sample of `len` is element `i` of the input's.
    fn from(self, i: usize, len: usize) -> usize {
        match self {
            Turn::Stay => i,
            Turn::ChannelsLast(c) => i % c * (len / c) + i / c,
            Turn::ChannelsFirst(c) => i % (len / c) * c + i / (len / c),
        }
    }
}

/// How samples of this shape become rows of an input that takes `count` of them. Where shapes say nothing of channels, flat samples for
/// pictures or pictures for flat inputs, elements stay in their order.
fn turn(ty: &Type, sample: &[usize], count: usize) -> Turn {
    // Axes of 1 move no element.
    let long = |shape: &[usize]| shape.iter().copied().filter(|n| *n != 1).collect::<Vec<_>>();
    let row = if count > 1 && ty.shape.first() == Some(&count) { &ty.shape[1..] } else { &ty.shape[..] };
    let (wanted, mut given) = (long(row), long(sample));
    if wanted == given || given.len() < 2 {
        return Turn::Stay;
    }
    // What a sample without channels, or of one, would be turned into is what it is.
    given.rotate_left(1);
    if wanted == given {
        return Turn::ChannelsLast(given[given.len() - 1]);
    }
    given.rotate_right(2);
    if wanted == given { Turn::ChannelsFirst(given[0]) } else { Turn::Stay }
}

#[cfg(test)]
mod tests {
    use super::*;
    use teff_data::Targets;
    use teff_graph::Tensor;

    fn data(columns: &[(&str, &[usize], Samples)]) -> Dataset {
        let column = |(name, shape, samples): &(&str, &[usize], Samples)| Column {
            name: (*name).into(),
            shape: shape.to_vec(),
            samples: samples.clone(),
        };
        Dataset::of(columns.iter().map(column).collect(), Targets::Missing).unwrap()
    }

    /// A graph that gives its inputs.
    fn graph(inputs: &[(&str, DType, &[usize])]) -> Graph {
        let x: Vec<Tensor> =
            inputs.iter().map(|(name, dtype, shape)| Tensor::input(name, *dtype, shape)).collect();
        let y: Vec<(String, Tensor)> =
            x.iter().enumerate().map(|(i, x)| (format!("y{i}"), x.clone())).collect();
        let outputs: Vec<(&str, Tensor)> = y.iter().map(|(name, y)| (&**name, y.clone())).collect();
        Graph::from_tensors("g", &x, &outputs).unwrap()
    }

    /// Integers of `dtype` that stand for (q - zero) * scale.
    fn quantised(dtype: DType, shape: &[usize], scale: Value, zero: Value) -> Graph {
        let x = Tensor::input("x", dtype, shape);
        let y = x.dequantize(&Tensor::constant(scale), &Tensor::constant(zero));
        Graph::from_tensors("g", &[x], &[("y", y)]).unwrap()
    }

    #[test]
    fn integers_are_those_of_the_input_own_scales() {
        // 1.01 and 0.99 around 1 in steps of 1/128; pascal around 101 325 in steps of 100, less 1013 of them.
        let scale = Value::new([1, 2], vec![1.0f32 / 128.0, 100.0]);
        let zero = Value::new([1, 2], vec![-128i16, -1013]);
        let graph = quantised(DType::I16, &[1, 2], scale, zero);
        let data = data(&[("x", &[2], Samples::F32(vec![1.01, 101_325.0, 0.99, 101_249.0]))]);
        let feed = Feed::new(&graph, &data).unwrap();
        assert_eq!(feed.values(&data, &[0]), [Value::new([1, 2], vec![1i16, 0])]);
        assert_eq!(feed.values(&data, &[1]), [Value::new([1, 2], vec![-1i16, -1])]);
    }

    #[test]
    fn pixels_are_shares_of_white_to_scales_and_bytes_where_there_is_none() {
        let pixels = data(&[("x", &[3], Samples::U8(vec![0, 128, 255]))]);
        let one = |v: f32| Value::new([1, 1], vec![v]);
        let graph_of = |dtype| graph(&[("x", dtype, &[1, 3][..])]);
        let given = |graph: &Graph| Feed::new(graph, &pixels).unwrap().values(&pixels, &[0]).remove(0);
        // White is 1: 63 steps of 1/63 from 0.
        let coarse = quantised(DType::I8, &[1, 3], one(1.0 / 63.0), Value::new([1, 1], vec![-63i8]));
        assert_eq!(given(&coarse), Value::new([1, 3], vec![-63i8, -31, 0]));
        assert_eq!(given(&graph_of(DType::I8)), Value::new([1, 3], vec![-128i8, 0, 127]));
        assert_eq!(given(&graph_of(DType::U8)), Value::new([1, 3], vec![0u8, 128, 255]));
        assert_eq!(given(&graph_of(DType::I32)), Value::new([1, 3], vec![0i32, 128, 255]));
        assert_eq!(
            given(&graph_of(DType::F64)),
            Value::new([1, 3], vec![0.0, f64::from(128.0f32 / 255.0), 1.0])
        );
    }

    #[test]
    fn arrays_go_to_the_inputs_of_their_names_or_in_order() {
        let two = data(&[("b", &[1], Samples::I64(vec![7])), ("a", &[2], Samples::F32(vec![1.0, 2.0]))]);
        let named = graph(&[("a", DType::F32, &[1, 2]), ("b", DType::I32, &[1, 1])]);
        let values = Feed::new(&named, &two).unwrap().values(&two, &[0]);
        assert_eq!(values, [Value::new([1, 2], vec![1f32, 2.0]), Value::new([1, 1], vec![7i32])]);
        let others = graph(&[("p", DType::I64, &[1, 1]), ("q", DType::F32, &[2])]);
        let values = Feed::new(&others, &two).unwrap().values(&two, &[0]);
        assert_eq!(values, [Value::new([1, 1], vec![7i64]), Value::new([2], vec![1f32, 2.0])]);
        let half = graph(&[("a", DType::F32, &[1, 2]), ("c", DType::I32, &[1, 1])]);
        let error = Feed::new(&half, &two).unwrap_err().to_string();
        assert_eq!(error, "model \"g\": takes a, c, and the data have b, a; name the arrays as the inputs");
    }

    #[test]
    fn channels_go_where_the_input_has_them_and_the_last_sample_fills_a_batch() {
        // Two channels of three pixels, as [channels, time].
        let signals = data(&[("x", &[2, 3], Samples::F32((0..12).map(|i| i as f32).collect()))]);
        let last = graph(&[("x", DType::F32, &[2, 3, 2])]);
        let values = Feed::new(&last, &signals).unwrap().values(&signals, &[1]);
        let sample = [6f32, 9.0, 7.0, 10.0, 8.0, 11.0];
        assert_eq!(values, [Value::new([2, 3, 2], [sample, sample].concat())]);
        let pictures = data(&[("x", &[2, 2, 3], Samples::I64((0..12).collect()))]);
        let first = graph(&[("x", DType::I16, &[1, 3, 2, 2])]);
        let values = Feed::new(&first, &pictures).unwrap().values(&pictures, &[0]);
        assert_eq!(values, [Value::new([1, 3, 2, 2], vec![0i16, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11])]);
        let flat = graph(&[("x", DType::F32, &[1, 6])]);
        assert_eq!(
            Feed::new(&flat, &signals).unwrap().values(&signals, &[0])[0].to_f64(),
            [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        );
    }

    #[test]
    fn numbers_that_an_input_does_not_have_are_refused() {
        let refused = |samples, dtype| {
            let data = data(&[("x", &[1], samples)]);
            Feed::new(&graph(&[("x", dtype, &[1, 1])]), &data).err().map(|e| e.to_string())
        };
        assert_eq!(
            refused(Samples::F32(vec![3.0, 0.5]), DType::I32).unwrap(),
            "model \"g\": input \"x\" takes i32[1,1], and the data have 0.5; give numbers of i32"
        );
        assert!(refused(Samples::I64(vec![1, 300]), DType::U8).unwrap().contains("have 300;"));
        assert_eq!(refused(Samples::F32(vec![3.0, -2.0]), DType::I32), None);
    }
}
