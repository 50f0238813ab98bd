//! Small functions for arithmetic that C's operators do not do, or leave undefined. Only those used are printed.

use super::expr::c_type;
use super::{functions, micro};
use crate::armv6m::of_bits;
use std::collections::BTreeSet;
use teff_graph::{Binary, DType, Num, Unary};

const ROLLED: &str =
    "/* Keeps gcc from unrolling a short loop before it has vectorised the loops beside it. */
#if defined(__GNUC__) && !defined(__clang__)
#define KEEP_ROLLED _Pragma(\"GCC unroll 1\")
#else
#define KEEP_ROLLED
#endif

";

/// gcc (12.2, `-O2` without inlining) computes the address of one array from that of another in the same object, with no pointer left to
/// begin from. Its search for functions without effects takes the access for one through a null pointer, reads no further, and the call
/// of a function that only stores such results is dropped. An empty statement that may write any memory, outside of the loop, is seen.
const WRITES: &str =
    "/* Makes no instruction. Without it, gcc can overlook what a loop stores, and drop the calls of the function. */
#if defined(__GNUC__) && !defined(__clang__)
#define WRITES_MEMORY __asm__ volatile(\"\" ::: \"memory\")
#else
#define WRITES_MEMORY ((void)0)
#endif

";

/// A function that generated code may need. Those that others call come before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Helper {
    /// What both forms of [`crate::program::RowSums`] need, with weights of so many bits.
    RowList(u8),
    RowSums(u8),
    RowSumsOfRuns(u8),
    WindowSums,
    /// [`crate::program::PairSums`] with weights of so many bits.
    PairSums(u8),
    /// The 32 bits of a float as an integer, or of an integer as a float.
    Bits(DType),
    /// A float as an integer of so many bits: [`crate::program::Quantizer`].
    Quantize(usize),
    /// An integer of a few bits times a scale.
    Scaled,
    /// Of 32-bit floats, exponentials are computed in integers where there is no float unit.
    Unary(Unary, DType),
    /// What C's operators do not do, or leave undefined.
    Binary(Binary, DType),
    /// Truncates and saturates.
    FromFloat(DType, DType),
}

/// The functions needed so far.
#[derive(Default)]
pub(super) struct Helpers {
    needed: BTreeSet<Helper>,
    /// Those that others need where there is no float unit.
    soft: BTreeSet<Helper>,
    /// Whether `math.h` is needed.
    pub(super) math: bool,
    /// Whether a loop stays rolled.
    pub(super) rolled: bool,
    /// Whether a function marks itself as one that writes memory.
    pub(super) writes: bool,
}

impl Helpers {
    /// Notes that `helper` is called; its name.
    pub(super) fn need(&mut self, helper: Helper) -> String {
        let (exp, bits) = (Helper::Unary(Unary::Exp, DType::F32), [DType::I32, DType::F32].map(Helper::Bits));
        match helper {
            Helper::RowSums(bits) | Helper::RowSumsOfRuns(bits) => {
                self.needed.insert(Helper::RowList(bits));
            }
            Helper::Binary(Binary::Pow, d) => {
                self.needed.insert(Helper::Binary(Binary::Mul, d));
            }
            Helper::Unary(Unary::Abs, d) if d.is_signed_int() => {
                self.needed.insert(Helper::Unary(Unary::Neg, d));
            }
            Helper::Unary(Unary::Sigmoid, DType::F32) => {
                self.need(exp);
            }
            Helper::Unary(Unary::Sigmoid, _) => self.math = true,
            Helper::Unary(Unary::Exp | Unary::Expm1 | Unary::Tanh, _) => {
                self.math = true;
                self.soft.extend(bits);
                self.soft.insert(exp);
            }
            Helper::Quantize(_) => {
                self.need(Helper::Bits(DType::I32));
            }
            Helper::Scaled => self.soft.extend(bits),
            // The others call none.
            _ => {}
        }
        self.needed.insert(helper);
        name(helper)
    }

    /// All of them, each before its users.
    pub(super) fn definitions(&self) -> String {
        let mut out = String::new();
        if self.rolled {
            out += ROLLED;
        }
        let micro = self.needed.first().is_some_and(|first| *first < Helper::Bits(DType::Bool));
        if self.writes || micro {
            out += WRITES;
        }
        if micro {
            out += micro::MACROS;
        }
        for h in self.needed.union(&self.soft) {
            let definition = definition(*h);
            out += &match self.needed.contains(h) {
                true => format!("{}\n\n", definition.trim_end()),
                false => format!("#if defined(__SOFTFP__)\n{definition}#endif\n\n"),
            };
        }
        out
    }
}

