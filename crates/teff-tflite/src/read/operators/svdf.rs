//! SVDF: a dense layer of rank-one filters over the last inputs (Nakkiran et al., 2015). A filter is a vector over the features
//! of one input and a vector over time; what the first gave for the last inputs is the state.

use super::*;
use crate::schema::activation_function_type as fused;

pub(super) const TABLE: Table = &[("SVDF", One(svdf))];

/// Positions of the inputs.
const X: usize = 0;
const FEATURES: usize = 1;
const TIME: usize = 2;
const BIAS: usize = 3;
const STATE: usize = 4;

/// How many of what there are.
struct Sizes {
    batch: usize,
    filters: usize,
    memory: usize,
    rank: usize,
}

fn svdf(n: &mut Node) -> Lowered<Held> {
    let rank = n.count(svdf_options::RANK, "rank")?;
    let activation = n.get(svdf_options::FUSED_ACTIVATION_FUNCTION)?;
    let (x, features, time, state) = (n.x(X)?, n.x(FEATURES)?, n.x(TIME)?, n.x(STATE)?);
    let (&[batch, inputs], &[filters, width], &[filters_too, memory]) =
        (x.shape(), features.shape(), time.shape())
    else {
        return invalid!("its input {x}, weights {features} and {time} must have two axes");
    };
    let fits =
        inputs == width && filters == filters_too && filters.is_multiple_of(rank) && filters * memory > 0;
    ensure!(
        fits && state.shape() == [batch, filters * memory],
        "its input {x}, weights {features} and {time}, state {state} and rank {rank} do not fit together"
    );
    let sizes = Sizes { batch, filters, memory, rank };
    if x.dtype().is_int() { of_integers(n, &sizes, activation) } else { of_floats(n, &sizes, activation) }
}

/// The next state: each filter's entries moved one towards the front, and `newest`, `[batch, filters]`, at the end. All entries move
/// at once, as in the runtimes, and the last of each filter is replaced.
fn moved_on(state: &Tensor, newest: &Tensor, s: &Sizes) -> Tensor {
    let all = s.filters * s.memory;
    let place = Tensor::iota(Type::new(DType::I32, [s.batch, all]), 1);
    let is_last = place.rem(s.memory as f64).equal(s.memory as f64 - 1.0);
    let repeated = newest.reshape(&[s.batch, s.filters, 1]).broadcast_to(&[s.batch, s.filters, s.memory]);
    is_last.select(repeated.reshape(&[s.batch, all]), state.roll(1, all - 1))
}

/// Over time, and over the filters of a unit: `[batch, units]`.
fn summed(state: &Tensor, time: &Tensor, s: &Sizes) -> Tensor {
    let products = state * time.reshape(&[1, s.filters * s.memory]);
    products.reshape(&[s.batch, s.filters / s.rank, s.rank * s.memory]).sum(&[2])
}

fn of_floats(n: &mut Node, s: &Sizes, activation: i8) -> Lowered<Held> {
    let (x, features) = (n.real_plain(X)?, floats(n.real_plain(FEATURES)?, "its weights")?);
    let time = floats(n.real_plain(TIME)?, "its weights")?;
    let state = moved_on(&n.x(STATE)?, &x.matmul(&features.transpose()).ok()?, s).ok()?;
    let y = summed(&state, &time, s).ok()?;
    let y = n.optional_real(BIAS)?.map_or(y.clone(), |b| y + b);
    n.next_states.push((STATE, state));
    Ok(Held::plain(activated(y, activation)?))
}

/// With the runtimes' roundings, since the state stays.
fn of_integers(n: &mut Node, s: &Sizes, activation: i8) -> Lowered<Held> {
    let (x_info, features_info, time_info) = (n.input_info(X)?, n.input_info(FEATURES)?, n.input_info(TIME)?);
    let (state_info, y_info) = (n.input_info(STATE)?, n.output_info(0)?);
    let ((x_scale, x_zero), (features_scale, _)) = (x_info.scale()?, features_info.scale()?);
    let ((time_scale, _), (state_scale, state_zero)) = (time_info.scale()?, state_info.scale()?);
    let (y_scale, y_zero) = y_info.scale()?;
    // The runtimes compute these in f32.
    let to_state = Multiplier::new(f64::from(x_scale * features_scale / state_scale))?;
    let to_y = Multiplier::new(f64::from(state_scale * time_scale / y_scale))?;
    let wide = |t: &Tensor, zero: i64| t.cast(DType::I32) - zero as f64;
    let (x, features, time) = (wide(&n.x(X)?, x_zero), wide(&n.x(FEATURES)?, 0), wide(&n.x(TIME)?, 0));
    let state = n.x(STATE)?;
    if !matches!(state.dtype(), DType::I8 | DType::I16) || y_info.dtype() != Some(DType::I8) {
        return unsupported(
            format!("a state of {} for an output of {}", state.dtype(), y_info.element_name()),
            "use int8",
        );
    }
    // The runtimes take the clamping to the output's range, which begins at 0, for the activation.
    if !matches!(activation, fused::NONE | fused::RELU) || activation == fused::RELU && y_zero != -128 {
        return unsupported(
            format!("activation {activation} with the zero point {y_zero}"),
            "use a ReLU, or none",
        );
    }
    let sums = x.matmul(&features.transpose());
    // Clamped before the zero point is added, and wrapping after.
    let newest = saturated(&to_state.apply(&sums), state.dtype()).cast(DType::I32) + state_zero as f64;
    let state = moved_on(&state, &newest.cast(state.dtype()).ok()?, s).ok()?;
    let y = summed(&wide(&state, state_zero), &time, s).ok()?;
    let y = n.optional(BIAS).map_or(y.clone(), |b| y + b.into_plain());
    n.next_states.push((STATE, state));
    Ok(Held::plain(saturated(&(to_y.apply(&y) + y_zero as f64), DType::I8)))
}
