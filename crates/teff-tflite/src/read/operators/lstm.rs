//! UNIDIRECTIONAL_SEQUENCE_LSTM: an LSTM (Hochreiter and Schmidhuber, 1997) over a sequence, whose states stay for the next one.

use super::*;
use crate::schema::unidirectional_sequence_lstm_options as o;

pub(super) const TABLE: Table = &[("UNIDIRECTIONAL_SEQUENCE_LSTM", One(lstm))];

/// Positions of the inputs. Where there are several they are for the gates input, forget, cell and output, in this order; the cell
/// gate has no peephole.
const X: usize = 0;
const FROM_INPUT: [usize; 4] = [1, 2, 3, 4];
const FROM_HIDDEN: [usize; 4] = [5, 6, 7, 8];
const PEEPHOLE: [usize; 3] = [9, 10, 11];
const BIAS: [usize; 4] = [12, 13, 14, 15];
const PROJECTION: usize = 16;
const PROJECTION_BIAS: usize = 17;
const HIDDEN: usize = 18;
const CELL: usize = 19;
const NORM: [usize; 4] = [20, 21, 22, 23];

/// `[T, N, ..]` from `[N, T, ..]`, or back, unless time comes first anyway.
fn in_order(x: &Tensor, time_major: bool) -> Tensor {
    if time_major { x.clone() } else { x.swap_axes(0, 1) }
}

fn lstm(n: &mut Node) -> Lowered<Held> {
    if n.get(o::DIAGONAL_RECURRENT_TENSORS)? {
        return unsupported("diagonal recurrent weights", "convert the model with full ones");
    }
    if NORM.iter().any(|&i| n.optional(i).is_some()) {
        return unsupported("layer normalisation inside an LSTM", "convert the model without it");
    }
    let (x, hidden, cell) = (n.x(X)?, n.x(HIDDEN)?, n.x(CELL)?);
    ensure!(
        x.rank() == 3 && hidden.rank() == 2 && cell.rank() == 2,
        "its input {x}, states {hidden} and {cell} have the wrong axes"
    );
    n.spend(LOOP)?;
    let time_major = n.get(o::TIME_MAJOR)?;
    let y = if x.dtype().is_int() { run_integers(n, time_major)? } else { run(n, time_major)? };
    Ok(Held::plain(in_order(&y, time_major)))
}

/// What a gate is computed from.
struct Gate {
    from_input: Tensor,
    from_hidden: Tensor,
    peephole: Option<Tensor>,
    bias: Option<Tensor>,
}

impl Gate {
    /// Gate `g`; `None` if its weights are missing, as those of a coupled input gate are.
    fn of(n: &Node, g: usize) -> Lowered<Option<Gate>> {
        let (from_input, from_hidden) = (n.optional_real(FROM_INPUT[g])?, n.optional_real(FROM_HIDDEN[g])?);
        let peephole = match g {
            0 | 1 => n.optional_real(PEEPHOLE[g])?,
            3 => n.optional_real(PEEPHOLE[2])?,
            _ => None,
        };
        let bias = n.optional_real(BIAS[g])?;
        match (from_input, from_hidden) {
            (Some(from_input), Some(from_hidden)) => {
                let from_input = floats(from_input, "its weights")?;
                let from_hidden = floats(from_hidden, "its weights")?;
                Ok(Some(Gate { from_input, from_hidden, peephole, bias }))
            }
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => {
                invalid!("half of the weights of gate {g} are missing")
            }
        }
    }

    fn sum(&self, x: &Tensor, hidden: &Tensor, cell: &Tensor) -> Tensor {
        let products = x.matmul(&self.from_input.transpose()) + hidden.matmul(&self.from_hidden.transpose());
        let seen = self.peephole.as_ref().map_or(products.clone(), |p| products + cell * p);
        self.bias.as_ref().map_or(seen.clone(), |b| seen + b)
    }
}

