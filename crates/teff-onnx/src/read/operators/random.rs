//! Operators that draw random numbers.
//!
//! A graph is a function of its inputs, so the numbers are drawn once, while reading: constants from then on, and a note says so.
//! With a seed they are those of ONNX's reference evaluator; without, each node has a stream of its own, the same at every reading.

use super::*;

pub(super) const TABLE: Table = &[
    ("Bernoulli", Many(bernoulli)),
    ("Dropout", Many(dropout)),
    ("Multinomial", Many(multinomial)),
    ("RandomNormal", Many(|n| of_shape(n, true))),
    ("RandomNormalLike", Many(|n| like(n, true))),
    ("RandomUniform", Many(|n| of_shape(n, false))),
    ("RandomUniformLike", Many(|n| like(n, false))),
];

/// `count` numbers in `[0, 1)`, or normal ones, of this node's own stream.
fn drawn(n: &mut Node, count: usize, draw: fn(&mut Mt19937) -> f64) -> Lowered<Vec<f64>> {
    n.spend(count)?;
    // An integer of Dropout, a float of the others.
    let given = n.attribute("seed").map(|a| if a.f == 0.0 { a.i as f64 } else { f64::from(a.f) });
    let seed = match given {
        Some(seed) if (0.0..4_294_967_296.0).contains(&seed) => seed as u32,
        Some(seed) => return invalid!("the seed {seed} is not between 0 and 4294967295"),
        None => n.reader.own_seed(),
    };
    let node = n.described();
    n.reading().note(format!("{node}: its random numbers are drawn once, now, with seed {seed}; every run of the network uses the same"));
    let mut stream = Mt19937::new(seed);
    Ok((0..count).map(|_| draw(&mut stream)).collect())
}

/// Numbers of a float type in this shape, normal ones or uniform ones.
fn distributed(n: &mut Node, element: ElementType, shape: &[usize], normal: bool) -> Lowered<Outputs> {
    let ty = Type::new(holder(element), shape);
    ensure!(ty.dtype.is_float(), "random numbers are floats, not {}", element.name());
    let (numbers, scale, offset) = if normal {
        (drawn(n, ty.len(), Mt19937::normal)?, n.float("scale", 1.0), n.float("mean", 0.0))
    } else {
        let low = n.float("low", 0.0);
        (drawn(n, ty.len(), Mt19937::uniform)?, n.float("high", 1.0) - low, low)
    };
    // Computed in that type.
    let value = Value::from_fn(&ty, |i| {
        Num::Float(match ty.dtype {
            DType::F64 => numbers[i] * scale + offset,
            _ => (numbers[i] as f32 * scale as f32 + offset as f32).into(),
        })
    });
    let value = converted(&Tensor::constant(value).into(), element, true, "up")?;
    Ok(vec![OnnxValue::narrow(value, element)])
}

fn of_shape(n: &mut Node, normal: bool) -> Lowered<Outputs> {
    let Some(shape) = n.sizes("shape")? else { return invalid!("the attribute \"shape\" is missing") };
    let element = n.element("dtype")?.unwrap_or(element(1)?);
    distributed(n, element, &shape, normal)
}

fn like(n: &mut Node, normal: bool) -> Lowered<Outputs> {
    let x = n.typed(0)?;
    let element = n.element("dtype")?.unwrap_or(x.element);
    distributed(n, element, x.tensor.shape(), normal)
}

/// One with the probability that each element of the input is, else zero.
fn bernoulli(n: &mut Node) -> Lowered<Outputs> {
    let x = n.typed(0)?;
    let to = n.element("dtype")?.unwrap_or(x.element);
    let x = x.tensor;
    ensure!(x.dtype().is_float(), "takes probabilities, not {x}");
    let numbers = drawn(n, x.len(), Mt19937::uniform)?;
    let u = Tensor::constant(Value::from_fn(&x.ty(), |i| Num::Float(numbers[i])));
    // Which side of a number is a one is as numpy has it, whose binomial numbers are those of the less likely side.
    let likely = u.less_equal(&x);
    let unlikely = (1.0 - &x).less(&u);
    let one = x.less_equal(0.5).select(&unlikely, &likely);
    Ok(vec![OnnxValue::narrow(converted(&one.into(), to, true, "up")?, to)])
}

