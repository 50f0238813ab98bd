//! Random quantised networks over everything that is rewritten to integers.

use crate::common::Rng;
use crate::common::nets::uniform;
use teff_graph::{
    ConvGeometry, DType, Element, Graph, Num, PadAxis, PoolKind, ReduceKind, SliceAxis, Tensor, Type, Value,
    Window, evaluate,
};

/// A quantised network that grows layer by layer, with the floats it is meant to compute on one input, which give it scales.
pub struct Net {
    pub rng: Rng,
    pub input: Tensor,
    pub given: Value,
    /// Scales are powers of two and constants have few bits, so that many results are halfway between two integers.
    halves: bool,
}

pub fn scalar<T: Element>(rank: usize, x: T) -> Tensor {
    Tensor::constant(Value::new(vec![1; rank], vec![x]))
}

/// Quantised and dequantised again.
pub fn through<T: Element>(y: &Tensor, scale: f32, zero: T) -> Tensor {
    let (scale, zero) = (scalar(y.rank(), scale), scalar(y.rank(), zero));
    y.quantize(&scale, &zero).dequantize(&scale, &zero)
}

impl Net {
    pub fn new(seed: u64, shape: &[usize]) -> (Net, Tensor) {
        let mut rng = Rng(seed);
        let input = Tensor::input("x", DType::I8, shape);
        let given = Value::from_fn(&input.ty(), |_| Num::Int(rng.below(256) as i128 - 128));
        let mut net = Net { rng, input, given, halves: seed % 4 == 1 };
        let scale = 0.01 + net.rng.below(100) as f32 / 2000.0;
        let (scale, zero) = (net.scale(scale), net.rng.pick(&[0i8, -128, 127, 5, -77]));
        let x = net.input.dequantize(&scalar(shape.len(), scale), &scalar(shape.len(), zero));
        (net, x)
    }

    pub fn graph(&self, y: &Tensor) -> Graph {
        Graph::from_tensors("net", std::slice::from_ref(&self.input), &[("y", y.clone())]).unwrap()
    }

    fn scale(&self, scale: f32) -> f32 {
        if self.halves { scale.log2().round().exp2() } else { scale }
    }

    /// Constants of floats, near to 0.
    fn constants(&mut self, shape: &[usize], reach: f64) -> Tensor {
        let value = uniform(&mut self.rng, shape, reach);
        let few = |i: usize| Num::Float((value.get(i).as_f64() * 128.0).round() / 128.0);
        Tensor::constant(if self.halves { Value::from_fn(&value.ty(), few) } else { value })
    }

    /// Constants along one of the last axes of `x`.
    fn along(&mut self, x: &Tensor, reach: f64) -> Tensor {
        let axis = self.rng.pick(&[1, 1, 2, 3]);
        let mut shape = [1; 4];
        shape[axis] = x.shape()[axis];
        self.constants(&[shape[axis]], reach).reshape(&shape)
    }

    fn range(&self, y: &Tensor) -> f64 {
        let floats = evaluate(&self.graph(y), std::slice::from_ref(&self.given)).unwrap().remove(0).to_f64();
        floats.iter().fold(1e-3f64, |m, x| m.max(x.abs()))
    }

    /// Quantised with a scale that suits this input more or less: some results saturate.
    pub fn quantize(&mut self, y: &Tensor) -> Tensor {
        let share = 0.5 + self.rng.below(100) as f64 / 100.0;
        let step = self.range(y) / 127.0 * share;
        match self.rng.below(9) {
            0 | 1 => {
                let zero = self.rng.pick(&[0u8, 128, 201]);
                through(y, self.scale(step as f32), zero)
            }
            2 => {
                let zero = self.rng.pick(&[0i16, 0, -7]);
                through(y, self.scale((step / 100.0) as f32), zero)
            }
            _ => {
                let zero = self.rng.pick(&[0i8, -128, 3, 63]);
                through(y, self.scale(step as f32), zero)
            }
        }
    }

    /// Quantised to 8 bits.
    fn narrow(&mut self, y: &Tensor) -> Tensor {
        let scale = self.scale((self.range(y) / 120.0) as f32);
        let zero = self.rng.pick(&[0i8, -128, 3, 63]);
        through(y, scale, zero)
    }