/// Over floats; weights of integers are taken for the floats they stand for. Gives `[T, N, outputs]`.
fn run(n: &mut Node, time_major: bool) -> Lowered<Tensor> {
    let (cell_clip, projection_clip) = (n.get(o::CELL_CLIP)?, n.get(o::PROJ_CLIP)?);
    let activation = n.get(o::FUSED_ACTIVATION_FUNCTION)?;
    let input = Gate::of(n, 0)?;
    let (Some(forget), Some(update), Some(output)) = (Gate::of(n, 1)?, Gate::of(n, 2)?, Gate::of(n, 3)?)
    else {
        return invalid!("weights of its gates are missing");
    };
    let projection = n.optional_real(PROJECTION)?;
    let projection_bias = n.optional_real(PROJECTION_BIAS)?;
    let clipped = |x: Tensor, clip: f32| if clip > 0.0 { x.clip(-f64::from(clip), clip.into()) } else { x };
    let (x, hidden, cell) = (in_order(&n.x(X)?, time_major), n.x(HIDDEN)?, n.x(CELL)?);
    let (states, outputs) = teff_reader::scan(&[hidden, cell], &[x], false, |states, x| {
        let (x, h, c) = (&x[0], &states[0], &states[1]);
        let f = forget.sum(x, h, c).sigmoid();
        let i = input.as_ref().map_or_else(|| 1.0 - &f, |gate| gate.sum(x, h, c).sigmoid());
        let next = clipped(f * c + i * activated(update.sum(x, h, c), activation)?, cell_clip);
        let mut y = output.sum(x, h, &next).sigmoid() * activated(next.clone(), activation)?;
        if let Some(p) = &projection {
            y = y.matmul(&p.transpose());
            y = projection_bias.as_ref().map_or(y.clone(), |b| &y + b);
            y = clipped(y, projection_clip);
        }
        Ok((vec![y.clone(), next], vec![y]))
    })?;
    n.next_states.extend([HIDDEN, CELL].into_iter().zip(states));
    Ok(outputs[0].clone())
}

/// The scale of sums before an activation.
const GATE_SCALE: f32 = 1.0 / 4096.0;
/// The scale of what an activation gives.
const FRACTION: f64 = 1.0 / 32768.0;

/// A gate: two products, each rescaled by itself.
struct IntegerGate {
    from_input: Tensor,
    input_factor: Multiplier,
    from_hidden: Tensor,
    hidden_factor: Multiplier,
    bias: Option<Tensor>,
}

impl IntegerGate {
    fn of(n: &Node, g: usize, x_scale: f32, hidden_scale: f32) -> Lowered<IntegerGate> {
        let weights = |i: usize| -> Lowered<(Tensor, f32)> { Ok((n.x(i)?, n.input_info(i)?.scale()?.0)) };
        let (from_input, input_scale) = weights(FROM_INPUT[g])?;
        let (from_hidden, recurrent_scale) = weights(FROM_HIDDEN[g])?;
        Ok(IntegerGate {
            from_input,
            // In f32, as the runtime computes them.
            input_factor: Multiplier::new((input_scale * x_scale / GATE_SCALE).into())?,
            from_hidden,
            hidden_factor: Multiplier::new((recurrent_scale * hidden_scale / GATE_SCALE).into())?,
            bias: n.optional(BIAS[g]).map(|b| b.into_plain()),
        })
    }

    /// The sum, saturated to 16 bits after each of its parts. `x` and `hidden` are less their zero points.
    fn sum(&self, x: &Tensor, hidden: &Tensor) -> Tensor {
        // Widened inside the loop, so that the weights lie in memory as they are.
        let wide = |weights: &Tensor| weights.cast(DType::I32).transpose();
        let products = x.matmul(&wide(&self.from_input));
        let products = self.bias.as_ref().map_or(products.clone(), |b| products + b);
        let first = self.input_factor.apply(&products).clip(-32768.0, 32767.0);
        let second = self.hidden_factor.apply(&hidden.matmul(&wide(&self.from_hidden)));
        (first + second).clip(-32768.0, 32767.0)
    }
}

