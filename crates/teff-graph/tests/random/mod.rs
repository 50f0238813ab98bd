//! Random graphs over all operations, for the tests of whatever runs or compiles graphs: the one source of all crates.
//!
//! Every value is kept a small integer (floats too), so that sums in any order are exact and what runs a graph must give the same bits
//! as the evaluator.

#![allow(missing_docs, unreachable_pub, dead_code)]

use teff_graph::{
    Binary, ConvGeometry, DType, Graph, Op, PadAxis, Param, PoolKind, ReduceKind, ScatterKind, SliceAxis,
    Tensor, Type, Unary, Value, Window,
};

/// A small generator of numbers (SplitMix64).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below n.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// Small integers as a value of the type.
    pub fn value(&mut self, ty: &Type) -> Value {
        let low = if matches!(ty.dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64) { 0 } else { -4 };
        Value::from_fn(ty, |_| teff_graph::Num::Int(low + self.below(9) as i128))
    }
}

pub struct Random {
    pub graph: Graph,
    pub inputs: Vec<Value>,
    pub updates: Vec<(usize, Param)>,
}

const DTYPES: [DType; 11] = DType::ALL;

/// What the graphs are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Running on the host: tensors large enough to be shared out, random numbers, parameters that are updated.
    Run,
    /// Compiling: small tensors, nothing that a compiled network cannot do.
    Compile,
}

/// A random graph of about `n` operations.
pub fn random_graph(seed: u64, n: usize, purpose: Purpose) -> Random {
    let rng = &mut Rng(seed);
    let run = purpose == Purpose::Run;
    let mut types = vec![
        Type::new(DType::F32, [if run { 9 } else { 2 }, 4, 6, 5]),
        Type::new(DType::F32, [3, 4]),
        Type::new(DType::I64, [5]),
        Type::new(DType::F32, []),
        Type::new(DType::I32, [4, 3]),
    ];
    types.push(Type::new(rng.pick(&DTYPES), [2, 3, 4]));
    let (long, wide) = if run { (700, 50) } else { (70, 20) };
    types.push(Type::new(DType::F32, [[long, 3], [3, long], [1, 90], [40, wide]][rng.below(4)]));
    let inputs: Vec<Tensor> =
        types.iter().enumerate().map(|(i, t)| Tensor::input(&format!("x{i}"), t.dtype, &t.shape)).collect();
    let params: Vec<Param> = (0..3)
        .map(|i| {
            let ty = types[rng.below(types.len())].clone();
            Param::new(&format!("p{i}"), rng.value(&ty))
        })
        .collect();
    let mut pool = inputs.clone();
    pool.extend(params.iter().map(Tensor::param));
    let mut tries = 0;
    while pool.len() < n + inputs.len() + 3 && tries < 20 * n {
        tries += 1;
        let x = rng.pick(&pool);
        let most = if run { 20_000 } else { 2_000 };
        if let Some(t) = apply(rng, &pool, &x, purpose).filter(|t| t.len() <= most) {
            if let Err(e) = t.check() {
                panic!("the generator made an invalid operation: {e}");
            }
            pool.push(tame(&t));
        }
    }
    let mut outputs: Vec<Tensor> = (0..4).map(|_| rng.pick(&pool)).collect();
    outputs.push(pool.last().unwrap().clone());
    let mut updates = Vec::new();
    for p in &params {
        let fitting: Vec<Tensor> = pool.iter().filter(|t| t.ty() == *p.ty()).cloned().collect();
        if run && rng.below(3) > 0 {
            let mut t = rng.pick(&fitting);
            if rng.below(2) == 0 && t.dtype() != DType::Bool {
                t = tame(&(t + Tensor::param(p)));
            }
            updates.push((outputs.len(), p.clone()));
            outputs.push(t);
        }
    }
    let named: Vec<(&str, Tensor)> = outputs.iter().map(|t| ("", t.clone())).collect();
    let graph = Graph::from_tensors("random", &inputs, &named).unwrap();
    let values = types.iter().map(|t| rng.value(t)).collect();
    Random { graph, inputs: values, updates }
}

/// Back to small integers.
fn tame(t: &Tensor) -> Tensor {
    if t.dtype() == DType::Bool {
        t.clone()
    } else {
        t.clip(if t.dtype().is_float() { -9.0 } else { 0.0 }, 9.0)
    }
}

fn beside(rng: &mut Rng, pool: &[Tensor], x: &Tensor) -> Tensor {
    let fits =
        |t: &&Tensor| t.dtype() == x.dtype() && teff_graph::broadcast_shape(t.shape(), x.shape()).is_some();
    let all: Vec<Tensor> = pool.iter().filter(fits).cloned().collect();
    rng.pick(&all)
}

