//! Attention and what goes with it in transformers and state-space models.

use super::*;

pub(super) const TABLE: Table = &[
    ("Attention", Many(attention)),
    ("CausalConvWithState", Many(causal_conv)),
    ("LinearAttention", Many(linear_attention)),
    ("RotaryEmbedding", Of(rotary_embedding)),
];

/// Operators of `ai.onnx.preview`.
pub(super) const PREVIEW: Table = &[("FlexAttention", One(flex_attention))];

/// `[B, S, heads * E]` as `[B, heads, S, E]`.
pub(super) fn split_heads(x: &Tensor, heads: usize) -> Lowered {
    let [batch, steps, width] = x.shape()[..] else {
        return invalid!("takes [B, S, width], not {x}");
    };
    ensure!(heads != 0 && width % heads == 0, "a width of {width} does not divide into {heads} heads");
    Ok(x.reshape(&[batch, steps, heads, width / heads]).permute(&[0, 2, 1, 3]))
}

/// `[B, heads, S, E]` as `[B, S, heads * E]`.
pub(super) fn join_heads(x: &Tensor) -> Lowered {
    x.check()?;
    let [batch, heads, steps, each] = x.shape()[..] else {
        return invalid!("takes four axes, not {x}");
    };
    Ok(x.permute(&[0, 2, 1, 3]).reshape(&[batch, steps, heads * each]))
}

/// Each key or value head repeated for the query heads that share it.
fn shared(x: &Tensor, q_heads: usize) -> Lowered {
    let [batch, heads, steps, each] = x.shape()[..] else {
        return invalid!("takes four axes, not {x}");
    };
    if heads == q_heads {
        return Ok(x.clone());
    }
    ensure!(
        heads != 0 && q_heads.is_multiple_of(heads),
        "{q_heads} query heads cannot share {heads} key heads"
    );
    let group = q_heads / heads;
    let repeated = x.unsqueeze(2).broadcast_to(&[batch, heads, group, steps, each]);
    Ok(repeated.reshape(&[batch, q_heads, steps, each]))
}

/// What restricts which query sees which key.
struct Mask {
    /// Where it may look; nothing means everywhere.
    allowed: Option<Tensor>,
    /// Added to the scores.
    bias: Option<Tensor>,
}

impl Mask {
    fn restrict(&mut self, allowed: Tensor) {
        self.allowed = Some(self.allowed.take().map_or(allowed.clone(), |a| a.and(&allowed)));
    }

    /// Added to the scores, with minus infinity where a query may not look.
    fn additive(&self, scores: &Tensor) -> Option<Tensor> {
        let Some(allowed) = &self.allowed else { return self.bias.clone() };
        let bias = self.bias.clone().unwrap_or_else(|| Tensor::full(Type::new(scores.dtype(), []), 0.0));
        Some(allowed.select(bias, f64::NEG_INFINITY))
    }
}

/// The mask of `Attention`: `attn_mask`, causality, window, and the number of valid keys of each batch. `before` is how many keys
/// precede the queries.
fn mask(n: &mut Node, q: &Tensor, keys: usize, before: usize) -> Lowered<Mask> {
    let (batch, queries) = (q.shape()[0], q.shape()[2]);
    let mut mask = Mask { allowed: None, bias: None };
    if let Some(given) = n.optional(3)? {
        let Some(&last) = given.shape().last() else { return invalid!("the mask is a scalar") };
        let is_bool = given.dtype() == DType::Bool;
        let mut widths = vec![(0, 0); given.rank()];
        widths[given.rank() - 1] = (0, keys.saturating_sub(last));
        let padded = given.pad(&widths, if is_bool { 0.0 } else { f64::NEG_INFINITY });
        let padded = if last == 1 { given } else { padded };
        if is_bool { mask.restrict(padded) } else { mask.bias = Some(padded) }
    }
    let ty = Type::new(DType::I64, [queries, keys]);
    let (i, j) = (Tensor::iota(ty.clone(), 0), Tensor::iota(ty, 1));
    let valid = n.optional(6)?.map(|v| v.cast(DType::I64).reshape(&[batch, 1, 1, 1]));
    // The absolute position of a query among the keys.
    let position = match &valid {
        Some(v) => &i + (v - queries as f64),
        None => &i + before as f64,
    };
    if n.flag("is_causal", false) {
        mask.restrict(j.less_equal(&position));
    }
    let (left, right) = (n.int("left_window_size", -1), n.int("right_window_size", -1));
    if left >= 0 {
        mask.restrict((&position - left as f64).less_equal(&j));
    }
    if right >= 0 {
        mask.restrict(j.less_equal(&(&position + right as f64)));
    }
    if let Some(v) = valid {
        mask.restrict(Tensor::iota(Type::new(DType::I64, [1, 1, 1, keys]), 3).less(&v));
    }
    Ok(mask)
}

