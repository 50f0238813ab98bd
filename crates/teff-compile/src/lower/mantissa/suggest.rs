//! Inputs to try a network on when none are given: of the sizes that its weights are made for.
//!
//! Weights say what inputs they expect. A layer that standardised features were folded into has weights as much larger as the features
//! are smaller, and a bias that takes their means off. So the features of a channel are spread as its weights are not, all together so
//! that results have a deviation of about 1, and lie where the bias is what the weights make of them, or as near to that as can be.

use super::choose::Candidate;
use super::magnify::FURTHEST;
use crate::lower::Lowering;
use teff_graph::{Binary, DType, NodeId, Num, Op, SliceAxis, Type, Value, evaluate_op};

/// Where nothing says how far from zero features of different units lie: so many deviations, of no more channels than these.
const FAR: f64 = 200.0;
const SENSORS: usize = 64;
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
            candidates.iter().find_map(|c| Some(self.features_of(c, self.way_to(c.x, id, FURTHEST)?)))
        };
        self.graph.inputs().iter().map(of_input).collect()
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
        let inputs = || self.graph.inputs().iter().zip(features);
        (0..count).map(|n| inputs().map(|(&id, f)| input(id, f, n)).collect()).collect()
    }

    /// What the weights and the bias of a layer say of the features that come to it `way` from an input.
    fn features_of(&self, candidate: &Candidate, way: Vec<NodeId>) -> Features {
        let (loops, powers) = (&candidate.loops, &candidate.powers);
        let (axis, channels) = loops.channels(self.node(candidate.x).ty.rank());
        let terms = candidate.format.weights.len() / candidate.format.factors.len();
        let weights = candidate.format.weights.chunks_exact(terms).enumerate();
        // By channel, what all its weights of an output sum to, and the squares; both for features of deviation 2^power.
        let mut sums = vec![vec![0.0; channels]; candidate.format.factors.len()];
        let mut squares = 0.0;
        for (j, row) in weights {
            for (t, w) in row.iter().enumerate() {
                let w = *w as f64 * candidate.format.scale(j) as f64;
                sums[j][loops.channel_of(j * terms + t, terms)] += w;
                squares += w * w;
            }
        }
        let deviation = (sums.len() as f64 / squares).sqrt();
        let spread: Vec<f64> =
            (0..channels).map(|k| deviation * powers.as_ref().map_or(1.0, |p| p.factor(k))).collect();
        // In deviations. Kaczmarz: each output in turn moves the features to where it is 0, by as little as that takes.
        let far = if powers.is_some() && channels <= SENSORS { FAR } else { 0.0 };
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
        Features { layer: candidate.node, way, axis, centre, spread, mixed: powers.is_some() }
    }

    /// What is added to each output of a layer, when that is constant.
    fn bias(&self, candidate: &Candidate) -> Option<Vec<f64>> {
        let n = self.node(candidate.node);
        let user = self.graph.ids().find(|&id| {
            let node = self.node(id);
            matches!(node.op, Op::Binary(Binary::Add)) && node.operands.contains(&candidate.node)
        })?;
        let other = self.node(user).operands.iter().copied().find(|o| *o != candidate.node)?;
        let value = self.evaluated(other, FURTHEST, false)?;
        let axis = candidate.loops.output_axis(n.ty.rank());
        let inner: usize = n.ty.shape[axis + 1..].iter().product();
        Some((0..n.ty.shape[axis]).map(|j| value.get(j * inner).as_f64()).collect())
    }

    /// The nodes from `x` down to the input, the last of them it, where each can be taken back.
    fn way_to(&self, x: NodeId, input: NodeId, depth: usize) -> Option<Vec<NodeId>> {
        let node = self.node(x);
        if x == input {
            return node.ty.dtype.is_float().then(|| vec![x]);
        }
        let further = depth.checked_sub(1)?;
        let below = match &node.op {
            Op::Reshape(_) | Op::Permute(_) => node.operands[0],
            Op::Concat { .. } => {
                let leads = |o: &NodeId| self.way_to(*o, input, further).is_some();
                node.operands.iter().copied().find(leads)?
            }
            Op::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Div) => {
                node.operands.iter().copied().find(|o| self.evaluated(*o, FURTHEST, false).is_none())?
            }
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
            let constant = constant.and_then(|o| self.evaluated(*o, FURTHEST, false));
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
                        _ => Binary::Mul,
                    };
                    evaluate_op(&Op::Binary(back), &[&x, &c])
                }
                _ => evaluate_op(&Op::Reshape(below.shape.clone()), &[&x]),
            };
        }
        Value::from_fn(&x.ty(), |i| {
            Num::Float(Some(x.get(i).as_f64()).filter(|x| x.is_finite()).unwrap_or(0.0))
        })
    }
}