    /// Weights of 8, 4 or 2 bits with a scale each, or one for all, along the first axis.
    pub fn weights(&mut self, shape: &[usize]) -> Tensor {
        let (count, least) = [(255, -127), (255, -127), (256, -128), (16, -8), (4, -2)][self.rng.below(5)];
        let mut element = |_| Num::Int(self.rng.below(count) as i128 + least);
        let q = Value::from_fn(&Type::new(DType::I8, shape), &mut element);
        let channels = if self.rng.below(2) == 0 { shape[0] } else { 1 };
        let mut scale_shape = vec![1; shape.len()];
        scale_shape[0] = channels;
        let mut scale = || 0.001 + self.rng.below(50) as f32 / 10_000.0;
        let scales: Vec<f32> = (0..channels).map(|_| scale()).collect();
        let scales: Vec<f32> = scales.into_iter().map(|s| self.scale(s)).collect();
        let zeros = Tensor::constant(Value::zeros(&Type::new(DType::I8, &scale_shape[..])));
        Tensor::constant(q).dequantize(&Tensor::constant(Value::new(scale_shape, scales)), &zeros)
    }

    /// A bias for each channel: floats, or integers on the scale of the sums.
    fn bias(&mut self, outputs: usize) -> Tensor {
        if self.rng.below(3) > 0 {
            return self.constants(&[outputs], 0.5);
        }
        let q = Value::from_fn(&Type::new(DType::I32, [outputs]), |_| {
            Num::Int(self.rng.below(4001) as i128 - 2000)
        });
        let scale = self.scale(0.000_3);
        Tensor::constant(q).dequantize(&scalar(1, scale), &scalar(1, 0i32))
    }

    fn conv(&mut self, x: &Tensor) -> Tensor {
        let (c, h, w) = (x.shape()[1], x.shape()[2], x.shape()[3]);
        let size = if h.min(w) >= 3 { 3 } else { 1 };
        let groups = if self.rng.below(3) == 0 { c } else { 1 };
        let outputs = groups * (1 + self.rng.below(5).min(5 - groups.min(4)));
        let weights = self.weights(&[outputs, c / groups, size, size]);
        let reach = size / 2;
        let geometry = ConvGeometry {
            stride: vec![1 + self.rng.below(2), 1],
            pad_low: vec![self.rng.below(2) * reach, self.rng.below(2) * reach],
            pad_high: vec![self.rng.below(2) * reach; 2],
            groups,
            ..ConvGeometry::new(2)
        };
        let y = x.conv_general(&weights, geometry);
        if self.rng.below(5) == 0 { y } else { y + self.bias(outputs).per_channel(4) }
    }

    /// Transposed, with weights that have a scale for each output channel, or one for all.
    fn transposed(&mut self, x: &Tensor) -> Tensor {
        let c = x.shape()[1];
        let groups = if self.rng.below(3) == 0 { c } else { 1 };
        let (each, size) = (1 + self.rng.below(3), [1 + self.rng.below(3), 2 + self.rng.below(2)]);
        let weights = self.weights(&[each, c, size[0], size[1]]).permute(&[1, 0, 2, 3]);
        let geometry = ConvGeometry {
            stride: vec![1 + self.rng.below(3), 1 + self.rng.below(2)],
            dilation: vec![1, 1 + self.rng.below(2)],
            pad_low: vec![0, self.rng.below(2)],
            pad_high: vec![0, self.rng.below(2)],
            groups,
        };
        let further = [self.rng.below(geometry.stride[0]), 0];
        let y = x.conv_transpose(&weights, geometry, &further);
        if self.rng.below(3) == 0 { y } else { y + self.bias(each * groups).per_channel(4) }
    }

    fn window(&mut self, x: &Tensor) -> Window {
        let size: Vec<usize> = x.shape()[2..].iter().map(|n| 2.min(*n)).collect();
        // No window sees padding alone.
        let mut pad = || size.iter().map(|n| self.rng.below(*n)).collect();
        let (pad_low, pad_high) = (pad(), pad());
        let stride = [1 + self.rng.below(2), 1];
        Window { pad_low, pad_high, ..Window::new(size, stride) }
    }