/// Softmax along the last axis; a row of minus infinities gives zeros.
fn guarded_softmax(x: &Tensor) -> Tensor {
    let top = x.max_keep(&[-1]);
    let powers = (x - top.equal(f64::NEG_INFINITY).select(0.0, &top)).exp();
    let sum = powers.sum_keep(&[-1]);
    let sum = sum.equal(0.0).select(1.0, &sum);
    powers / sum
}

/// Outputs: the result, keys and values with those of the past, and the scores at the stage that was asked for.
fn attention(n: &mut Node) -> Lowered<Outputs> {
    let (mut q, mut k, mut v) = (n.x(0)?, n.x(1)?, n.x(2)?);
    let packed = q.rank() == 3;
    let (q_heads, kv_heads) = (n.size("q_num_heads", 0), n.size("kv_num_heads", 0));
    if packed {
        (q, k, v) = (split_heads(&q, q_heads)?, split_heads(&k, kv_heads)?, split_heads(&v, kv_heads)?);
    }
    ensure!(
        [&q, &k, &v].iter().all(|t| t.rank() == 4),
        "Q, K and V must have four axes, or all three, not {q}, {k} and {v}"
    );
    let mut before = 0;
    if let (Some(past_k), Some(past_v)) = (n.optional(4)?, n.optional(5)?) {
        before = past_k.shape().get(2).copied().unwrap_or(0);
        k = Tensor::concat(&[past_k, k], 2);
        v = Tensor::concat(&[past_v, v], 2);
        k.check()?;
        v.check()?;
    }
    let (present_k, present_v) = (k.clone(), v.clone());
    let mask = mask(n, &q, k.shape()[2], before)?;
    (k, v) = (shared(&k, q.shape()[1])?, shared(&v, q.shape()[1])?);
    let default_scale = 1.0 / (q.shape()[3] as f64).sqrt();
    let root = n.float("scale", default_scale).sqrt();
    let raw = (&q * root).matmul(&(k.transpose() * root));
    let softcap = n.float("softcap", 0.0);
    let capped = if softcap > 0.0 { (&raw / softcap).tanh() * softcap } else { raw.clone() };
    let additive = mask.additive(&capped);
    let masked = additive.as_ref().map_or(capped.clone(), |a| &capped + a);
    let precision = n.element("softmax_precision")?.map_or(q.dtype(), holder);
    let mut probabilities = guarded_softmax(&masked.cast(precision)).cast(q.dtype());
    if let Some(a) = additive {
        probabilities = a.max_keep(&[-1]).equal(f64::NEG_INFINITY).select(0.0, probabilities);
    }
    let y = probabilities.matmul(&v);
    let y = if packed { join_heads(&y)? } else { y };
    let stage = match n.int("qk_matmul_output_mode", 0) {
        0 => raw,
        1 => capped,
        2 => masked,
        3 => probabilities,
        other => return unsupported(format!("qk_matmul_output_mode={other}"), "use 0 to 3"),
    };
    Ok([y, present_k, present_v, stage].map(|t| n.carried(t)).to_vec())
}

