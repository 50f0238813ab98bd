//! Where oracles differ from each other, and which of them teff follows: the tables of a section of `docs/conformance.md`.

#![allow(dead_code, reason = "one of the tests needs the text alone")]

/// An operator of which an oracle says something else than teff.
pub(crate) struct Known {
    pub(crate) operator: &'static str,
    /// What differs, and why teff does not follow.
    pub(crate) why: &'static str,
    /// No oracle need agree: the numbers are teff's own.
    pub(crate) own: bool,
}

const fn known(operator: &'static str, why: &'static str) -> Known {
    Known { operator, why, own: false }
}

const fn own(operator: &'static str, why: &'static str) -> Known {
    Known { operator, why, own: true }
}

const ABOVE: &str = "as above";
const ENDS: &str = "a window larger than the axis without `ceil_mode`: ONNX's formula gives no element, which is no network; teff says so";
const FIRST: &str = "`max` or `min` and NaN: the oracles keep the number that was there first, teff NaN, as `Max` and `Min` do";
const ORDER: &str =
    "a sum that overflows on the way, or cancels, is what its order makes of it; onnxruntime has another";
const RATIONAL: &str =
    "onnxruntime's sigmoid, tanh and erf are rational approximations: 0 where little is left, or beyond 1";
const SPREADS: &str = "an infinity, or a sum that overflows, spreads over all that it is a term of; fast transforms leave out products with 0 and 1";
const STEEP: &str = "onnxruntime subtracts 1 from the exponential, which leaves no digit of a small number";
const VARIANCE: &str = "the variance of both oracles is the mean of squares less the square of the mean, which cancels, and overflows to NaN; teff takes the mean of squared differences, as for every other normalisation";
const ZEROS: &str =
    "the reference's products leave out elements that are 0, though 0 times an infinite weight is NaN";

/// Beside onnx.reference.
pub(crate) const REFERENCE: &[Known] = &[
    own("AveragePool", ENDS),
    own(
        "Cast",
        "a float that the integer type does not hold, or NaN: undefined in ONNX; the oracles give what the processor gives, teff the nearest integer there is, and 0 for NaN, on every target",
    ),
    own(
        "Conv",
        "padding adds nothing; the oracles multiply it with the weights, of which an infinite one makes NaN",
    ),
    own("Det", "products that overflow: teff expands by rows, the oracles eliminate"),
    own("DFT", SPREADS),
    own("Gelu", "1 + erf(x) cancels below 0, in doubles too; teff keeps the digits"),
    known("GlobalMaxPool", "the reference drops a spatial axis of `[N, C, L]`"),
    own("GroupNormalization", VARIANCE),
    known("GRU", ZEROS),
    known("InstanceNormalization", "a variance that overflows: the reference divides infinities"),
    own("LRN", "the reference takes the batch's size for the number of channels"),
    known("LSTM", ZEROS),
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
        "Resize",
        "the reference weights neighbours that `nearest` does not take by 0, which makes NaN of an infinite one; teff goes axis by axis, and what overflows on the way stays infinite",
    ),
    known("RNN", ZEROS),
    own("RoiAlign", FIRST),
    own("ScatterElements", FIRST),
    known("SoftmaxCrossEntropyLoss", "as `LogSoftmax`"),
    own("STFT", SPREADS),
];

/// Beside onnxruntime.
pub(crate) const ONNXRUNTIME: &[Known] = &[
    known("AffineGrid", "`align_corners` and an axis of one element: at -1, in onnxruntime at 1"),
    known("ArgMax", "the first NaN wins, or the last where the last is asked for; in onnxruntime not always"),
    known("ArgMin", "as `ArgMax`"),
    own("AveragePool", ENDS),
    known("Attention", "a query that may see nothing gives zeros, as the operator says, not NaN"),
    own("Cast", ABOVE),
    known("Celu", STEEP),
    own("Conv", ABOVE),
    known("ConvTranspose", ORDER),
    known("DeformConv", ORDER),
    own("Det", ABOVE),
    own("DFT", SPREADS),
    known("Einsum", ORDER),
    known("Elu", STEEP),
    known("Gemm", ORDER),
    own("Gelu", ABOVE),
    known("GlobalAveragePool", ORDER),
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
    known("LayerNormalization", "onnxruntime's sums overflow later"),
    own(
        "LRN",
        "a NaN or an infinity reaches its neighbours only, where onnxruntime takes from a running sum what it has passed; and squares that overflow before their factor makes them small do not",
    ),
    known("LSTM", RATIONAL),
    own("LpPool", ENDS),
    known("MatMul", ORDER),
    own(
        "MaxPool",
        "NaN is the largest, as in `Max`; onnxruntime passes it over in dilated windows; and as above",
    ),
    known("MeanVarianceNormalization", VARIANCE),
    known("Mish", RATIONAL),
    known("ReduceLogSumExp", "of infinities alone NaN, as the reference has it, not an infinity"),
    known("ReduceProd", "onnxruntime multiplies in another order, in which an infinity meets a 0"),
    own(
        "Resize",
        "`align_corners` and `pytorch_half_pixel` where the result has less than two elements by its scale",
    ),
    known("RNN", RATIONAL),
    own("RoiAlign", ABOVE),
    known("RotaryEmbedding", "infinities less infinities; onnxruntime fuses multiplications with additions"),
    own("ScatterElements", ABOVE),
    known("Selu", STEEP),
    known("Sigmoid", RATIONAL),
    own("STFT", SPREADS),
    known("Swish", RATIONAL),
    known("Tanh", RATIONAL),
];

/// The section of the book.
pub(crate) fn section() -> String {
    let mut text = String::from(
        "## At the edges of floats\n\n\
         1 500 random operations, fed NaN, infinities, the largest and the smallest floats, are compared with `onnx.reference`, in floats and\n\
         in doubles, and with onnxruntime: NaN and infinities where they are, numbers within 1e-5 of themselves. A third of them are compared\n\
         through C too. Made by `TEFF_BLESS=1 cargo test -p teff-compile --test operations`.\n\n\
         - teff follows the reference, also where its formula overflows or meets infinity less infinity: `ReduceLogSumExp` of infinities\n  \
         alone, GELU and Mish of minus infinity are NaN.\n\
         - Where a formula cancels in floats, teff keeps the digits that the reference has in doubles: softplus, ELU and its kin, GELU and\n  \
         Mish far below 0.\n\
         - Where oracles differ and one follows the operator's text, teff follows that one.\n",
    );
    for (oracle, list) in [("onnx.reference", REFERENCE), ("onnxruntime", ONNXRUNTIME)] {
        text += &format!("\n| not as {oracle} | what differs |\n|---|---|\n");
        list.iter().for_each(|k| text += &format!("| {} | {} |\n", k.operator, k.why));
    }
    text
}