fn apply(rng: &mut Rng, pool: &[Tensor], x: &Tensor, purpose: Purpose) -> Option<Tensor> {
    let float = x.dtype().is_float();
    let bool = x.dtype() == DType::Bool;
    let rank = x.rank();
    let empty = x.is_empty();
    Some(match rng.below(27) {
        0 => {
            let all = [Unary::Neg, Unary::Abs, Unary::Sign, Unary::StopGradient];
            let floats = [Unary::Floor, Unary::Ceil, Unary::Round, Unary::IsNan, Unary::IsInf];
            let u = match (bool, float, rng.below(2)) {
                (true, ..) => Unary::Not,
                (_, true, 1) => rng.pick(&floats),
                (_, false, 1) => Unary::Not,
                _ => rng.pick(&all),
            };
            Tensor::apply(Op::Unary(u), std::slice::from_ref(x))
        }
        1..=4 => {
            let y = beside(rng, pool, x);
            match rng.below(12) {
                0 if !bool => x + &y,
                1 if !bool => x - &y,
                2 if !bool => x * &y,
                3 if !bool && !float => x / &y,
                4 if !bool => x.rem(&(y.abs() + 1.0)),
                5 => x.maximum(&y),
                6 => x.minimum(&y),
                7 => x.equal(&y),
                8 => x.less(&y),
                9 => x.less_equal(&y),
                10 if !float => {
                    let b = rng.pick(&[Binary::And, Binary::Or, Binary::Xor]);
                    let shape = teff_graph::broadcast_shape(x.shape(), y.shape())?;
                    Tensor::apply(Op::Binary(b), &[x.broadcast_to(&shape), y.broadcast_to(&shape)])
                }
                11 if !float && !bool => rng.pick(&[x.shl(&y), x.shr(&y), x.pow(&y)]),
                _ if !bool => (x + &y).maximum(x.full_like(0.0)),
                _ => return None,
            }
        }
        5 => {
            let y = beside(rng, pool, x);
            if rng.below(2) == 0 {
                x.less(&y).select(x, &y)
            } else {
                x.equal(&y).select(&y, x.full_like(0.0))
            }
        }
        6 | 7 => x.cast(rng.pick(&DTYPES)),
        8 => {
            let flat = x.len();
            let shapes: Vec<Vec<usize>> =
                (1..=flat.min(12)).filter(|&d| flat.is_multiple_of(d)).map(|d| vec![d, flat / d]).collect();
            if shapes.is_empty() { x.flatten_all() } else { x.reshape(&rng.pick(&shapes)) }
        }
        9 => {
            let mut perm: Vec<usize> = (0..rank).collect();
            for i in (1..rank).rev() {
                perm.swap(i, rng.below(i + 1));
            }
            x.permute(&perm)
        }
        10 => x.unsqueeze(0).broadcast_to(&[&[1 + rng.below(3)], x.shape()].concat()),
        11 => x.slice_axes(
            x.shape()
                .iter()
                .map(|&n| {
                    SliceAxis::clamped(
                        n,
                        rng.below(3) as isize - 2,
                        rng.below(9) as isize - 2,
                        rng.pick(&[1, 1, 2, -1]),
                    )
                })
                .collect(),
        ),
        12 if rank > 0 => x.pad_axes(
            (0..rank)
                .map(|_| PadAxis { low: rng.below(2), high: rng.below(2), interior: rng.below(2) })
                .collect(),
            3.0,
        ),
        13 if rank > 0 => Tensor::concat(&[x.clone(), x.clone(), x.slice(0, 0, 1, 1)], 0),
        14 | 15 if rank > 0 => {
            let kind = rng.pick(if bool { &[ReduceKind::Max, ReduceKind::Min][..] } else { ReduceKind::ALL });
            let kind = if kind == ReduceKind::Prod && float { ReduceKind::Sum } else { kind };
            let axes: Vec<usize> = (0..rank).filter(|_| rng.below(2) == 0).collect();
            x.reduce(kind, &axes).clip_infinite()
        }
        26 if rank > 0 && !bool => {
            let axis = rng.below(rank);
            let kept = x.reduce(rng.pick(&[ReduceKind::Max, ReduceKind::Sum]), &[axis]).clip_infinite();
            let kept = if rng.below(2) == 0 { tame(&kept) } else { kept };
            tame(&(x - kept)).maximum(x.full_like(0.0))
        }
        16 if rank > 0 => {
            let axis = rng.below(rank);
            if x.shape()[axis] == 0 {
                return None;
            } else {
                x.arg_reduce(rng.below(2) == 0, axis, rng.below(2) == 0)
            }
        }
        17 if rank >= 2 && !bool => {
            let y = rng.pick(pool);
            if y.rank() == 2 && y.dtype() == x.dtype() && rank == 2 && y.shape()[0] == x.shape()[1] {
                x.matmul(&y)
            } else {
                x.matmul(&x.transpose())
            }
        }
        18 | 19 if rank == 4 && !bool => conv(rng, x)?,
        20 | 21 if rank == 4 && !bool => pool_op(rng, x)?,
        22 if rank > 0 && !empty => {
            let axis = rng.below(rank);
            let n = x.shape()[axis];
            let at: Vec<i64> = (0..3).map(|_| rng.below(n + 2) as i64 - 1).collect();
            let at = Tensor::from_slice(&at);
            if rng.below(2) == 0 || bool {
                x.gather(&at, axis)
            } else {
                x.scatter(&at, &x.gather(&at, axis), axis, rng.pick(ScatterKind::ALL))
            }
        }
        23 if rank > 0 => x.argsort(rng.below(rank) as isize, rng.below(2) == 0),
        24 if rank > 0 => match rng.below(3) {
            0 if float => x.quantize(
                &Tensor::full(Type::new(x.dtype(), vec![1; rank]), 0.5),
                &Tensor::full(Type::new(DType::I8, vec![1; rank]), 3.0),
            ),
            1 if x.dtype().is_int() => x.dequantize(
                &Tensor::full(Type::new(DType::F32, vec![1; rank]), 2.0),
                &Tensor::full(Type::new(x.dtype(), vec![1; rank]), 1.0),
            ),
            2 if purpose == Purpose::Run => {
                let key = rng.below(100) as i64;
                (Tensor::random(&Tensor::scalar(key), x.shape()) * 4.0).floor()
            }
            _ => {
                Tensor::iota(Type::new(if bool { DType::I32 } else { x.dtype() }, x.shape()), rng.below(rank))
            }
        },
        25 if rank >= 2 && !bool && x.shape()[0] > 0 => {
            let state = x.pick(0, 0);
            let (last, all) = Tensor::scan(&[state], std::slice::from_ref(x), rng.below(2) == 0, |s, x| {
                let next = tame(&(&s[0] + &x[0]));
                (vec![next.clone()], vec![&next - &x[0]])
            });
            if rng.below(2) == 0 { last[0].clone() } else { all[0].clone() }
        }
        _ => return None,
    })
}

