//! Fourier transforms, and the inverse of unfolding.

use super::*;

pub(super) const TABLE: Table = &[("Col2Im", Of(col2im)), ("DFT", Of(dft)), ("STFT", Of(stft))];

/// Transforms longer than this are refused: of a prime length, they take a matrix with as many rows and columns.
const LONGEST: usize = 1 << 11;

/// Real and imaginary parts, `[.., n]` each; the second nothing for real signals.
struct ComplexSignal {
    real: Tensor,
    imaginary: Option<Tensor>,
}

impl ComplexSignal {
    /// From `[.., n, 1 or 2]`.
    fn of(x: &Tensor) -> Lowered<ComplexSignal> {
        let last = x.rank().checked_sub(1).filter(|&l| l > 0 && (1..=2).contains(&x.shape()[l]));
        let Some(last) = last else { return invalid!("takes [.., 1 or 2], not {x}") };
        let imaginary = (x.shape()[last] == 2).then(|| x.pick(last, 1));
        Ok(ComplexSignal { real: x.pick(last, 0), imaginary })
    }

    fn map(&self, f: impl Fn(&Tensor) -> Tensor) -> ComplexSignal {
        ComplexSignal { real: f(&self.real), imaginary: self.imaginary.as_ref().map(f) }
    }

    /// The transform along the last axis, of this length, `[.., k, 2]`; `[.., n, 1]` for a one-sided inverse one.
    fn transform(&self, length: usize, inverse: bool, onesided: bool) -> Lowered {
        ensure!(length != 0 && length <= LONGEST, "a transform of length {length}");
        let half = length / 2 + 1;
        if inverse && onesided {
            let zero = self.real.full_like(0.0);
            let y = self.real.inverse_real_dft(self.imaginary.as_ref().unwrap_or(&zero), length);
            return Ok(y.unsqueeze(-1));
        }
        let rank = self.real.rank();
        let parts = match &self.imaginary {
            None if onesided => self.real.real_dft(),
            imaginary => self.real.dft(imaginary.as_ref(), inverse),
        };
        let kept = if onesided { half } else { length };
        Ok(Tensor::stack(&[parts.0, parts.1].map(|t| t.narrow(rank - 1, 0, kept)), rank))
    }
}

/// The axis is an attribute before version 20, then an input.
fn dft(n: &mut Node, x: Tensor) -> Lowered {
    let (inverse, onesided) = (n.flag("inverse", false), n.flag("onesided", false));
    let axis = if n.version < 20 {
        n.int("axis", 1)
    } else if matches!(n.item(2), OnnxValue::Absent) {
        -2
    } else {
        n.int_of(2, "axis")?
    };
    let axis = axis_of(axis, x.rank())?;
    let signal = ComplexSignal::of(&x)?;
    ensure!(axis + 1 != x.rank(), "the last axis is that of real and imaginary parts");
    let length = match n.optional_ints_of(1, "dft_length")? {
        Some(list) => sizes(&list, "dft_length")?.first().copied().unwrap_or(0),
        None if inverse && onesided => 2 * x.shape()[axis].saturating_sub(1),
        None => x.shape()[axis],
    };
    let taken = if inverse && onesided { length / 2 + 1 } else { length };
    ensure!(length <= LONGEST, "a transform of length {length}");
    let signal = signal.map(|t| t.swap_axes(axis as isize, -1).fitted(t.rank() - 1, taken));
    n.spend(2 * length * length)?;
    let y = signal.transform(length, inverse, onesided)?;
    Ok(y.swap_axes(axis as isize, -2))
}

/// Windows of the signal, `frame_step` apart, each transformed.
fn stft(n: &mut Node, x: Tensor) -> Lowered {
    let step = usize::try_from(n.int_of(1, "frame_step")?).unwrap_or(0);
    let window = n.optional(2)?;
    let length = match n.optional_ints_of(3, "frame_length")? {
        Some(list) => sizes(&list, "frame_length")?.first().copied().unwrap_or(0),
        None => window.as_ref().map_or(x.shape().get(1).copied().unwrap_or(0), Tensor::len),
    };
    let onesided = n.flag("onesided", true);
    let x = if x.rank() == 2 { x.unsqueeze(-1) } else { x };
    let signal = ComplexSignal::of(&x)?;
    let samples = x.shape()[1];
    ensure!(
        x.rank() == 3 && step != 0 && length != 0 && length <= samples && length <= LONGEST,
        "frames of {length} samples, {step} apart, of {x}"
    );
    let frames = (samples - length) / step + 1;
    n.spend(frames.saturating_mul(length).saturating_add(2 * length * length))?;
    // Computed, since a table of them would be longer than the signal.
    let ty = Type::new(DType::I32, [frames, length]);
    let positions = Tensor::iota(ty.clone(), 0) * step as f64 + Tensor::iota(ty, 1);
    let framed = signal.map(|t| {
        let t = t.take(&positions, 1);
        window.as_ref().map_or(t.clone(), |w| t * w)
    });
    framed.transform(length, false, onesided)
}

/// Blocks put back to where they were cut out, overlaps added.
fn col2im(n: &mut Node, x: Tensor) -> Lowered {
    let image = n.sizes_of(1, "image_shape")?;
    let block = n.sizes_of(2, "block_shape")?;
    let axes = image.len();
    let stride = per_axis(n, "strides", axes, 1)?;
    let dilation = per_axis(n, "dilations", axes, 1)?;
    let pads = explicit_pads(n, axes)?;
    let taps = block.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&t| t > 0 && t < 1 << 12);
    let (Some(taps), &[batch, rows, columns]) = (taps, x.shape()) else {
        return invalid!("takes [N, C * block, L] and blocks, not {x} and {block:?}");
    };
    ensure!(block.len() == axes && rows % taps == 0, "{rows} rows do not divide into blocks of {block:?}");
    let channels = rows / taps;
    let geometry =
        ConvGeometry { stride, dilation, pad_low: pads.low, pad_high: pads.high, groups: channels };
    let blocks = match geometry.window(&block).output(&image) {
        Ok(blocks) if Type::new(x.dtype(), &blocks[..]).len() == columns => blocks,
        _ => return invalid!("{columns} blocks of {block:?} do not make up an image of {image:?}"),
    };
    // Where each element goes, row-major; what falls into the padding goes nowhere.
    let ty = Type::new(DType::I64, [&block[..], &blocks[..]].concat());
    let steps = strides(&image);
    let (mut to, mut outside) =
        (Tensor::full(ty.clone(), 0.0), Tensor::full(Type::new(DType::Bool, &ty.shape[..]), 0.0));
    for axis in 0..axes {
        let tap = Tensor::iota(ty.clone(), axis) * geometry.dilation[axis] as f64;
        let at = Tensor::iota(ty.clone(), axes + axis) * geometry.stride[axis] as f64 + tap;
        let at = at - geometry.pad_low[axis] as f64;
        let fits = at.greater_equal(0.0).and(at.less(image[axis] as f64));
        outside = outside.or(fits.not());
        to = to + at * steps[axis] as f64;
    }
    let to = outside.select(-1.0, &to).flatten_all();
    let planes = batch.saturating_mul(channels);
    let zeros = Tensor::full(Type::new(x.dtype(), [planes, image.iter().product()]), 0.0);
    let sums = zeros.scatter(&to, &x.reshape(&[planes, to.len()]), 1, ScatterKind::Add);
    Ok(sums.reshape(&[&[batch, channels], &image[..]].concat()))
}
