//! RNN, GRU and LSTM in all directions, with any of the activations.
//!
//! Equations and order of gates: onnx/docs/Operators.md. A direction is a scan over time; sequences shorter than the time axis keep
//! their state after their end.

use super::*;

/// onnxruntime's, of `com.microsoft`.
pub(super) const CONTRIB: Table = &[("DynamicQuantizeLSTM", Many(dynamic_quantize_lstm))];

pub(super) const TABLE: Table = &[
    ("GRU", Many(|n| recurrent(n, CellKind::Gru))),
    ("LSTM", Many(|n| recurrent(n, CellKind::Lstm))),
    ("RNN", Many(|n| recurrent(n, CellKind::Rnn))),
];

#[derive(Clone, Copy, PartialEq)]
enum CellKind {
    Rnn,
    Gru,
    Lstm,
}

impl CellKind {
    fn gates(self) -> usize {
        match self {
            CellKind::Rnn => 1,
            CellKind::Gru => 3,
            CellKind::Lstm => 4,
        }
    }

    /// Default activations of a direction.
    fn activations(self) -> &'static [&'static str] {
        match self {
            CellKind::Rnn => &["Tanh"],
            CellKind::Gru => &["Sigmoid", "Tanh"],
            CellKind::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        }
    }
}

/// A function with the parameters alpha and beta.
type Parametric = fn(&Tensor, f64, f64) -> Tensor;

/// Activations by their names in lower case, with the defaults of those parameters that they have.
const ACTIVATIONS: [(&str, Option<f32>, Option<f32>, Parametric); 11] = [
    ("affine", Some(1.0), Some(0.0), |x, alpha, beta| x * alpha + beta),
    ("elu", Some(1.0), None, |x, alpha, _| x.elu(alpha)),
    ("hardsigmoid", Some(0.2), Some(0.5), |x, alpha, beta| x.hard_sigmoid(alpha, beta)),
    ("leakyrelu", Some(0.01), None, |x, alpha, _| x.leaky_relu(alpha)),
    ("relu", None, None, |x, _, _| x.relu()),
    ("scaledtanh", Some(1.0), Some(1.0), |x, alpha, beta| (x * beta).tanh() * alpha),
    ("sigmoid", None, None, |x, _, _| x.sigmoid()),
    ("softplus", None, None, |x, _, _| x.softplus()),
    ("softsign", None, None, |x, _, _| x.softsign()),
    ("tanh", None, None, |x, _, _| x.tanh()),
    ("thresholdedrelu", Some(1.0), None, |x, alpha, _| x.greater_equal(alpha).select(x, 0.0)),
];

/// An activation with its parameters.
#[derive(Clone)]
pub(super) struct GateActivation {
    function: Parametric,
    alpha: f64,
    beta: f64,
}

impl GateActivation {
    /// Parameters come from the lists, in the order of those activations that have them.
    pub(super) fn of(
        name: &str,
        alphas: &mut impl Iterator<Item = f32>,
        betas: &mut impl Iterator<Item = f32>,
    ) -> Lowered<Self> {
        let lower = name.to_lowercase();
        let Some(&(_, alpha, beta, function)) = ACTIVATIONS.iter().find(|(name, ..)| *name == lower) else {
            return unsupported(format!("the activation {name:?}"), "use one that the specification lists");
        };
        let take = |default: Option<f32>, list: &mut dyn Iterator<Item = f32>| {
            f64::from(default.map_or(0.0, |d| list.next().unwrap_or(d)))
        };
        Ok(GateActivation { function, alpha: take(alpha, alphas), beta: take(beta, betas) })
    }

    pub(super) fn apply(&self, x: &Tensor) -> Tensor {
        (self.function)(x, self.alpha, self.beta)
    }
}

/// Scales of a direction whose `x`, `w` and `r` are integers less their zero points.
struct Scales {
    x: Tensor,
    /// One for all, or one for each row of the weights.
    w: Tensor,
    r: Tensor,
}

