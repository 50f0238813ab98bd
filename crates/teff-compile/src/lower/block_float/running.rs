//! What the loops of a layer do: inputs become integers with the exponent that they share, their products with the weights are summed,
//! and sums become floats.

use super::BlockFloat;
use crate::lower::Lowering;
use crate::lower::build::value;
use crate::program::{ArrayId, BufferId, Expr, Index, Stmt};
use teff_graph::facts::Class;
use teff_graph::{Binary, DType, NodeId, Num, Op, PoolKind, Type, Value};

/// A layer in its loops: its constants, in the order these read them, and what is known of the inputs while it runs.
pub(super) struct Running<'l> {
    layer: &'l BlockFloat,
    weights: BufferId,
    /// One factor for each output; `None` when all are alike.
    factors: Option<BufferId>,
    powers: Option<Table>,
    /// How far the mantissa of an input with the exponent 0 is shifted down, one bit less for rounding.
    place: Expr,
    /// The biased exponent, where a float has it.
    exponent: Expr,
    /// 0; the bits that make any float NaN when an input is NaN or infinite.
    poison: Expr,
    /// What a sum begins with: 0 where all inputs are 0, so that the result is.
    pub(super) start: Expr,
}

/// How far the exponents of the channels are taken down.
#[derive(Clone, Copy)]
struct Table {
    axis: usize,
    of_channel: BufferId,
}

impl Table {
    fn power(&self, at: &[Index]) -> Expr {
        Expr::Load(self.of_channel, DType::U8, at[self.axis].clone()).cast(DType::I32)
    }
}

/// An input that is multiplied.
pub(super) struct Input {
    /// Its mantissa; or the upper and the lower part of it.
    pub(super) parts: Vec<Expr>,
    /// Where its weights begin.
    pub(super) weights: Index,
}

/// An integer of 32 bits.
pub(super) fn int(n: i64) -> Expr {
    Expr::int(DType::I32, n)
}

