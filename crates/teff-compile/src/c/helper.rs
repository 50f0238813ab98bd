//! Small functions for arithmetic that C's operators do not do, or leave undefined. Only those used are printed.

use super::expr::c_type;
use super::{functions, micro, packed};
use crate::armv6m::of_bits;
use std::collections::BTreeSet;
use teff_graph::{Binary, DType};

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

const BITS: [Helper; 2] = [Helper::Bits(DType::I32), Helper::Bits(DType::F32)];

/// A function that generated code may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Helper {
    /// Integer arithmetic that wraps, divides by zero, or shifts out.
    Int(Binary, DType),
    Neg(DType),
    Abs(DType),
    Sign(DType),
    Max(DType),
    Min(DType),
    /// The 32 bits of a float as an integer, or of an integer as a float.
    Bits(DType),
    /// Of 32-bit floats, in integers where there is no float unit.
    Exp,
    Expm1,
    Tanh,
    Sigmoid(DType),
    /// Truncates and saturates.
    FromFloat(DType, DType),
}

/// The functions needed so far.
#[derive(Default)]
pub(super) struct Helpers {
    needed: BTreeSet<Helper>,
    /// Those that others need where there is no float unit.
    soft: BTreeSet<Helper>,
    math: bool,
    rolled: bool,
    writes: bool,
    /// Widths of weights.
    pair_sums: BTreeSet<u8>,
    all_rows: BTreeSet<u8>,
    runs_of_rows: BTreeSet<u8>,
    window_sums: bool,
}

impl Helpers {
    /// Notes that `helper` is called; its name.
    pub(super) fn need(&mut self, helper: Helper) -> String {
        match helper {
            Helper::Int(Binary::Pow, d) => {
                self.need(Helper::Int(Binary::Mul, d));
            }
            Helper::Abs(d) if d.is_signed_int() => {
                self.need(Helper::Neg(d));
            }
            Helper::Exp => {
                self.math = true;
                self.soft.extend(BITS);
            }
            Helper::Expm1 | Helper::Tanh => {
                self.math = true;
                self.soft.extend(BITS);
                self.soft.insert(Helper::Exp);
            }
            Helper::Sigmoid(DType::F32) => {
                self.need(Helper::Exp);
            }
            Helper::Sigmoid(_) => self.math = true,
            _ => {}
        }
        self.needed.insert(helper);
        name(helper)
    }

    pub(super) fn need_math(&mut self) {
        self.math = true;
    }

    pub(super) fn need_rolled(&mut self) {
        self.rolled = true;
    }

    /// Notes that a function marks itself as one that writes memory.
    pub(super) fn need_writes(&mut self) {
        self.writes = true;
    }

    /// Notes that [`crate::program::PairSums`] with weights of `bits` is called; its name.
    pub(super) fn need_pair_sums(&mut self, bits: u8) -> String {
        self.pair_sums.insert(bits);
        of_bits("pair_sums", bits)
    }

    pub(super) fn need_window_sums(&mut self) {
        self.window_sums = true;
    }

    /// Notes that [`crate::program::RowSums`] with weights of `bits` is called, for all inputs or runs of them; its name.
    pub(super) fn need_row_sums(&mut self, bits: u8, runs: bool) -> String {
        let name = of_bits("row_sums", bits);
        if runs {
            self.runs_of_rows.insert(bits);
            return name + "_of_runs";
        }
        self.all_rows.insert(bits);
        name
    }

    pub(super) fn needs_math(&self) -> bool {
        self.math
    }

    /// All of them, each before its users.
    pub(super) fn definitions(&self) -> String {
        let mut out = String::new();
        if self.rolled {
            out += ROLLED;
        }
        let rows: BTreeSet<u8> = self.all_rows.union(&self.runs_of_rows).copied().collect();
        let micro = !self.pair_sums.is_empty() || self.window_sums || !rows.is_empty();
        if self.writes || micro {
            out += WRITES;
        }
        if micro {
            out += micro::MACROS;
        }
        for bits in &rows {
            out += &packed::row_sums_of_list(*bits);
            if self.all_rows.contains(bits) {
                out += &packed::row_sums(*bits);
            }
            if self.runs_of_rows.contains(bits) {
                out += &packed::row_sums_of_runs(*bits);
            }
        }
        if self.window_sums {
            out += &micro::window_sums();
        }
        for bits in &self.pair_sums {
            out += &if *bits == 8 { micro::pair_sums() } else { packed::pair_sums(*bits) };
        }
        let late = |h: &&Helper| matches!(h, Helper::Int(Binary::Pow, _) | Helper::Abs(_));
        let all: BTreeSet<Helper> = self.needed.union(&self.soft).copied().collect();
        for h in all.iter().filter(|h| !late(h)).chain(all.iter().filter(late)) {
            let definition = definition(*h);
            out += &match self.needed.contains(h) {
                true => definition + "\n",
                false => format!("#if defined(__SOFTFP__)\n{definition}#endif\n\n"),
            };
        }
        out
    }
}