/// All that one direction needs.
struct Direction {
    cell: CellKind,
    hidden: usize,
    /// `[gates H, I]`, `[gates H, H]`.
    w: Tensor,
    r: Tensor,
    /// `[gates H]` each.
    bias_w: Tensor,
    bias_r: Tensor,
    /// `[3 H]`: input, output, forget.
    peephole: Option<Tensor>,
    activations: Vec<GateActivation>,
    clip: Option<f64>,
    linear_before_reset: bool,
    couple: bool,
    /// `[N]`, for sequences of different lengths.
    lengths: Option<Tensor>,
    reverse: bool,
    /// Of weights that are integers; the hidden state is then quantised in each step, over its range at that time.
    scales: Option<Scales>,
}

impl Direction {
    fn act(&self, i: usize, x: &Tensor) -> Tensor {
        let x = self.clip.map_or(x.clone(), |c| x.clip(-c, c));
        self.activations[i].apply(&x)
    }

    fn gate(&self, t: &Tensor, i: usize) -> Tensor {
        t.narrow(t.rank().saturating_sub(1), i * self.hidden, self.hidden)
    }

    /// The states after x `[N, I]`: hidden, and cell for an LSTM.
    fn step(&self, x: &Tensor, states: &[Tensor]) -> Vec<Tensor> {
        let h = &states[0];
        let product = x.matmul(&self.w.transpose());
        let from_x = match &self.scales {
            None => product,
            Some(scales) => product.cast(DType::F32) * (&scales.x * &scales.w),
        } + &self.bias_w;
        let recurrent = |h: &Tensor| self.hidden_product(h) + &self.bias_r;
        match self.cell {
            CellKind::Rnn => vec![self.act(0, &(from_x + recurrent(h)))],
            CellKind::Gru => vec![self.gru(&from_x, h, recurrent(h))],
            CellKind::Lstm => self.lstm(&(from_x + recurrent(h)), &states[1]),
        }
    }

    fn hidden_product(&self, h: &Tensor) -> Tensor {
        let Some(scales) = &self.scales else { return h.matmul(&self.r.transpose()) };
        let [q, scale, zero] = dynamically_quantized(h);
        let sums = centred(&q, Some(&zero)).matmul(&self.r.transpose());
        sums.cast(DType::F32) * (scale * &scales.r)
    }

    /// Gates: update, reset, hidden.
    fn gru(&self, from_x: &Tensor, h: &Tensor, from_h: Tensor) -> Tensor {
        let z = self.act(0, &(self.gate(from_x, 0) + self.gate(&from_h, 0)));
        let r = self.act(0, &(self.gate(from_x, 1) + self.gate(&from_h, 1)));
        let candidate = if self.linear_before_reset {
            r * self.gate(&from_h, 2)
        } else {
            let weights = self.r.narrow(0, 2 * self.hidden, self.hidden);
            (r * h).matmul(&weights.transpose()) + self.gate(&self.bias_r, 2)
        };
        let new = self.act(1, &(self.gate(from_x, 2) + candidate));
        (1.0 - &z) * new + z * h
    }

    /// Gates: input, output, forget, cell.
    fn lstm(&self, gates: &Tensor, cell: &Tensor) -> Vec<Tensor> {
        let peep = |i: usize, c: &Tensor, t: Tensor| match &self.peephole {
            Some(p) => t + self.gate(p, i) * c,
            None => t,
        };
        let input = self.act(0, &peep(0, cell, self.gate(gates, 0)));
        let forget =
            if self.couple { 1.0 - &input } else { self.act(0, &peep(2, cell, self.gate(gates, 2))) };
        let candidate = self.act(1, &self.gate(gates, 3));
        let next = forget * cell + input * candidate;
        let output = self.act(0, &peep(1, &next, self.gate(gates, 1)));
        // The last activation is not clipped: its argument is the cell itself.
        vec![output * self.activations[2].apply(&next), next]
    }