fn name(helper: Helper) -> String {
    match helper {
        Helper::RowList(bits) => of_bits("row_sums", bits) + "_of_list",
        Helper::RowSums(bits) => of_bits("row_sums", bits),
        Helper::RowSumsOfRuns(bits) => of_bits("row_sums", bits) + "_of_runs",
        Helper::WindowSums => "window_sums".into(),
        Helper::PairSums(bits) => of_bits("pair_sums", bits),
        Helper::Binary(op @ (Binary::Add | Binary::Sub | Binary::Mul), d) => {
            format!("wrap_{}_{d}", op.name())
        }
        Helper::Binary(op, d) => format!("{}_{d}", op.name()),
        Helper::Unary(Unary::Neg, d) => format!("wrap_neg_{d}"),
        Helper::Unary(op, d) => format!("{}_{d}", op.name()),
        Helper::Bits(d) => format!("bits_{d}"),
        Helper::Quantize(bits) => format!("quantize_{bits}"),
        Helper::Scaled => "dequantize_8".into(),
        Helper::FromFloat(from, to) => format!("{to}_from_{from}"),
    }
}

/// The type that arithmetic of `d` is done in without undefined behaviour.
fn unsigned(d: DType) -> &'static str {
    match d.size() {
        8 => "uint64_t",
        _ => "uint32_t",
    }
}

fn definition(helper: Helper) -> String {
    let n = name(helper);
    let one = |d: DType, note: &str, body: &str| {
        let t = c_type(d);
        format!("{note}static inline {t} {n}({t} x)\n{{\n{body}}}\n")
    };
    let two = |d: DType, note: &str, body: &str| {
        let t = c_type(d);
        format!("{note}static inline {t} {n}({t} a, {t} b)\n{{\n{body}}}\n")
    };
    match helper {
        Helper::RowList(bits) => micro::row_sums_of_list(bits),
        Helper::RowSums(bits) => micro::row_sums(bits),
        Helper::RowSumsOfRuns(bits) => micro::row_sums_of_runs(bits),
        Helper::WindowSums => micro::window_sums(),
        Helper::PairSums(8) => micro::byte_pair_sums(),
        Helper::PairSums(bits) => micro::pair_sums(bits),
        Helper::Binary(op, d) => {
            let (note, body) = binary(op, d);
            two(d, note, &body)
        }
        Helper::Unary(Unary::Exp, DType::F32) => functions::EXP.into(),
        Helper::Unary(Unary::Expm1, _) => functions::EXPM1.into(),
        Helper::Unary(Unary::Tanh, _) => functions::TANH.into(),
        Helper::Unary(op, d) => {
            let (note, body) = unary(op, d);
            one(d, note, &body)
        }
        Helper::Bits(d) => {
            let from = c_type(if d.is_float() { DType::I32 } else { DType::F32 });
            let t = c_type(d);
            format!(
                "/* The same bits (C99 6.5.2.3, note 82). */\nstatic inline {t} {n}({from} x)\n{{\n    union {{\n        {from} from;\n        {t} to;\n    }} both;\n    both.from = x;\n    return both.to;\n}}\n"
            )
        }
        Helper::Quantize(bits) => super::ends::quantize(bits),
        Helper::Scaled => super::ends::SCALED.into(),
        Helper::FromFloat(from, to) => from_float(from, to, &n),
    }
}

fn unary(op: Unary, d: DType) -> (&'static str, String) {
    let (t, literal) = (c_type(d), |x: f64| super::data::float_literal(d, x));
    let library = || unreachable!("a function of C's library, or an operator");
    match op {
        Unary::Neg => ("", format!("    return ({t})(0u - ({})x);\n", unsigned(d))),
        Unary::Abs if !d.is_signed_int() => ("", "    return x;\n".into()),
        Unary::Abs => ("", format!("    return x < 0 ? wrap_neg_{d}(x) : x;\n")),
        Unary::Sign if d.is_float() => {
            let (zero, unit) = (literal(0.0), literal(1.0));
            let body = format!("    return x > {zero} ? {unit} : x < {zero} ? -{unit} : x;\n");
            ("/* A zero keeps its sign, NaN stays. */\n", body)
        }
        Unary::Sign if d.is_signed_int() => ("", format!("    return ({t})((x > 0) - (x < 0));\n")),
        Unary::Sign => ("", "    return x > 0 ? 1 : 0;\n".into()),
        Unary::Sigmoid => {
            let (unit, exp) = (literal(1.0), if d == DType::F32 { "exp_f32" } else { "exp" });
            ("", format!("    return {unit} / ({unit} + {exp}(-x));\n"))
        }
        Unary::Floor | Unary::Ceil | Unary::Round | Unary::Sqrt | Unary::Exp | Unary::Expm1 | Unary::Log => {
            library()
        }
        Unary::Sin | Unary::Cos | Unary::Tan | Unary::Asin | Unary::Acos | Unary::Atan => library(),
        Unary::Sinh | Unary::Cosh | Unary::Tanh | Unary::Asinh | Unary::Acosh | Unary::Atanh => library(),
        Unary::Erf | Unary::Erfc | Unary::Not | Unary::IsNan | Unary::IsInf | Unary::StopGradient => {
            library()
        }
    }
}