    /// How many kinds of layers there are.
    pub const KINDS: usize = 24;

    /// Kinds that stay in floats: means that leave padding out divide by what differs from element to element, and weights have a scale for
    /// each block of them.
    pub const IN_FLOATS: [usize; 2] = [8, 22];

    /// One layer, quantised. Operands and results are [1, C, H, W].
    pub fn layer(&mut self, kind: usize, x: &Tensor) -> Tensor {
        let (c, h, w) = (x.shape()[1], x.shape()[2], x.shape()[3]);
        let y = match kind {
            0 | 1 => self.conv(x),
            2 => self.transposed(x),
            3 => {
                let other = self.quantize(&(x * 0.37));
                match self.rng.below(4) {
                    0 => x - &other,
                    1 => self.constants(&[c], 1.0).per_channel(4) - (x + &other),
                    _ => x + &other,
                }
            }
            4 => x * &x.sigmoid(),
            5 => x.tanh(),
            6 => x.pool(PoolKind::Max, self.window(x)),
            7 => {
                let y = self.conv(x).relu();
                y.pool(PoolKind::Max, self.window(&y))
            }
            8 => {
                let counted = self.rng.below(2) == 0;
                x.avg_pool(self.window(x), counted)
            }
            9 => {
                let other = self.narrow(x);
                x * &other
            }
            10 => x.reduce(ReduceKind::Sum, &[1]) * 0.25,
            11 => {
                let axis =
                    [self.rng.pick(&[ReduceKind::Max, ReduceKind::Min]), ReduceKind::Sum][self.rng.below(2)];
                x.reduce(axis, &[2 + self.rng.below(2)])
            }
            12 => self.joined(x),
            13 => {
                let mut side = || PadAxis {
                    low: self.rng.below(3),
                    high: self.rng.below(2),
                    interior: self.rng.below(2),
                };
                let axes =
                    vec![PadAxis::default(), PadAxis { high: 1, ..PadAxis::default() }, side(), side()];
                // With a bias before it, or without.
                let bias = self.along(x, 0.5);
                if self.rng.below(2) == 0 { (x + bias).pad_axes(axes, 0.0) } else { x.pad_axes(axes, 0.0) }
            }
            14 => {
                let rows = SliceAxis { start: h - 1, step: -2, len: h.div_ceil(2) };
                let columns = SliceAxis { start: self.rng.below(2) % w, step: 2, len: w / 2 };
                let columns = if w < 2 { SliceAxis { start: 0, step: 1, len: 1 } } else { columns };
                let all = SliceAxis { start: 0, step: 1, len: 1 };
                x.slice_axes(vec![all, SliceAxis { len: c, ..all }, rows, columns])
            }
            15 => {
                let bias = self.along(x, 0.5);
                let y = x + bias;
                match self.rng.below(3) {
                    0 => y.permute(&[0, 2, 3, 1]),
                    1 => y.permute(&[0, 2, 3, 1]).reshape(&[1, h, c, w]),
                    _ => y.reshape(&[c, h, w]).broadcast_to(&[1, c, h, w]),
                }
            }
            16 => {
                let y = self.narrow(x).softmax(1 + self.rng.below(3) as isize);
                return through(&y, 1.0 / 256.0, -128i8);
            }
            17 => self.resized(x),
            18 => {
                // All but 0, of both signs.
                let factors = self.constants(&[c], 0.4).per_channel(4) + self.rng.pick(&[0.5, -0.5, 0.2]);
                let shift = self.constants(&[c], 1.0).per_channel(4);
                let x = if self.rng.below(2) == 0 { x + self.along(x, 0.3) } else { x.clone() };
                let y = &x * &factors + &shift;
                if self.rng.below(2) == 0 { y } else { y.clip(-0.73, 1.61) }
            }
            19 => {
                // Bounds that differ by channel, and sums behind them.
                let bounds = self.along(x, 1.0);
                let other = self.narrow(&(x * 0.61));
                x.maximum(&bounds) + &other
            }
            20 => {
                let a = self.narrow(&(x * 0.5)).reshape(&[c, h, w]);
                let b = self.narrow(x).reshape(&[c, h, w]).transpose();
                a.matmul(&b).reshape(&[1, c, h, h])
            }
            21 => self.of_integers(x),
            22 => self.in_blocks(x),
            _ => {
                // Moves behind sums that have a bias.
                let y = self.conv(x).relu();
                let flat = y.shape()[2] * y.shape()[3];
                y.reshape(&[1, y.shape()[1], 1, flat])
            }
        };
        let y = match self.rng.below(5) {
            0 => y.relu(),
            1 => y.clip(0.0, 6.0),
            2 => y.clip(-0.4, 1.7),
            _ => y,
        };
        self.quantize(&y)
    }