    /// All hidden states `[T, N, H]` and the last states.
    fn run(&self, x: &Tensor, initial: Vec<Tensor>) -> (Tensor, Vec<Tensor>) {
        let time = Tensor::iota(Type::new(DType::I64, [x.shape()[0]]), 0);
        let scanned = [x.clone(), time];
        let (last, stacks) = Tensor::scan(&initial, &scanned, self.reverse, |states, slices| {
            let next = self.step(&slices[0], states);
            match &self.lengths {
                None => {
                    let h = next[0].clone();
                    (next, vec![h])
                }
                Some(lengths) => {
                    // After a sequence's end its state stays and its output is 0.
                    let inside = slices[1].less(lengths).unsqueeze(1);
                    let kept = next.iter().zip(states).map(|(new, old)| inside.select(new, old)).collect();
                    (kept, vec![inside.select(&next[0], 0.0)])
                }
            }
        });
        (stacks[0].clone(), last)
    }
}

fn recurrent(n: &mut Node, cell: CellKind) -> Lowered<Outputs> {
    let (w, r) = (n.x(1)?, n.x(2)?);
    run_all(n, cell, &w, &r, None)
}

/// An LSTM whose weights are integers `[directions, I, 4 H]`, of which `quantize_dynamic` makes it: what they are multiplied with is
/// quantised over its range, the input as a whole, the hidden state in each step.
fn dynamic_quantize_lstm(n: &mut Node) -> Lowered<Outputs> {
    let weights = |n: &Node, at: usize, scale_at: usize| {
        let q = n.x(at)?;
        let [directions, _, rows] = q.shape()[..] else {
            return invalid!("W and R must have three axes, not {q}");
        };
        let zero = match n.optional(scale_at + 1)? {
            Some(z) if z.len() == directions => Some(z.reshape(&[directions, 1, 1])),
            Some(z) if z.len() == directions * rows => Some(z.reshape(&[directions, 1, rows])),
            Some(z) => return invalid!("a zero point {z} for weights {q}"),
            None => None,
        };
        let scale = n.x(scale_at)?;
        ensure!(
            scale.shape() == [directions] || scale.shape() == [directions, rows],
            "a scale {scale} for weights {q}"
        );
        Ok((centred(&q, zero.as_ref()).swap_axes(1, 2), scale))
    };
    let ((w, w_scale), (r, r_scale)) = (weights(n, 1, 8)?, weights(n, 2, 10)?);
    run_all(n, CellKind::Lstm, &w, &r, Some((w_scale, r_scale)))
}