/// Attention whose scores and probabilities go through sub-graphs.
fn flex_attention(n: &mut Node) -> Lowered {
    let (q, k, v) = (n.x(0)?, n.x(1)?, n.x(2)?);
    ensure!(
        [&q, &k, &v].iter().all(|t| t.rank() == 4),
        "Q, K and V must have four axes, not {q}, {k} and {v}"
    );
    let (k, v) = (shared(&k, q.shape()[1])?, shared(&v, q.shape()[1])?);
    let default = if q.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let precision = n.element("softmax_precision")?.map_or(default, holder);
    let scale = n.float("scale", 1.0 / (q.shape()[3] as f64).sqrt());
    let scores = q.cast(precision).matmul(&k.cast(precision).transpose()) * scale;
    let scores = modified(n, "score_mod", scores)?;
    let probabilities = modified(n, "prob_mod", scores.softmax(-1))?;
    Ok(probabilities.cast(v.dtype()).matmul(&v))
}

fn modified(n: &mut Node, name: &str, x: Tensor) -> Lowered {
    let Some(graph) = n.attribute(name).and_then(|a| a.graph.as_deref()) else { return Ok(x) };
    match &n.reader.subgraph(n.scope, graph, vec![x.into()])?[..] {
        [OnnxValue::Tensor(t)] => Ok(t.tensor.clone()),
        _ => invalid!("{name} must give one tensor"),
    }
}

/// A recurrence over tokens with a matrix as state, by rule: linear, gated, delta, gated_delta.
fn linear_attention(n: &mut Node) -> Lowered<Outputs> {
    let (q_heads, kv_heads) = (n.size("q_num_heads", 0), n.size("kv_num_heads", 0));
    let q = split_heads(&n.x(0)?, q_heads)?;
    let (k, v) = (split_heads(&n.x(1)?, kv_heads)?, split_heads(&n.x(2)?, kv_heads)?);
    n.ignore(&["chunk_size"]);
    let rules = [
        ("linear", (false, false)),
        ("gated", (true, false)),
        ("delta", (false, true)),
        ("gated_delta", (true, true)),
    ];
    let (gated, delta) = n.choice("update_rule", "gated_delta", &rules)?;
    ensure!(
        kv_heads != 0 && q_heads.is_multiple_of(kv_heads),
        "{q_heads} query heads cannot share {kv_heads} key heads"
    );
    let (batch, d_k, d_v) = (q.shape()[0], k.shape()[3], v.shape()[3]);
    let scale = match n.float("scale", 0.0) {
        0.0 => 1.0 / (d_k as f64).sqrt(),
        s => s,
    };
    let zeros = Type::new(q.dtype(), [batch, kv_heads, d_k, d_v]);
    let initial = n.optional(3)?.unwrap_or_else(|| Tensor::full(zeros, 0.0));
    // Time comes first; what is one a head gets an axis for the key dimension.
    let in_time = |t: Tensor| t.permute(&[2, 0, 1, 3]);
    let mut scanned = vec![in_time(q), in_time(k), in_time(v)];
    let gates = |n: &Node, i: usize| -> Lowered {
        let t = n.x(i)?;
        let width = t.shape().last().copied().unwrap_or(0);
        split_heads(&t, if width == 1 { 1 } else { kv_heads }).map(in_time)
    };
    if gated {
        scanned.push(gates(n, 4)?);
    }
    if delta {
        scanned.push(gates(n, 5)?);
    }
    n.item(4);
    n.item(5);
    let group = q_heads / kv_heads;
    let (last, stacks) = Tensor::scan(&[initial], &scanned, false, |states, x| {
        let (q, k, v) = (&x[0], x[1].unsqueeze(-1), x[2].unsqueeze(-2));
        // Decay per key dimension or per head: `[B, H, d_k or 1]` against `[B, H, d_k, d_v]`.
        let state = if gated { &states[0] * x[3].exp().unsqueeze(-1) } else { states[0].clone() };
        let new = if delta {
            let rate = x[x.len() - 1].unsqueeze(-1);
            let recalled = k.transpose().matmul(&state);
            &k * ((v - recalled) * rate)
        } else {
            &k * v
        };
        let state = state + new;
        let grouped = q.reshape(&[batch, kv_heads, group, d_k]);
        let y = (grouped.matmul(&state) * scale).reshape(&[batch, d_v.saturating_mul(kv_heads * group)]);
        (vec![state], vec![y])
    });
    let y = stacks[0].permute(&[1, 0, 2]);
    Ok(vec![n.carried(y), n.carried(last[0].clone())])
}