impl<'a> Lowering<'a> {
    /// Makes the constants, of which weight i is that at `order[i]`, and looks for the largest input.
    pub(super) fn running<'l>(&mut self, layer: &'l BlockFloat, order: &[usize]) -> Running<'l> {
        let (x, format) = (layer.x, &layer.format);
        let of = |dtype: DType, n: usize, at: &dyn Fn(usize) -> i32| {
            Value::from_fn(&Type::new(dtype, [n]), |i| Num::Int(at(i) as i128))
        };
        let weights = of(format.width.dtype, order.len(), &|i| format.weights[order[i]]);
        let weights = self.integers(layer.source, "", weights);
        let alike = format.factors.iter().all(|x| *x == format.factors[0]);
        let factors = (!alike).then(|| {
            let factors = of(DType::I32, format.factors.len(), &|i| format.factors[i]);
            self.integers(layer.source, "_factor", factors)
        });
        let powers = layer.powers.as_ref().map(|p| {
            let of_channel = Value::new([p.of_channel.len()], p.of_channel.clone());
            Table { axis: p.axis, of_channel: self.integers(layer.source, "_power", of_channel) }
        });
        let shape = self.node(x).ty.shape.clone();
        let largest = self.mutable("largest", int(0));
        self.merged_loops(&["i", "j", "k"], &shape, &mut |l, at| {
            let bits = l.element(x, at).bits(DType::I32);
            let magnitude = Expr::binary(Binary::And, bits, int(0x7fff_ffff));
            let magnitude = match powers {
                None => magnitude,
                Some(table) => l.taken_down(magnitude, table.power(at)),
            };
            l.set(largest, Expr::binary(Binary::Max, value(largest), magnitude));
        });
        let exponent = Expr::binary(Binary::Shr, value(largest), int(23));
        let exponent = Expr::binary(Binary::Max, exponent, int(format.least as i64));
        let exponent = self.name_value("exponent", exponent);
        let place = int(23 - format.width.input_bits as i64);
        let place = self.name_value("place", Expr::binary(Binary::Add, exponent.clone(), place));
        let exponent = self.name_value("scale", Expr::binary(Binary::Shl, exponent, int(23)));
        let finite = Expr::binary(Binary::Lt, value(largest), int(0x7f80_0000));
        let poison = self.name_value("poison", Expr::select(finite, int(0), int(0x7fc0_0000)));
        let zero = Expr::binary(Binary::Eq, value(largest), int(0));
        let start = match format.start {
            0 => int(0),
            start => self.name_value("start", Expr::select(zero, int(0), int(start as i64))),
        };
        Running { layer, weights, factors, powers, place, exponent, poison, start }
    }

    /// Writes what is done with the mantissas of some inputs, each given by its index and where its weights begin, unless all of them
    /// are zero.
    pub(super) fn with_inputs(
        &mut self,
        r: &Running,
        places: &[(Vec<Index>, Index)],
        write: impl FnOnce(&mut Self, &[Input]),
    ) {
        let mut all = Vec::new();
        for (at, _) in places {
            let bits = self.element(r.layer.x, at).bits(DType::I32);
            all.push(self.name_value("bits", bits));
        }
        // Of pictures and behind rectifiers most are.
        let any = all.iter().cloned().reduce(|a, b| Expr::binary(Binary::Or, a, b)).expect("an input");
        self.when(Some(any.cast(DType::Bool)), |l| {
            let mut inputs = Vec::new();
            for (bits, (at, weights)) in all.into_iter().zip(places) {
                let whole = l.mantissa(bits, r, r.powers.map(|p| p.power(at)));
                let parts = match r.layer.format.width.low_bits as i64 {
                    0 => vec![whole],
                    low => {
                        let high = Expr::binary(Binary::Shr, whole.clone(), int(low));
                        let high = l.name_value("high", high);
                        let low = Expr::binary(Binary::And, whole, int((1 << low) - 1));
                        vec![high, l.name_value("low", low)]
                    }
                };
                inputs.push(Input { parts, weights: weights.clone() });
            }
            write(l, &inputs)
        })
    }

    /// The bits of a float without a sign, its exponent taken down by `power`: less than 0 where nothing is left of it. What is not
    /// finite stays so.
    fn taken_down(&mut self, magnitude: Expr, power: Expr) -> Expr {
        let magnitude = self.name_value("magnitude", magnitude);
        let by = Expr::binary(Binary::Shl, power, int(23));
        let finite = Expr::binary(Binary::Lt, magnitude.clone(), int(0x7f80_0000));
        Expr::select(finite, Expr::binary(Binary::Sub, magnitude.clone(), by), magnitude)
    }

    /// A float with these bits as an integer, to nearest, halves away from zero. A float so small that it has no normal mantissa is 0.
    fn mantissa(&mut self, bits: Expr, r: &Running, power: Option<Expr>) -> Expr {
        let positive = r.layer.positive;
        let exponent = Expr::binary(Binary::Shr, bits.clone(), int(23));
        let exponent = if positive { exponent } else { Expr::binary(Binary::And, exponent, int(255)) };
        let fraction = Expr::binary(Binary::And, bits.clone(), int(0x7f_ffff));
        let fraction = Expr::binary(Binary::Or, fraction, int(0x80_0000));
        let shift = Expr::binary(Binary::Sub, r.place.clone(), exponent);
        let shift = power.into_iter().fold(shift, |s, power| Expr::binary(Binary::Add, s, power));
        let shifted = Expr::binary(Binary::Shr, fraction, self.name_value("shift", shift));
        let rounded = Expr::binary(Binary::Add, shifted, int(1));
        let rounded = Expr::binary(Binary::Shr, rounded, int(1));
        if positive {
            return self.name_value("x", rounded);
        }
        let sign = Expr::binary(Binary::Shr, bits, int(31));
        let sign = self.name_value("sign", sign);
        let turned = Expr::binary(Binary::Xor, rounded, sign.clone());
        self.name_value("x", Expr::binary(Binary::Sub, turned, sign))
    }

    /// Adds the products of some inputs with `width` weights of each to the sums from `first` on.
    pub(super) fn add_inputs(
        &mut self,
        r: &Running,
        inputs: &[Input],
        (sums, first): (ArrayId, &Index),
        width: usize,
    ) {
        let f = &r.layer.format;
        let add = |l: &mut Self, j: Index| {
            let at = first.plus(&j);
            let mut sum = Expr::LoadLocal(sums, DType::I32, at.clone());
            for input in inputs {
                let weight = Expr::Load(r.weights, f.width.dtype, input.weights.plus(&j)).cast(DType::I32);
                let weight = if input.parts.len() > 1 { l.name_value("w", weight) } else { weight };
                for (part, shift) in input.parts.iter().zip([f.shift, f.shift + f.width.low_bits]) {
                    let product = Expr::binary(Binary::Mul, part.clone(), weight.clone());
                    let product = match shift {
                        0 => product,
                        s => Expr::binary(Binary::Shr, product, int(s as i64)),
                    };
                    sum = Expr::binary(Binary::Add, sum, product);
                }
            }
            l.push(Stmt::StoreLocal(sums, at, sum));
        };
        self.repeat_unrolled(width, add)
    }

    /// The float that a sum of output `output` stands for.
    pub(super) fn float_of(&mut self, r: &Running, sum: Expr, output: &Index) -> Expr {
        let of_output = match r.factors {
            Some(factors) => Expr::Load(factors, DType::I32, output.clone()),
            None => int(r.layer.format.factors[0] as i64),
        };
        let bits = Expr::binary(Binary::Add, of_output, r.exponent.clone());
        let factor = Expr::binary(Binary::Or, bits, r.poison.clone()).bits(DType::F32);
        Expr::binary(Binary::Mul, sum.cast(DType::F32), factor)
    }

    /// True when no element of `x` has a sign but NaN and zeros: it comes from a rectifier, at most `depth` operations before.
    pub(super) fn never_negative(&self, x: NodeId, depth: usize) -> bool {
        let node = self.node(x);
        let of = |i: usize| depth > 0 && self.never_negative(node.operands[i], depth - 1);
        match &node.op {
            // The same elements elsewhere.
            op if op.traits().class == Class::View => of(0),
            Op::Pool { kind: PoolKind::Max, .. } => of(0),
            Op::Binary(Binary::Max) => of(0) || of(1),
            Op::Binary(Binary::Min | Binary::Add | Binary::Mul) => of(0) && of(1),
            Op::Concat { .. } => (0..node.operands.len()).all(of),
            Op::Constant(v) => v.to_f64().iter().all(|x| *x >= 0.0 && x.is_sign_positive()),
            // Of the results of others nothing is known.
            _ => false,
        }
    }
}