/// All directions, with weights in the standard's layout; integers less their zero points when they have `scales`.
fn run_all(
    n: &mut Node,
    cell: CellKind,
    w: &Tensor,
    r: &Tensor,
    scales: Option<(Tensor, Tensor)>,
) -> Lowered<Outputs> {
    let batch_first = n.flag("layout", false);
    let x = if batch_first { n.x(0)?.swap_axes(0, 1) } else { n.x(0)? };
    let b = n.optional(3)?;
    ensure!(
        x.rank() == 3 && w.rank() == 3 && r.rank() == 3,
        "X, W and R must have three axes, not {x}, {w} and {r}"
    );
    let (batch, hidden) = (x.shape()[1], r.shape()[2]);
    ensure!(
        n.attribute("hidden_size").is_none_or(|a| a.i == hidden as i64),
        "hidden_size is not that of R, {hidden}"
    );
    let all: [(&str, &[bool]); 3] =
        [("forward", &[false]), ("reverse", &[true]), ("bidirectional", &[false, true])];
    // For each direction, whether it runs backwards.
    let directions = n.choice("direction", "forward", &all)?;
    let count = directions.len();
    let states = if cell == CellKind::Lstm { 2 } else { 1 };
    let activations = activations(n, cell, count)?;
    let zeros = Tensor::full(Type::new(x.dtype(), [count, batch, hidden]), 0.0);
    let state = |i: usize| match n.optional(5 + i)? {
        Some(t) if batch_first => Ok(t.swap_axes(0, 1)),
        Some(t) => Ok(t),
        None => Ok(zeros.clone()),
    };
    let initial = (0..states).map(state).collect::<Lowered<Vec<Tensor>>>()?;
    let lengths = lengths(n, x.shape()[0])?;
    let peephole = if cell == CellKind::Lstm { n.optional(7)? } else { None };
    let clip = n.attribute("clip").map(|a| f64::from(a.f));
    let linear_before_reset = cell == CellKind::Gru && n.flag("linear_before_reset", false);
    let couple = cell == CellKind::Lstm && n.flag("input_forget", false);
    // Of old versions, which gave all hidden states only on request.
    n.ignore(&["output_sequence"]);
    let Some(size) = hidden.checked_mul(2 * cell.gates()).map(|both| both / 2) else {
        return invalid!("a state of {hidden} numbers is too large");
    };
    // Integer weights are multiplied with integers, which have a scale.
    let (scanned, x_scale) = if scales.is_some() {
        let [q, scale, zero] = dynamically_quantized(&x);
        (centred(&q, Some(&zero)), Some(scale))
    } else {
        (x.clone(), None)
    };
    let (mut all, mut last) = (Vec::new(), vec![Vec::new(); states]);
    for (d, &reverse) in directions.iter().enumerate() {
        let bias = |from: usize| match &b {
            Some(b) => b.pick(0, d).narrow(0, from, size),
            None => Tensor::full(Type::new(x.dtype(), [size]), 0.0),
        };
        let direction = Direction {
            cell,
            hidden,
            w: w.pick(0, d),
            r: r.pick(0, d),
            bias_w: bias(0),
            bias_r: bias(size),
            peephole: peephole.as_ref().map(|p| p.pick(0, d)),
            activations: activations[d].clone(),
            clip,
            linear_before_reset,
            couple,
            lengths: lengths.clone(),
            reverse,
            scales: scales.as_ref().zip(x_scale.clone()).map(|((w, r), x)| Scales {
                x,
                w: w.pick(0, d),
                r: r.pick(0, d),
            }),
        };
        let (stack, finals) = direction.run(&scanned, initial.iter().map(|t| t.pick(0, d)).collect());
        stack.check()?;
        all.push(stack);
        last.iter_mut().zip(finals).for_each(|(l, f)| l.push(f));
    }
    Ok(outputs(&all, last, batch_first))
}

/// All hidden states `[T, directions, N, H]` and the last states, of the directions' `[T, N, H]` and `[N, H]`.
fn outputs(all: &[Tensor], last: Vec<Vec<Tensor>>, batch_first: bool) -> Vec<OnnxValue> {
    let y = Tensor::stack(all, 1);
    let y = if batch_first { y.permute(&[2, 0, 1, 3]) } else { y };
    let finals = last.into_iter().map(|l| {
        let t = Tensor::stack(&l, 0);
        OnnxValue::from(if batch_first { t.swap_axes(0, 1) } else { t })
    });
    std::iter::once(OnnxValue::from(y)).chain(finals).collect()
}

/// The activations of each direction.
fn activations(n: &Node, cell: CellKind, directions: usize) -> Lowered<Vec<Vec<GateActivation>>> {
    let defaults = cell.activations();
    let names = match n.words("activations") {
        given if !given.is_empty() => given,
        _ => defaults.repeat(directions).into_iter().map(str::to_string).collect(),
    };
    ensure!(
        names.len() == directions * defaults.len(),
        "{} activations for {directions} directions of {}",
        names.len(),
        defaults.len()
    );
    let list = |name: &str| n.floats(name).iter().copied();
    let (mut alphas, mut betas) = (list("activation_alpha"), list("activation_beta"));
    let all = names
        .iter()
        .map(|name| GateActivation::of(name, &mut alphas, &mut betas))
        .collect::<Lowered<Vec<_>>>()?;
    Ok(all.chunks(defaults.len()).map(<[GateActivation]>::to_vec).collect())
}

/// Lengths of the sequences, unless all are known to be full.
fn lengths(n: &mut Node, steps: usize) -> Lowered<Option<Tensor>> {
    let Some(t) = n.optional(4)? else { return Ok(None) };
    let full = n.known(&t).is_some_and(|v| v.to_i64().iter().all(|&l| l == steps as i64));
    Ok((!full).then(|| t.cast(DType::I64)))
}