fn name(helper: Helper) -> String {
    match helper {
        Helper::Int(op @ (Binary::Add | Binary::Sub | Binary::Mul), d) => {
            format!("wrap_{}_{}", op.name(), d.name())
        }
        Helper::Int(op, d) => format!("{}_{}", op.name(), d.name()),
        Helper::Neg(d) => format!("wrap_neg_{}", d.name()),
        Helper::Abs(d) => format!("abs_{}", d.name()),
        Helper::Sign(d) => format!("sign_{}", d.name()),
        Helper::Max(d) => format!("max_{}", d.name()),
        Helper::Min(d) => format!("min_{}", d.name()),
        Helper::Exp => "exp_f32".into(),
        Helper::Expm1 => "expm1_f32".into(),
        Helper::Tanh => "tanh_f32".into(),
        Helper::Sigmoid(d) => format!("sigmoid_{}", d.name()),
        Helper::Bits(d) => format!("bits_{}", d.name()),
        Helper::FromFloat(from, to) => format!("{}_from_{}", to.name(), from.name()),
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
        Helper::Int(op, d) => {
            let (note, body) = int_body(op, d);
            two(d, note, &body)
        }
        Helper::Neg(d) => one(d, "", &format!("    return ({})(0u - ({})x);\n", c_type(d), unsigned(d))),
        Helper::Abs(d) if !d.is_signed_int() => one(d, "", "    return x;\n"),
        Helper::Abs(d) => one(d, "", &format!("    return x < 0 ? wrap_neg_{}(x) : x;\n", d.name())),
        Helper::Sign(d) if d.is_float() => {
            let zero = super::data::float_literal(d, 0.0);
            let unit = super::data::float_literal(d, 1.0);
            one(
                d,
                "/* A zero keeps its sign, NaN stays. */\n",
                &format!("    return x > {zero} ? {unit} : x < {zero} ? -{unit} : x;\n"),
            )
        }
        Helper::Sign(d) if d.is_signed_int() => {
            one(d, "", &format!("    return ({})((x > 0) - (x < 0));\n", c_type(d)))
        }
        Helper::Sign(d) => one(d, "", "    return x > 0 ? 1 : 0;\n"),
        Helper::Max(d) if d.is_float() => {
            two(d, "/* NaN if either is. */\n", "    return b > a || b != b ? b : a;\n")
        }
        Helper::Min(d) if d.is_float() => {
            two(d, "/* NaN if either is. */\n", "    return b < a || b != b ? b : a;\n")
        }
        Helper::Max(d) => two(d, "", "    return b > a ? b : a;\n"),
        Helper::Min(d) => two(d, "", "    return b < a ? b : a;\n"),
        Helper::Exp => functions::EXP.into(),
        Helper::Expm1 => functions::EXPM1.into(),
        Helper::Tanh => functions::TANH.into(),
        Helper::Sigmoid(d) => {
            let (unit, exp) = if d == DType::F32 { ("1.0f", "exp_f32") } else { ("1.0", "exp") };
            one(d, "", &format!("    return {unit} / ({unit} + {exp}(-x));\n"))
        }
        Helper::Bits(d) => {
            let from = c_type(if d.is_float() { DType::I32 } else { DType::F32 });
            let t = c_type(d);
            format!(
                "/* The same bits (C99 6.5.2.3, note 82). */\nstatic inline {t} {n}({from} x)\n{{\n    union {{\n        {from} from;\n        {t} to;\n    }} both;\n    both.from = x;\n    return both.to;\n}}\n"
            )
        }
        Helper::FromFloat(from, to) => from_float(from, to, &n),
    }
}

fn int_body(op: Binary, d: DType) -> (&'static str, String) {
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
        Binary::Max | Binary::Min | Binary::And | Binary::Or | Binary::Xor => {
            unreachable!("printed as operators")
        }
        Binary::Eq | Binary::Lt | Binary::Le => unreachable!("printed as operators"),
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
    let (least, most) = (super::data::int_literal(to, low), super::data::int_literal(to, high));
    format!(
        "/* Truncates and saturates; NaN is 0. */\nstatic inline {t} {name}({f} x)\n{{\n    if (x != x) {{\n        return 0;\n    }}\n    return x <= {} ? {least} : x >= {} ? {most} : ({t})x;\n}}\n",
        literal(low),
        literal(upper)
    )
}