/// Over integers: inputs, weights and hidden state in 8 bits, gates and cell state in 16. With LiteRT's roundings (`kernels/lstm_eval.cc`,
/// the 8x8_16 form), since the states stay. Gates are sums with 12 bits behind the point; what sigmoid and hyperbolic tangent give are
/// 16-bit fractions. Gives `[T, N, outputs]`.
fn run_integers(n: &mut Node, time_major: bool) -> Lowered<Tensor> {
    let odd = PEEPHOLE.iter().chain(&[PROJECTION, PROJECTION_BIAS]).any(|&i| n.optional(i).is_some());
    if odd || n.optional(FROM_INPUT[0]).is_none() {
        return unsupported(
            "peepholes, a projection or a coupled input gate in 8 bits",
            "convert the model with a plain LSTM",
        );
    }
    let (x, hidden, cell) = (in_order(&n.x(X)?, time_major), n.x(HIDDEN)?, n.x(CELL)?);
    if (x.dtype(), hidden.dtype(), cell.dtype()) != (DType::I8, DType::I8, DType::I16) {
        return unsupported(
            format!("an LSTM of {} with states of {} and {}", x.dtype(), hidden.dtype(), cell.dtype()),
            "quantise to int8 with a cell state of int16",
        );
    }
    let ((x_scale, x_zero), (hidden_scale, hidden_zero)) =
        (n.input_info(X)?.scale()?, n.input_info(HIDDEN)?.scale()?);
    let (cell_scale, _) = n.input_info(CELL)?.scale()?;
    let power = cell_scale.log2();
    // Bits of the cell state before the point.
    let bits = 15 + power as i32;
    if power.fract() != 0.0 || !(0..=6).contains(&bits) {
        return unsupported(
            format!("a cell state with the scale {cell_scale}"),
            "it must be a power of two from 2^-15 to 2^-9",
        );
    }
    // The scale of the product before it is rounded to 8 bits: of an intermediate where the model has one.
    let (product_scale, product_zero) = match n.intermediate_info(4) {
        Ok(info) => info.scale()?,
        Err(_) => (hidden_scale, hidden_zero),
    };
    let to_hidden = Multiplier::new(f64::from((FRACTION / f64::from(product_scale) * FRACTION) as f32))?;
    let clip = n.get(o::CELL_CLIP)?;
    let clip = (clip > 0.0).then(|| f64::from((clip / cell_scale).min(32767.0).trunc()));
    let gate = |g: usize| IntegerGate::of(n, g, x_scale, hidden_scale);
    let (input, forget, update, output) = (gate(0)?, gate(1)?, gate(2)?, gate(3)?);
    let (states, outputs) = teff_reader::scan(&[hidden, cell], &[x], false, |states, x| {
        let x = x[0].cast(DType::I32) - x_zero as f64;
        let h = states[0].cast(DType::I32) - hidden_zero as f64;
        let c = states[1].cast(DType::I32);
        let i = logistic(&input.sum(&x, &h));
        let kept = divide_by_power(&(logistic(&forget.sum(&x, &h)) * &c), 15);
        let new = divide_by_power(&(i * tanh(&update.sum(&x, &h), 3)), 15 + bits);
        let c = (kept + new).clip(-32768.0, 32767.0);
        let c = clip.map_or(c.clone(), |clip| c.clip(-clip, clip));
        let product = logistic(&output.sum(&x, &h)) * tanh(&c, bits);
        let y = saturated(&(to_hidden.apply(&product) + product_zero as f64), DType::I8);
        Ok((vec![y.clone(), c.cast(DType::I16)], vec![y]))
    })?;
    n.next_states.extend([HIDDEN, CELL].into_iter().zip(states));
    Ok(outputs[0].clone())
}