    /// Tensors of one scale or of several, one after another.
    fn joined(&mut self, x: &Tensor) -> Tensor {
        let axis = 1 + self.rng.below(3);
        let (scale, zero) = (self.scale((self.range(x) / 100.0) as f32), self.rng.pick(&[-128i8, 17]));
        let parts = match self.rng.below(4) {
            // Of one scale, and one reaches further than the other.
            2 => {
                let y = through(x, scale, zero);
                let bound = f64::from(scale);
                vec![y.clip(0.0, 3.0 * bound), y.clip(-99.0 * bound, 99.0 * bound)]
            }
            0 => vec![through(x, scale, zero), through(&(x * -0.5), scale, zero)],
            1 => vec![through(x, scale, zero), through(&x.tanh(), scale, zero), through(x, scale, zero)],
            _ => vec![x.clone(), self.quantize(&(x * 0.7)), self.narrow(x)],
        };
        Tensor::concat(&parts, axis)
    }

    /// Twice as long along an axis: the nearest element, or two of them in parts.
    fn resized(&mut self, x: &Tensor) -> Tensor {
        let axis = 1 + self.rng.below(3);
        let n = x.shape()[axis] as i64;
        let x = if self.rng.below(2) == 0 { x + self.along(x, 0.5) } else { x.clone() };
        let at = |by: i64| {
            let indices = (0..2 * n).map(|i| ((i + by) / 2).clamp(0, n - 1)).collect();
            x.gather(&Tensor::constant(Value::new([2 * n as usize], indices)), axis)
        };
        if self.rng.below(2) == 0 { at(0) } else { at(0) * 0.75 + at(1) * 0.25 }
    }

    /// ConvInteger or MatMulInteger, with what is around them.
    fn of_integers(&mut self, x: &Tensor) -> Tensor {
        let (c, h, w) = (x.shape()[1], x.shape()[2], x.shape()[3]);
        let x = self.narrow(x);
        let zero = self.rng.pick(&[0, 3, -128]);
        let q = x.operands()[0].cast(DType::I32) - zero;
        let mut weights = |shape: &[usize]| {
            let element = |_| Num::Int(self.rng.below(255) as i128 - 127);
            Tensor::constant(Value::from_fn(&Type::new(DType::I8, shape), element)).cast(DType::I32)
        };
        let y = match zero {
            0 => q.reshape(&[c * h, w]).matmul(&weights(&[w, 3])).reshape(&[1, c, h, 3]),
            _ => q.conv2d(&weights(&[2, c, 1, 1]), 1, 0, 1, 1),
        };
        y.cast(DType::F32) * 0.0021
    }