/// Classes drawn by their unnormalised log-probabilities `[batch, classes]`: `[batch, sample_size]`.
fn multinomial(n: &mut Node) -> Lowered<Outputs> {
    let x = n.x(0)?;
    let to = n.element("dtype")?.unwrap_or(ElementType::Plain(DType::I32));
    let (&[batch, classes], Ok(samples)) = (x.shape(), usize::try_from(n.int("sample_size", 1))) else {
        return invalid!("takes [batch, classes] and a sample_size that is not negative, not {x}");
    };
    ensure!(classes != 0, "there is no class to draw");
    let count = batch.saturating_mul(samples);
    n.spend(count.saturating_mul(classes))?;
    let numbers = drawn(n, count, Mt19937::uniform)?;
    let u = Value::from_fn(&Type::new(x.dtype(), [batch, samples, 1]), |i| Num::Float(numbers[i]));
    // Of the classes but the last, those that end at or below the number are passed over.
    let ends = x.softmax(1).cumsum(1, false, false).narrow(1, 0, classes - 1).unsqueeze(1);
    let class = ends.less_equal(Tensor::constant(u)).cast(DType::I32).sum(&[2]);
    Ok(vec![OnnxValue::narrow(converted(&class.into(), to, true, "up")?, to)])
}

/// Outside training the identity, and a mask that keeps everything. In training an element is kept where a number is not below the
/// ratio, and what is kept is scaled so that the expectation stays.
fn dropout(n: &mut Node) -> Lowered<Outputs> {
    n.ignore(&["consumed_inputs"]);
    let x = n.typed(0)?;
    let ratio = n.optional_number_of(1, "ratio")?.unwrap_or(n.float("ratio", 0.5));
    let training = n.optional_number_of(2, "training_mode")?.is_some_and(|t| t != 0.0);
    if n.version < 7 && !n.flag("is_test", true) && ratio != 0.0 {
        return unsupported("is_test is off", "export the model for inference");
    }
    if !training || ratio == 0.0 {
        n.ignore(&["seed", "is_test"]);
        let mask = Tensor::full(Type::new(DType::Bool, x.tensor.shape()), 1.0);
        return Ok(vec![OnnxValue::Tensor(x), mask.into()]);
    }
    ensure!((0.0..1.0).contains(&ratio), "the ratio {ratio} is not at least 0 and below 1");
    let numbers = drawn(n, x.tensor.len(), Mt19937::uniform)?;
    let ty = Type::new(DType::Bool, x.tensor.shape());
    let mask = Tensor::constant(Value::from_fn(&ty, |i| Num::Int((numbers[i] >= ratio).into())));
    let y = mask.cast(x.tensor.dtype()) * &x.tensor * (1.0 / (1.0 - ratio));
    Ok(vec![OnnxValue::narrow(converted(&y.into(), x.element, true, "up")?, x.element), mask.into()])
}

const N: usize = 624;
const M: usize = 397;

/// A stream of random numbers: those of numpy's `RandomState`, which ONNX's reference evaluator draws from.
///
/// The generator is MT19937: M. Matsumoto and T. Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform
/// pseudorandom number generator", ACM TOMACS 8(1), 1998, with the initialisation of 2002.
struct Mt19937 {
    state: [u32; N],
    next: usize,
    /// The second of a pair of normal numbers.
    kept: Option<f64>,
}

impl Mt19937 {
    fn new(seed: u32) -> Mt19937 {
        let mut state = [seed; N];
        for i in 1..N {
            let before = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(before ^ before >> 30).wrapping_add(i as u32);
        }
        Mt19937 { state, next: N, kept: None }
    }

    fn twist(&mut self) {
        for i in 0..N {
            let joined = self.state[i] & 0x8000_0000 | self.state[(i + 1) % N] & 0x7fff_ffff;
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ joined >> 1 ^ odd;
        }
        self.next = 0;
    }

    fn word(&mut self) -> u32 {
        if self.next == N {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    fn uniform(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// Normal with mean 0 and deviation 1: two at a time by the polar method (Marsaglia and Bray, SIAM Review 6(3), 1964).
    fn normal(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        loop {
            let (a, b) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = a * a + b * b;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.kept = Some(factor * a);
                return factor * b;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mt19937;

    /// `numpy.random.RandomState(5489).randint(0, 2**32, 10000, dtype=numpy.uint32)` ends so, as the standard of C++ says of
    /// `mt19937`.
    #[test]
    fn the_ten_thousandth_word_is_that_of_the_standard() {
        let mut draw = Mt19937::new(5489);
        assert_eq!((0..10_000).map(|_| draw.word()).last(), Some(4_123_659_995));
    }
}
