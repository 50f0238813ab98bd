//! Inputs to try a network on when none are given: of the sizes that its weights are made for.
//!
//! Weights say what inputs they expect. A layer that standardised features were folded into has weights as much larger as the features
//! are smaller, and a bias that takes their means off. So the features of a channel are spread as its weights are not, all together so
//! that results have a deviation of about 1, and lie where the bias is what the weights make of them, or as near to that as can be.

use super::choose::Candidate;
use super::magnify::FURTHEST;
use super::powers::Powers;
use crate::lower::Lowering;
use teff_graph::{Binary, DType, NodeId, Num, Op, SliceAxis, Type, Value, evaluate_op};

/// Where nothing says how far from zero features of different units lie: so many deviations.
const FAR: f64 = 200.0;
/// One of so many elements is a peak.
const PEAKS: usize = 32;
/// Features no further from zero than so many deviations are near.
const NEAR: f64 = 3.0;
/// Multiplications to find where features lie.
const STEPS: usize = 2_000_000;

/// Random numbers, the same every time.
struct Rng(u64);

impl Rng {
    /// Of mean 0 and deviation 1, between -3 and 3.
    fn next(&mut self) -> f64 {
        let mut uniform = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as f64 / (1u64 << 30) as f64 - 1.0
        };
        uniform() + uniform() + uniform()
    }
}

/// What the first layer behind an input says of it.
pub(super) struct Features {
    /// The product.
    pub(super) layer: NodeId,
    /// The nodes from the layer's inputs down to the network's.
    way: Vec<NodeId>,
    /// Axis of the layer's inputs that has the channels; of each where its features lie, and their deviation.
    axis: usize,
    centre: Vec<f64>,
    spread: Vec<f64>,
    /// The channels are of different units.
    mixed: bool,
}

impl Features {
    /// Whether they are far from zero, or of different units: then results are small differences of large sums.
    pub(super) fn are_far(&self) -> bool {
        let far = |(centre, spread): (&f64, &f64)| centre.abs() > NEAR * spread;
        self.mixed || self.centre.iter().zip(&self.spread).any(far)
    }

    /// Features of the shape of the layer's inputs, of one of three kinds.
    fn sample(&self, ty: &Type, kind: usize, rng: &mut Rng) -> Value {
        let channels = self.centre.len();
        let inner: usize = ty.shape[self.axis + 1..].iter().product();
        let moved: Vec<f64> = (0..channels).map(|_| rng.next()).collect();
        Value::from_fn(ty, |i| {
            let k = i / inner % channels;
            let peak = if inner < PEAKS { k % PEAKS == PEAKS / 2 } else { i % inner < inner / PEAKS };
            let deviations = match kind {
                // A loud place in what is quiet; noise; all of a channel nearly alike.
                0 if peak => 2.0 * rng.next() - 8.0,
                0 => 0.3 * rng.next(),
                1 => 0.7 * moved[k] + 0.7 * rng.next(),
                _ => moved[k] + 0.1 * rng.next(),
            };
            Num::Float(self.centre[k] + self.spread[k] * deviations)
        })
    }
}

