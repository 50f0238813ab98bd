//! Constants in C: literals and tables.

use super::expr::c_type;
use crate::printing;
use crate::program::{Place, Program};
use std::fmt::Write;
use teff_graph::{DType, Num, Value};

/// A literal whose type holds the value without a warning: of floats the shortest that reads back as the same.
pub(super) fn literal(dtype: DType, x: Num) -> String {
    let mut out = String::new();
    push(&mut out, dtype, x);
    out
}

pub(super) fn float_literal(dtype: DType, x: f64) -> String {
    literal(dtype, Num::Float(x))
}

fn push(out: &mut String, dtype: DType, x: Num) {
    let _ = match (x, dtype) {
        (Num::Float(x), _) if x.is_nan() => write!(out, "NAN"),
        (Num::Float(x), _) if x.is_infinite() => {
            write!(out, "{}", if x < 0.0 { "-INFINITY" } else { "INFINITY" })
        }
        (Num::Float(x), DType::F32) => {
            printing::push_f32(out, x as f32);
            write!(out, "f")
        }
        (Num::Float(x), _) => write!(out, "{x:?}"),
        (Num::Int(i), DType::Bool) => write!(out, "{}", i != 0),
        // The literal of the smallest int is one too large before its sign is applied.
        (Num::Int(i), DType::I32) if i == i32::MIN as i128 => write!(out, "INT32_MIN"),
        (Num::Int(i), DType::I64) if i == i64::MIN as i128 => write!(out, "INT64_MIN"),
        (Num::Int(i), DType::U32) => write!(out, "{i}u"),
        (Num::Int(i), DType::I64) => write!(out, "INT64_C({i})"),
        (Num::Int(i), DType::U64) => write!(out, "UINT64_C({i})"),
        (Num::Int(i), _) => write!(out, "{i}"),
    };
}

/// The tables of all constants that kernels read.
pub(super) fn tables(out: &mut String, program: &Program) {
    for b in &program.buffers {
        let Place::Constant(value) = &b.place else { continue };
        let shape = if b.ty.rank() > 1 { format!("  /* {} */", b.ty) } else { String::new() };
        // The macro comes with the functions that read words.
        let aligned = if b.align > b.ty.dtype.size() { "WORD_ALIGNED " } else { "" };
        let dtype = c_type(b.ty.dtype);
        let place = if b.in_sram { super::section::table(program) } else { String::new() };
        let _ = writeln!(out, "{place}static const {dtype} {}[{}] {aligned}= {{{shape}", b.name, b.len());
        elements(out, value, "    ");
        out.push_str("};\n\n");
    }
}

/// True when a table holds what `math.h` has a name for: an infinity, or what is not a number.
pub(super) fn names_no_number(program: &Program) -> bool {
    program.buffers.iter().any(|b| match &b.place {
        Place::Constant(value) if b.ty.dtype.is_float() => {
            (0..value.len()).any(|i| !value.get(i).as_f64().is_finite())
        }
        _ => false,
    })
}

/// All elements, separated by commas.
pub(super) fn elements(out: &mut String, value: &Value, indent: &str) {
    printing::elements(out, value, indent, push);
}