trait ClipInfinite {
    fn clip_infinite(&self) -> Tensor;
}

impl ClipInfinite for Tensor {
    /// Reductions of nothing may be infinite.
    fn clip_infinite(&self) -> Tensor {
        if self.dtype().is_float() { self.clip(-9.0, 9.0) } else { self.clone() }
    }
}

fn geometry(rng: &mut Rng) -> ConvGeometry {
    let mut two = |n: usize, from: usize| vec![from + rng.below(n), from + rng.below(n)];
    ConvGeometry {
        stride: two(2, 1),
        dilation: two(2, 1),
        pad_low: two(2, 0),
        pad_high: two(2, 0),
        groups: 1,
    }
}

fn conv(rng: &mut Rng, x: &Tensor) -> Option<Tensor> {
    let mut g = geometry(rng);
    if rng.below(2) == 0 {
        g = ConvGeometry::new(2);
    }
    let c = x.shape()[1];
    if c > 8 || x.len() > 3000 {
        return None;
    }
    let groups: Vec<usize> = (1..=c).filter(|&d| c.is_multiple_of(d)).collect();
    g.groups = *groups.get(rng.below(groups.len().max(1)))?;
    let o = g.groups * (1 + rng.below(4));
    let kernel = [1 + rng.below(3), 1 + rng.below(3)];
    let w = Tensor::constant(rng.value(&Type::new(x.dtype(), [o, c / g.groups, kernel[0], kernel[1]])));
    g.window(&kernel).output(&x.shape()[2..]).ok()?;
    let y = x.conv_general(&w, g.clone());
    Some(match rng.below(4) {
        0 => {
            let bias = Tensor::constant(rng.value(&Type::new(x.dtype(), [o])));
            (y + bias.per_channel(4)).relu()
        }
        1 => tame(&y).conv_adjoint(&w, g, &x.shape()[2..]),
        2 => x.conv_weight_grad(&tame(&y), g, &kernel),
        _ => y,
    })
}

fn pool_op(rng: &mut Rng, x: &Tensor) -> Option<Tensor> {
    let mut window = Window::new([2, 2], [1 + rng.below(2), 1 + rng.below(2)]);
    if rng.below(2) == 0 {
        window.size = vec![1 + rng.below(3), 3];
        window.dilation = vec![1 + rng.below(2), 1];
        window.pad_low = vec![0, rng.below(2)];
        window.pad_high = vec![0, rng.below(2)];
    }
    window.output(&x.shape()[2..]).ok()?;
    Some(match rng.below(5) {
        0 => x.pool(PoolKind::Max, window),
        1 => x.pool(PoolKind::Sum, window),
        2 => x.pool(PoolKind::ArgMax, window),
        3 => x.pool(PoolKind::Sum, window.clone()).sum_pool_grad(window, &x.shape()[2..]),
        _ => {
            let x = if rng.below(2) == 0 { x.maximum(x.full_like(0.0)) } else { x.clone() };
            let g = x.pool(PoolKind::Max, window.clone()).max_pool_grad(&x, window);
            if rng.below(2) == 0 { x.full_like(0.0).less(&x).select(&g, x.full_like(0.0)) } else { g }
        }
    })
}