    /// Weights with a scale for each two of them, or for what is summed; and what is all but a softmax.
    fn in_blocks(&mut self, x: &Tensor) -> Tensor {
        if self.rng.below(2) == 0 {
            // Channels with a scale each, of which some are left or added.
            let c = x.shape()[1];
            let x = x * (self.constants(&[c], 0.4).per_channel(4) + 0.5);
            let side = PadAxis { low: self.rng.below(2), high: 1, interior: 0 };
            let mut sides = vec![PadAxis::default(); 4];
            sides[1 + self.rng.below(2)] = side;
            let order = SliceAxis { start: c - 1, step: -1, len: 1 + self.rng.below(c) };
            return if self.rng.below(2) == 0 {
                x.pad_axes(sides, 0.0)
            } else {
                let mut axes: Vec<SliceAxis> =
                    x.shape().iter().map(|n| SliceAxis { start: 0, step: 1, len: *n }).collect();
                axes[1] = order;
                x.slice_axes(axes)
            };
        }
        let (c, w) = (x.shape()[1], x.shape()[3]);
        let mut weights = |shape: &[usize]| {
            let element = |_| Num::Int(self.rng.below(255) as i128 - 127);
            Tensor::constant(Value::from_fn(&Type::new(DType::I8, shape), element))
        };
        let (rows, columns) = (weights(&[4, c, 1, 1]), weights(&[w, 3]));
        let scaled = |q: &Tensor, scales: &[usize]| {
            let of = |i| Num::Float([0.004, 0.001, 0.0025][i % 3]);
            let scale = Value::from_fn(&Type::new(DType::F32, scales), of);
            q.dequantize(
                &Tensor::constant(scale),
                &Tensor::constant(Value::zeros(&Type::new(DType::I8, scales))),
            )
        };
        match self.rng.below(4) {
            0 => x.conv2d(&scaled(&rows, &[2, 1, 1, 1]), 1, 0, 1, 1),
            1 => x.conv2d(&scaled(&rows, &[1, c, 1, 1]), 1, 0, 1, 1),
            2 => x.reshape(&[c * x.shape()[2], w]).matmul(&scaled(&columns, &[w, 1])).reshape(&[
                1,
                c,
                x.shape()[2],
                3,
            ]),
            _ => {
                let e = (x - x.reduce(ReduceKind::Max, &[3])).exp();
                let y = &e / e.reduce(ReduceKind::Sum, &[2]);
                through(&y, 1.0 / 256.0, -128i8)
            }
        }
    }

    /// A rectified layer, many of whose results are the least of their type, and a dense one.
    pub fn dense(&mut self, x: &Tensor) -> Tensor {
        let n: usize = x.shape().iter().product();
        let scale = 0.01 + self.rng.below(50) as f32 / 1000.0;
        let scale = self.scale(scale);
        let flat = x.relu().reshape(&[1, n]);
        let flat = match self.rng.below(3) {
            0 => through(&flat, scale, 0u8),
            _ => through(&flat, scale, -128i8),
        };
        let outputs = 1 + self.rng.below(14);
        let w = match self.rng.below(2) {
            0 => self.weights(&[outputs, n]).transpose(),
            _ => {
                // A scale for each column.
                let element = |_| Num::Int(self.rng.below(255) as i128 - 127);
                let q = Value::from_fn(&Type::new(DType::I8, [n, outputs]), element);
                let scales: Vec<f32> = (0..outputs).map(|i| self.scale(0.001 + 0.0007 * i as f32)).collect();
                let zeros = Tensor::constant(Value::zeros(&Type::new(DType::I8, [1, outputs])));
                Tensor::constant(q).dequantize(&Tensor::constant(Value::new([1, outputs], scales)), &zeros)
            }
        };
        let y = flat.matmul(&w) + self.bias(outputs);
        self.quantize(&y)
    }
}

/// A network of so many random layers whose interface is of integers, and an input. The first kind goes through all of them with the seed.
pub fn network(seed: u64, layers: usize) -> (Graph, Value) {
    let shape = [1, 1 + seed as usize % 3, 4 + seed as usize % 4, 5];
    let (mut net, mut x) = Net::new(seed, &shape);
    for i in 0..layers {
        let kind = if i == 0 { seed as usize % Net::KINDS } else { net.rng.below(Net::KINDS) };
        x = net.layer(kind, &x);
        // What grows is pooled.
        if x.len() > 400 {
            let size: Vec<usize> = x.shape()[2..].iter().map(|n| 3.min(*n)).collect();
            let y = x.avg_pool(Window::new(size.clone(), size), true);
            x = net.quantize(&y);
        }
    }
    if seed.is_multiple_of(3) {
        x = net.dense(&x);
    }
    // The last quantised integers: the operand of the last `dequantize`.
    let y = x.operands()[0].clone();
    (net.graph(&y), net.given.clone())
}
