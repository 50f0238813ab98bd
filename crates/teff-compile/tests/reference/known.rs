//! Where oracles differ from each other, and which of them teff follows: the table behind a section of `docs/conformance.md`.

#![allow(dead_code, reason = "one of the tests needs the text alone")]

/// An operator of which one oracle says something else than teff.
pub(crate) struct Known {
    pub(crate) operator: &'static str,
    /// What differs, and why teff does not follow.
    pub(crate) why: &'static str,
    /// No oracle agrees: the numbers are teff's own.
    pub(crate) own: bool,
}

const fn known(operator: &'static str, why: &'static str) -> Known {
    Known { operator, why, own: false }
}

const fn own(operator: &'static str, why: &'static str) -> Known {
    Known { operator, why, own: true }
}

const STEEP: &str = "onnxruntime subtracts 1 from the exponential, which leaves no digit of a small number";
const RATIONAL: &str =
    "onnxruntime's sigmoid and tanh are rational approximations: 0 where little is left, or beyond 1";
const ENDS: &str = "window larger than the axis without `ceil_mode`: ONNX's formula gives no element, which is no network; teff says so";
const VARIANCE: &str = "the variance of both oracles is the mean of squares less the square of the mean, which cancels, and overflows to NaN; \
     teff takes the mean of squared differences, as for every other normalisation";

/// Beside onnx.reference.
pub(crate) const REFERENCE: &[Known] = &[
    own("AveragePool", ENDS),
    own(
        "Cast",
        "a float that the integer type does not hold, or NaN: undefined in ONNX; the oracles give what the processor gives, teff the \
         nearest integer there is, and 0 for NaN, on every target",
    ),
    known("GlobalMaxPool", "the reference drops a spatial axis of `[N, C, L]`"),
    own("GroupNormalization", VARIANCE),
    own("LRN", "the reference takes the batch's size for the number of channels"),
    known(
        "LogSoftmax",
        "the reference takes the logarithm of a softmax that has become 0; teff stays in logarithms, as onnxruntime does",
    ),
    known("LpNormalization", "with p = 1 the reference sums the numbers, not their magnitudes"),
    own("LpPool", ENDS),
    own("MaxPool", ENDS),
    known("MeanVarianceNormalization", VARIANCE),
    known("OneHot", "the reference does not count negative indices from the end"),
    known("QuantizeLinear", "what is beyond 32 bits wraps in the reference; ONNX asks for saturation"),
    own(
        "ScatterElements",
        "`reduction=max` or `min` and NaN: the oracles keep the number that was there first, teff NaN, as `Max` and `Min` do",
    ),
    known("SoftmaxCrossEntropyLoss", "as `LogSoftmax`"),
];

/// Beside onnxruntime.
pub(crate) const ONNXRUNTIME: &[Known] = &[
    known("AffineGrid", "`align_corners` and an axis of one element: at -1, in onnxruntime at 1"),
    own("AveragePool", ENDS),
    known("Attention", "a query that may see nothing gives zeros, as the operator says, not NaN"),
    own("Cast", "as above"),
    known("Celu", STEEP),
    known("DFT", "onnxruntime computes sines in floats and sums without care for what cancels"),
    known("Elu", STEEP),
    known("GRU", RATIONAL),
    known(
        "GridSample",
        "`cubic`: onnxruntime leaves out elements whose weight is 0, the reference makes NaN of an infinite one",
    ),
    own("GroupNormalization", VARIANCE),
    known("Hardmax", "the first NaN wins, as in `ArgMax`; in onnxruntime it never does"),
    known(
        "InstanceNormalization",
        "a single element less its mean is 0, in onnxruntime what rounding leaves of it",
    ),
    known(
        "LRN",
        "a NaN or an infinity reaches its neighbours only; onnxruntime subtracts from a running sum what it has passed",
    ),
    known("LSTM", RATIONAL),
    known("MatMul", "a sum that overflows on the way is what its order makes of it; onnxruntime has another"),
    known("MeanVarianceNormalization", VARIANCE),
    known("RNN", RATIONAL),
    known("ReduceProd", "onnxruntime multiplies in another order, in which an infinity meets a 0"),
    known(
        "Resize",
        "`align_corners` and `pytorch_half_pixel` where the result has less than two elements by its scale",
    ),
    own("ScatterElements", "as above"),
    known("Selu", STEEP),
    known("Sigmoid", RATIONAL),
    known("Tanh", RATIONAL),
];

/// The section of the book.
pub(crate) fn section() -> String {
    let mut text = String::from(
        "## At the edges of floats\n\n\
         1 500 random operations, fed NaN, infinities, the largest and the smallest floats, are compared with `onnx.reference`, in floats and\n\
         in doubles, and with onnxruntime: NaN and infinities where they are, numbers within 1e-5 of themselves. A third of them are compared\n\
         through C too. Made by `TEFF_BLESS=1 cargo test -p teff-compile --test operations`.\n\n\
         - teff follows the reference, also where its formula overflows or meets infinity less infinity: `ReduceLogSumExp` of infinities\n\
         alone, GELU and Mish of minus infinity are NaN.\n\
         - Where a formula cancels in floats, teff keeps the digits that the reference has in doubles: softplus, log-softmax, ELU and its kin,\n\
         GELU and Mish far below 0.\n\
         - Where oracles differ and one follows the operator's text, teff follows that one.\n",
    );
    for (oracle, list) in [("onnx.reference", REFERENCE), ("onnxruntime", ONNXRUNTIME)] {
        text += &format!("\n| not as {oracle} | what differs |\n|---|---|\n");
        list.iter().for_each(|k| text += &format!("| {} | {} |\n", k.operator, k.why));
    }
    text
}
