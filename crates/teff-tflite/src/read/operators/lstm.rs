//! UNIDIRECTIONAL_SEQUENCE_LSTM: an LSTM (Hochreiter and Schmidhuber, 1997) over a sequence, whose states stay for the next one.

use super::lstm_inputs::*;
use super::lstm_integer;
use super::*;
use crate::schema::unidirectional_sequence_lstm_options as o;

pub(super) const TABLE: Table = &[("UNIDIRECTIONAL_SEQUENCE_LSTM", One(lstm))];

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
    let y = if x.dtype().is_int() { lstm_integer::run(n, time_major)? } else { run(n, time_major)? };
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
        let i = input.as_ref().map_or_else(|| f.full_like(1.0) - &f, |gate| gate.sum(x, h, c).sigmoid());
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