/// A depthwise convolution that sees the past only; the last inputs are handed on for the next call.
fn causal_conv(n: &mut Node) -> Lowered<Outputs> {
    let (x, w) = (n.x(0)?, n.x(1)?);
    let (&[batch, channels, _], &[_, 1, size]) = (x.shape(), w.shape()) else {
        return invalid!("takes X [N, C, L] and W [C, 1, k], not {x} and {w}");
    };
    ensure!(size != 0, "the kernel is empty");
    let zeros = Type::new(x.dtype(), [batch, channels, size - 1]);
    let past = n.optional(3)?.unwrap_or_else(|| Tensor::full(zeros, 0.0));
    let long = Tensor::concat(&[past, x], 2);
    long.check()?;
    let y = long.conv_general(&w, ConvGeometry { groups: channels, ..ConvGeometry::new(1) });
    let y = with_bias(y, n.optional(2)?)?;
    let activated = n.choice("activation", "none", &[("none", false), ("silu", true), ("swish", true)])?;
    let y = if activated { y.silu() } else { y };
    let Some(start) = long.shape()[2].checked_sub(size - 1) else {
        return invalid!("{long} is shorter than the kernel");
    };
    let present = long.narrow(2, start, size - 1);
    Ok(vec![n.carried(y), n.carried(present)])
}

/// Pairs of elements of each head turned by an angle that grows with the position (Su et al., 2021).
fn rotary_embedding(n: &mut Node, given: Tensor) -> Lowered {
    let heads = n.size("num_heads", 0);
    let packed = given.rank() == 3;
    let x = if packed { split_heads(&given, heads)? } else { given };
    ensure!(x.rank() == 4, "takes three or four axes, not {x}");
    let width = x.shape()[3];
    let turned = match n.size("rotary_embedding_dim", 0) {
        0 => width,
        d => d,
    };
    ensure!(turned <= width && turned % 2 == 0, "rotary_embedding_dim={turned} of heads of {width}");
    let positions = n.optional(3)?;
    // `[B, 1, S, half]`.
    let angles = |cache: Tensor| match &positions {
        Some(p) => cache.take(p, 0).unsqueeze(1),
        None => cache.unsqueeze(1),
    };
    let (cos, sin) = (angles(n.x(1)?), angles(n.x(2)?));
    let rotated = x.narrow(3, 0, turned);
    let rest = x.narrow(3, turned, width - turned);
    let interleaved = n.flag("interleaved", false);
    let (a, b) = if interleaved {
        (rotated.slice(3, 0, isize::MAX, 2), rotated.slice(3, 1, isize::MAX, 2))
    } else {
        (rotated.narrow(3, 0, turned / 2), rotated.narrow(3, turned / 2, turned / 2))
    };
    let (real, imaginary) = (&cos * &a - &sin * &b, &sin * &a + &cos * &b);
    let turned = if interleaved {
        Tensor::stack(&[real, imaginary], 4).reshape(rotated.shape())
    } else {
        Tensor::concat(&[real, imaginary], 3)
    };
    let y = if rest.is_empty() { turned } else { Tensor::concat(&[turned, rest], 3) };
    if packed { join_heads(&y) } else { Ok(y) }
}