fn binary(op: Binary, d: DType) -> (&'static str, String) {
    let (t, u) = (c_type(d), unsigned(d));
    let bits = 8 * d.size();
    let arithmetic = |sign: &str| format!("    return ({t})(({u})a {sign} ({u})b);\n");
    let in_range = if d.is_signed_int() { format!("b >= 0 && b < {bits}") } else { format!("b < {bits}") };
    match op {
        Binary::Add => ("", arithmetic("+")),
        Binary::Sub => ("", arithmetic("-")),
        Binary::Mul => ("", arithmetic("*")),
        Binary::Div if d.size() < 4 => {
            ("/* x / 0 is 0. */\n", format!("    return ({t})(b == 0 ? 0 : a / b);\n"))
        }
        Binary::Rem if d.size() < 4 => {
            ("/* x % 0 is 0. */\n", format!("    return ({t})(b == 0 ? 0 : a % b);\n"))
        }
        Binary::Div if d.is_signed_int() => (
            "/* x / 0 is 0; the smallest number divided by -1 wraps. */\n",
            format!("    return b == 0 ? 0 : b == -1 ? ({t})(0u - ({u})a) : a / b;\n"),
        ),
        Binary::Div => ("/* x / 0 is 0. */\n", "    return b == 0 ? 0 : a / b;\n".into()),
        Binary::Rem if d.is_signed_int() => {
            ("/* x % 0 is 0. */\n", "    return b == 0 || b == -1 ? 0 : a % b;\n".into())
        }
        Binary::Rem => ("/* x % 0 is 0. */\n", "    return b == 0 ? 0 : a % b;\n".into()),
        Binary::Shl => {
            ("/* 0 when nothing stays. */\n", format!("    return ({t})({in_range} ? ({u})a << b : 0);\n"))
        }
        Binary::Shr if d.is_signed_int() => (
            "/* All sign when nothing stays. */\n",
            format!("    return ({t})({in_range} ? a >> b : a < 0 ? -1 : 0);\n"),
        ),
        Binary::Shr => {
            ("/* 0 when nothing stays. */\n", format!("    return ({t})({in_range} ? a >> b : 0);\n"))
        }
        Binary::MulHigh => ("/* The upper half of a product. */\n", MUL_HIGH.into()),
        Binary::Pow => ("/* Wraps; 1 / a^-b truncated when b is negative. */\n", power(d)),
        Binary::Max | Binary::Min => {
            let sign = if op == Binary::Max { ">" } else { "<" };
            match d.is_float() {
                true => ("/* NaN if either is. */\n", format!("    return b {sign} a || b != b ? b : a;\n")),
                false => ("", format!("    return b {sign} a ? b : a;\n")),
            }
        }
        Binary::And | Binary::Or | Binary::Xor | Binary::Eq | Binary::Lt | Binary::Le => {
            unreachable!("printed as operators")
        }
    }
}

/// Where there is only a 32-bit multiplier, four products of halves are a third of the work of a 64-bit one.
const MUL_HIGH: &str = r#"#if defined(__ARM_ARCH_6M__)
    const uint32_t a0 = (uint16_t)a, b0 = (uint16_t)b;
    const int32_t a1 = a >> 16, b1 = b >> 16;
    const int32_t middle = a1 * (int32_t)b0 + (int32_t)(a0 * b0 >> 16);
    const int32_t carry = ((int32_t)(uint16_t)middle + (int32_t)a0 * b1) >> 16;
    return a1 * b1 + (middle >> 16) + carry;
#else
    return (int32_t)((int64_t)a * b >> 32);
#endif
"#;

fn power(d: DType) -> String {
    let t = c_type(d);
    let mul = format!("wrap_mul_{}", d.name());
    let negative = if d.is_signed_int() {
        "    if (a == -1) {\n        return b % 2 == 0 ? 1 : -1;\n    }\n    if (b < 0) {\n        return a == 1 ? 1 : 0;\n    }\n"
    } else {
        ""
    };
    format!(
        "{negative}    {t} power = 1;\n    while (b > 0) {{\n        if (b % 2 == 1) {{\n            power = {mul}(power, a);\n        }}\n        a = {mul}(a, a);\n        b = ({t})(b / 2);\n    }}\n    return power;\n"
    )
}

fn from_float(from: DType, to: DType, name: &str) -> String {
    let (low, high) = to.int_range().expect("an integer type");
    // Bounds that a float holds exactly, or, for the upper one, the power of two above.
    let upper = if from == DType::F32 && to.size() > 2 || to.size() > 4 { high + 1 } else { high };
    let literal = |i: i128| super::data::float_literal(from, i as f64);
    let (f, t) = (c_type(from), c_type(to));
    let [least, most] = [low, high].map(|i| super::data::literal(to, Num::Int(i)));
    format!(
        "/* Truncates and saturates; NaN is 0. */\nstatic inline {t} {name}({f} x)\n{{\n    if (x != x) {{\n        return 0;\n    }}\n    return x <= {} ? {least} : x >= {} ? {most} : ({t})x;\n}}\n",
        literal(low),
        literal(upper)
    )
}