impl Lowering<'_> {
    /// What the weights say of each input of the network.
    pub(super) fn features(&self, candidates: &[Candidate]) -> Vec<Option<Features>> {
        let of_input = |&id: &NodeId| {
            candidates.iter().find_map(|c| Some(self.features_of(c, self.way_to(c.layer.x, id, FURTHEST)?)))
        };
        self.scope.graph.inputs().iter().map(of_input).collect()
    }

    /// `count` inputs of the network.
    pub(super) fn suggested(&self, features: &[Option<Features>], count: usize) -> Vec<Vec<Value>> {
        let mut rng = Rng(1);
        let mut input = |id: NodeId, features: &Option<Features>, n: usize| {
            let ty = &self.node(id).ty;
            match (features, ty.dtype) {
                (Some(f), _) => {
                    let x = f.sample(&self.node(f.way[0]).ty, n % 3, &mut rng);
                    self.taken_back(x, &f.way)
                }
                (None, DType::Bool) => Value::from_fn(ty, |_| Num::Int((rng.next() > 0.0) as i128)),
                (None, d) if d.is_float() => Value::from_fn(ty, |_| Num::Float(rng.next())),
                (None, _) => Value::from_fn(ty, |_| Num::Int((2.0 * rng.next().abs()) as i128)),
            }
        };
        let inputs = || self.scope.graph.inputs().iter().zip(features);
        (0..count).map(|n| inputs().map(|(&id, f)| input(id, f, n)).collect()).collect()
    }

    /// What the weights and the bias of a layer say of the features that come to it `way` from an input.
    fn features_of(&self, candidate: &Candidate, way: Vec<NodeId>) -> Features {
        let (loops, powers) = (&candidate.layer.loops, &candidate.layer.powers);
        let (axis, channels) = loops.channels(self.node(candidate.layer.x).ty.rank());
        let terms = candidate.layer.format.weights.len() / candidate.layer.format.factors.len();
        let weights = candidate.layer.format.weights.chunks_exact(terms).enumerate();
        // By channel, what all its weights of an output sum to, and the squares; both for features of deviation 2^power.
        let mut sums = vec![vec![0.0; channels]; candidate.layer.format.factors.len()];
        let mut squares = 0.0;
        for (j, row) in weights {
            for (t, w) in row.iter().enumerate() {
                let w = *w as f64 * candidate.layer.format.scale(j) as f64;
                sums[j][loops.channel_of(j * terms + t, terms)] += w;
                squares += w * w;
            }
        }
        let deviation = (sums.len() as f64 / squares).sqrt();
        let spread: Vec<f64> =
            (0..channels).map(|k| deviation * powers.as_ref().map_or(1.0, |p| p.factor(k))).collect();
        // In deviations. Kaczmarz: each output in turn moves the features to where it is 0, by as little as that takes.
        let mixed = powers.as_ref().is_some_and(Powers::of_sensors);
        let far = if mixed { FAR } else { 0.0 };
        let mut centre: Vec<f64> = (0..channels).map(|k| if k % 3 == 1 { -far } else { far }).collect();
        let bias = self.bias(candidate).unwrap_or_else(|| vec![0.0; sums.len()]);
        let turns = (STEPS / (sums.len() * channels)).clamp(4, 200);
        for _ in 0..turns {
            for (row, b) in sums.iter().zip(&bias) {
                let size: f64 = row.iter().map(|w| w * w).sum();
                let result: f64 = row.iter().zip(&centre).map(|(w, u)| w * u * deviation).sum();
                if size > 0.0 {
                    let step = (result + b) / (size * deviation);
                    centre.iter_mut().zip(row).for_each(|(u, w)| *u -= step * w);
                }
            }
        }
        let centre = centre.iter().zip(&spread).map(|(u, s)| u * s).collect();
        Features { layer: candidate.node, way, axis, centre, spread, mixed }
    }

    /// What is added to each output of a layer, when that is constant.
    fn bias(&self, candidate: &Candidate) -> Option<Vec<f64>> {
        let graph = self.scope.graph;
        let adds = |id: &NodeId| graph[*id].op == Op::Binary(Binary::Add);
        let user = graph.users()[candidate.node.index()].iter().copied().find(adds)?;
        let other = graph[user].operands.iter().copied().find(|o| *o != candidate.node)?;
        let ty = &graph[candidate.node].ty;
        let axis = candidate.layer.loops.output_axis(ty.rank());
        let bias = self.scope.known.along(other, axis)?;
        Some(if bias.len() == 1 { vec![bias[0]; ty.shape[axis]] } else { bias })
    }

    /// The nodes from `x` down to the input, the last of them it, where each can be taken back.
    fn way_to(&self, x: NodeId, input: NodeId, depth: usize) -> Option<Vec<NodeId>> {
        let node = self.node(x);
        if x == input {
            return node.ty.dtype.is_float().then(|| vec![x]);
        }
        let further = depth.checked_sub(1)?;
        let leads = |o: &NodeId| self.way_to(*o, input, further).is_some();
        let changes = |o: &NodeId| self.scope.known.compact(*o).is_none();
        let mut operands = node.operands.iter().copied();
        let below = match &node.op {
            Op::Reshape(_) | Op::Permute(_) => node.operands[0],
            Op::Concat { .. } => operands.find(leads)?,
            Op::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Div) => operands.find(changes)?,
            // What else is on the way changes more than sizes and places.
            _ => return None,
        };
        let mut way = self.way_to(below, input, further)?;
        way.insert(0, x);
        Some(way)
    }

    /// What the input has to be for the first node of `way` to be `x`; 0 where nothing is right.
    fn taken_back(&self, x: Value, way: &[NodeId]) -> Value {
        let mut x = x;
        for pair in way.windows(2) {
            let (node, below) = (self.node(pair[0]), &self.node(pair[1]).ty);
            let constant = node.operands.iter().find(|o| **o != pair[1]);
            let constant = constant.and_then(|o| self.scope.known.value(*o));
            let first = node.operands[0] == pair[1];
            x = match (&node.op, constant) {
                (Op::Permute(order), _) => {
                    let mut back = vec![0; order.len()];
                    order.iter().enumerate().for_each(|(i, &a)| back[a] = i);
                    evaluate_op(&Op::Permute(back), &[&x])
                }
                (Op::Concat { axis }, _) => {
                    let before = node.operands.iter().take_while(|o| **o != pair[1]);
                    let start = before.map(|o| self.node(*o).ty.shape[*axis]).sum();
                    let mut part: Vec<_> =
                        below.shape.iter().map(|&len| SliceAxis { start: 0, step: 1, len }).collect();
                    part[*axis].start = start;
                    evaluate_op(&Op::Slice(part), &[&x])
                }
                (Op::Binary(Binary::Sub | Binary::Div), Some(c)) if !first => {
                    let Op::Binary(op) = node.op else { unreachable!("matched above") };
                    evaluate_op(&Op::Binary(op), &[&c, &x])
                }
                (Op::Binary(op), Some(c)) => {
                    let back = match op {
                        Binary::Add => Binary::Sub,
                        Binary::Sub => Binary::Add,
                        Binary::Mul => Binary::Div,
                        Binary::Div => Binary::Mul,
                        // No other is on the way.
                        _ => unreachable!("{op:?} cannot be taken back"),
                    };
                    evaluate_op(&Op::Binary(back), &[&x, &c])
                }
                // All else that is on the way moves nothing.
                _ => evaluate_op(&Op::Reshape(below.shape.clone()), &[&x]),
            };
        }
        Value::from_fn(&x.ty(), |i| {
            Num::Float(Some(x.get(i).as_f64()).filter(|x| x.is_finite()).unwrap_or(0.0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Target};
    use teff_graph::{Graph, Tensor, evaluate};

    fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    fn net(inputs: &[Tensor], y: &Tensor) -> Graph {
        Graph::from_tensors("net", inputs, &[("y", y.clone())]).unwrap()
    }

    /// Inputs that are made up for a network, and the layers they are made for.
    fn made_up(graph: &Graph, count: usize) -> (Vec<Vec<Value>>, Vec<Option<Features>>) {
        let options = Options { target: Target::CORTEX_M0PLUS, ..Options::default() };
        let lowering = Lowering::new(graph, &options);
        let candidates: Vec<Candidate> =
            graph.ids().filter_map(|id| lowering.candidate(id)).map(Result::unwrap).collect();
        let features = lowering.features(&candidates);
        (lowering.suggested(&features, count), features)
    }

    #[test]
    fn what_no_layer_reads_is_of_every_size_near_zero() {
        let input = |name, dtype| Tensor::input(name, dtype, &[400]);
        let (b, i, f) = (input("b", DType::Bool), input("i", DType::I32), input("f", DType::F32));
        let y = &f + i.cast(DType::F32) + b.cast(DType::F32);
        let (made, _) = made_up(&net(&[b, i, f], &y), 3);
        for inputs in made {
            let [b, i, f] = &inputs[..] else { panic!("three inputs") };
            let (half, _) = mean_and_deviation(&b.to_f64());
            assert!((0.4..0.6).contains(&half), "{half}");
            let seen: Vec<usize> =
                (-1..8).map(|n| i.to_f64().iter().filter(|x| **x == n as f64).count()).collect();
            // Twice the size of what has a deviation of 1: 38 % below 1, 30 % from 1 to 2, 18 % from 2 to 3.
            assert!(seen[0] == 0 && seen[1] > 120 && seen[2] > 90 && seen[3] > 45 && seen[7] < 3, "{seen:?}");
            let (mean, deviation) = mean_and_deviation(&f.to_f64());
            assert!(mean.abs() < 0.2 && (0.85..1.15).contains(&deviation), "{mean} {deviation}");
        }
    }

    /// Three kinds: a loud place in what is quiet, noise, and what is nearly the same all along a channel.
    #[test]
    fn features_lie_where_their_channel_does() {
        let (centre, spread) = (vec![1000.0, -3.0, 0.0], vec![10.0, 0.1, 4.0]);
        let features = Features {
            layer: NodeId::from_index(0),
            way: Vec::new(),
            axis: 1,
            centre: centre.clone(),
            spread: spread.clone(),
            mixed: true,
        };
        let ty = Type::new(DType::F32, [2, 3, 16, 32]);
        for kind in 0..3 {
            let x = features.sample(&ty, kind, &mut Rng(1)).to_f64();
            for (i, plane) in x.chunks(512).enumerate() {
                let k = i % 3;
                let deviations: Vec<f64> = plane.iter().map(|x| (x - centre[k]) / spread[k]).collect();
                let (mean, deviation) = mean_and_deviation(&deviations);
                match kind {
                    0 => {
                        // One of 32 elements.
                        let (peak, quiet) = deviations.split_at(16);
                        assert!(peak.iter().all(|x| (-14.0..=-2.0).contains(x)), "{peak:?}");
                        let (mean, deviation) = mean_and_deviation(quiet);
                        assert!(mean.abs() < 0.1 && (0.25..0.35).contains(&deviation), "{mean} {deviation}");
                    }
                    1 => assert!(mean.abs() < 2.2 && (0.6..0.8).contains(&deviation), "{mean} {deviation}"),
                    _ => assert!(mean.abs() < 3.1 && (0.08..0.12).contains(&deviation), "{mean} {deviation}"),
                }
            }
            // The channels of an image move apart, those of one place in several images together.
            if kind == 2 {
                let near = |a: usize, b: usize| (x[a * 512] - x[b * 512]).abs() / spread[a % 3];
                assert!((0..3).all(|k| near(k, k + 3) < 0.7), "{:?}", (0..3).map(|k| near(k, k + 3)));
            }
        }
        // Of channels alone every 32nd is loud.
        let features = Features { centre: vec![0.0; 64], spread: vec![1.0; 64], axis: 1, ..features };
        let x = features.sample(&Type::new(DType::F32, [1, 64]), 0, &mut Rng(1)).to_f64();
        let loud: Vec<usize> = (0..64).filter(|i| x[*i].abs() > 1.0).collect();
        assert_eq!(loud, [16, 48]);
    }

    /// Whatever lies between the input and the layer, its results have a deviation of about 1 and a mean near 0.
    #[test]
    fn results_of_what_is_made_up_are_of_size_one() {
        let input = |shape: &[usize]| Tensor::input("x", DType::F32, shape);
        let constant = |shape: &[usize], of: &dyn Fn(usize) -> f64| {
            Tensor::constant(Value::from_fn(&Type::new(DType::F32, shape), |i| Num::Float(of(i))))
        };
        // Channels of different units; and a bias that takes off what lies far from zero.
        let unit = |k: usize| [1e-3, 1.0, 200.0, 1e4, 0.05, 3.0][k % 6];
        let sign = |i: usize| if (i * 7 % 11).is_multiple_of(2) { 1.0 } else { -1.0 };
        let share = |i: usize, own: bool| sign(i) * if own { 1.0 } else { 0.15 };
        let w = |outputs: usize| constant(&[outputs, 6], &|i| unit(i % 6) * share(i, i / 6 == i % 6));
        let b = |n: usize| constant(&[n], &|i| 40.0 * sign(i) + i as f64);
        let dense = |x: &Tensor| x.matmul(&w(5).transpose()) + b(5);
        let x = input(&[60, 6]);
        let (wide, flat) = (input(&[60, 9]), input(&[360]));
        let turned = input(&[6, 60]);
        let (image, line) = (input(&[2, 6, 5, 6]), input(&[1, 6, 60]));
        let row = constant(&[6], &|i| 2.0 + i as f64);
        let kernel = w(5).reshape(&[5, 6, 1, 1]);
        let grouped = constant(&[6, 3, 1], &|i| unit(i / 9 * 3 + i % 3) * share(i, i / 3 % 3 == i % 3));
        for (x, y) in [
            (x.clone(), dense(&x)),
            (x.clone(), dense(&((&x - 500.0) * 0.01))),
            (x.clone(), dense(&(500.0 - &x))),
            (x.clone(), dense(&((&x + &row) / &row))),
            (flat.clone(), dense(&flat.reshape(&[60, 6]))),
            (turned.clone(), dense(&turned.transpose())),
            (wide.clone(), dense(&wide.slice(1, 0, 9, 1).reshape(&[90, 6]))),
            (turned.clone(), w(5).matmul(&turned) + b(5).reshape(&[5, 1])),
            (image.clone(), image.conv2d(&kernel, 1, 0, 1, 1) + b(5).per_channel(4)),
            (line.clone(), line.conv1d(&grouped, 1, 0, 1, 2) + b(6).reshape(&[1, 6, 1])),
        ] {
            let graph = net(std::slice::from_ref(&x), &y);
            let graph = crate::lower::prepare(&graph).unwrap();
            let (made, features) = made_up(&graph, 3);
            assert!(features[0].as_ref().is_some_and(Features::are_far), "{y:?}");
            for inputs in &made[1..] {
                let (mean, deviation) = mean_and_deviation(&evaluate(&graph, inputs).unwrap()[0].to_f64());
                assert!(mean.abs() < 1.0 && (0.4..2.5).contains(&deviation), "{mean} {deviation}\n{y:?}");
            }
        }
    }

    /// Two inputs that are joined are each what the layer wants of them.
    #[test]
    fn joined_inputs_are_taken_apart() {
        let (a, b) = (Tensor::input("a", DType::F32, &[50, 2]), Tensor::input("b", DType::F32, &[50, 3]));
        let w = Value::from_fn(&Type::new(DType::F32, [5, 5]), |i| {
            Num::Float(if i / 5 == i % 5 { [1.0, 1e-3, 100.0, 1e4, 0.1][i % 5] } else { 0.0 })
        });
        let bias = Tensor::constant(Value::new([5], vec![5.0f32, -30.0, 7.0, 40.0, -80.0]));
        let y = Tensor::concat(&[a.clone(), &b * 0.5], 1).matmul(&Tensor::constant(w)) + bias;
        let graph = net(&[a, b], &y);
        let (made, _) = made_up(&graph, 2);
        // The columns that are an input's own.
        let results = evaluate(&graph, &[made[1][0].clone(), made[1][1].clone()]).unwrap()[0].to_f64();
        for k in 0..5 {
            let column: Vec<f64> = results.iter().skip(k).step_by(5).copied().collect();
            let (mean, deviation) = mean_and_deviation(&column);
            assert!(mean.abs() < 3.0 && (0.2..2.5).contains(&deviation), "{k}: {mean} {deviation}");
        }
    }
}
