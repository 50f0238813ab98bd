//! Constants in C: literals and tables.

use super::expr::c_type;
use crate::printing;
use crate::program::{Place, Program};
use std::fmt::Write;
use teff_graph::{DType, Num, Value};

/// The shortest literal that reads back as the same float.
pub(super) fn float_literal(dtype: DType, x: f64) -> String {
    let mut out = String::new();
    push_float(&mut out, dtype, x);
    out
}

fn push_float(out: &mut String, dtype: DType, x: f64) {
    if x.is_nan() {
        out.push_str("NAN");
    } else if x.is_infinite() {
        out.push_str(if x < 0.0 { "-INFINITY" } else { "INFINITY" });
    } else if dtype == DType::F32 {
        printing::push_f32(out, x as f32);
        out.push('f');
    } else {
        let _ = write!(out, "{x:?}");
    }
}

/// A literal whose type holds the value without a warning.
pub(super) fn int_literal(dtype: DType, i: i128) -> String {
    let mut out = String::new();
    push_int(&mut out, dtype, i);
    out
}

fn push_int(out: &mut String, dtype: DType, i: i128) {
    let _ = match dtype {
        DType::Bool => write!(out, "{}", i != 0),
        DType::I8 | DType::U8 | DType::I16 | DType::U16 => write!(out, "{i}"),
        // The literal of the smallest int is one too large before its sign is applied.
        DType::I32 if i == i32::MIN as i128 => write!(out, "INT32_MIN"),
        DType::I64 if i == i64::MIN as i128 => write!(out, "INT64_MIN"),
        DType::I32 => write!(out, "{i}"),
        DType::U32 => write!(out, "{i}u"),
        DType::I64 => write!(out, "INT64_C({i})"),
        DType::U64 => write!(out, "UINT64_C({i})"),
        DType::F32 | DType::F64 => unreachable!("a float is printed as one"),
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
    printing::elements(out, value, indent, |literal, dtype, x| match x {
        Num::Int(n) => push_int(literal, dtype, n),
        Num::Float(f) => push_float(literal, dtype, f),
    });
}
