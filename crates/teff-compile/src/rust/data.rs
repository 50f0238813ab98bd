//! Constants in Rust: literals and tables.

use super::section;
use crate::printing;
use crate::program::{Place, Program};
use std::fmt::Write;
use teff_graph::{DType, Num, Value};

use super::names::Names;

/// A literal whose type follows from where it stands.
pub(super) fn literal(dtype: DType, x: Num) -> String {
    let mut out = String::new();
    push(&mut out, dtype, x);
    out
}

/// Zero.
pub(super) fn zero(dtype: DType) -> String {
    literal(dtype, if dtype.is_float() { Num::Float(0.0) } else { Num::Int(0) })
}

/// A literal that says its type: `3i8`, `0.5f32`.
pub(super) fn typed_literal(dtype: DType, x: Num) -> String {
    match x {
        Num::Float(f) if !f.is_finite() => literal(dtype, x),
        _ if dtype == DType::Bool => literal(dtype, x),
        _ => format!("{}{dtype}", literal(dtype, x)),
    }
}

fn push(out: &mut String, dtype: DType, x: Num) {
    let _ = match x {
        Num::Int(i) if dtype == DType::Bool => write!(out, "{}", i != 0),
        Num::Int(i) => write!(out, "{i}"),
        Num::Float(f) if f.is_nan() => write!(out, "{dtype}::NAN"),
        Num::Float(f) if f.is_infinite() => {
            write!(out, "{dtype}::{}", if f < 0.0 { "NEG_INFINITY" } else { "INFINITY" })
        }
        // The shortest literal that reads back as the same float.
        Num::Float(f) if dtype == DType::F32 => {
            printing::push_f32(out, f as f32);
            Ok(())
        }
        Num::Float(f) => write!(out, "{f:?}"),
    };
}

/// All elements, separated by commas.
pub(super) fn elements(out: &mut String, value: &Value, indent: &str) {
    printing::elements(out, value, indent, push);
}

/// `mod weights`, with the tables of all constants that kernels read; nothing when there are none.
pub(super) fn weights(program: &Program, names: &Names) -> String {
    let mut out = String::new();
    for (i, b) in program.buffers.iter().enumerate() {
        let Place::Constant(value) = &b.place else { continue };
        if b.ty.rank() > 1 {
            let _ = writeln!(out, "    // {}", b.ty);
        }
        let (name, dtype, len) = (&names.buffers[i], b.ty.dtype, b.len());
        if b.is_empty() {
            let _ = writeln!(out, "    pub(super) static {name}: Table<[{dtype}; 0]> = Table([]);\n");
            continue;
        }
        if b.in_sram {
            out += &section::table(program, "    ");
        }
        let kind = match b.align.min(1 << b.ty.bytes().trailing_zeros()) {
            align if align <= dtype.size() => "Table",
            2 => "Halves",
            _ => "Words",
        };
        let _ = writeln!(out, "    pub(super) static {name}: {kind}<[{dtype}; {len}]> = {kind}([");
        elements(&mut out, value, "        ");
        out.push_str("    ]);\n\n");
    }
    if out.is_empty() {
        return out;
    }
    let kinds: String = ["Table", "Halves", "Words"]
        .into_iter()
        .filter(|k| out.contains(&format!(" = {k}([")))
        .map(kind)
        .collect();
    let allowed = section::allowed(program.sram_bytes() > 0);
    // A weight may be close to pi without meaning it.
    format!(
        "/// Weights and other constants, in the order the layers read them.\n#[allow(clippy::approx_constant)]\n{allowed}mod weights {{\n{kinds}{}\n}}\n",
        out.trim_end_matches('\n')
    )
}

/// A type of tables. On a host vector loads want alignment; bare metal has no byte of flash to lose, and what is read there by words
/// or halves of them has the length of some.
fn kind(name: &str) -> String {
    let bare = match name {
        "Halves" => "    #[cfg_attr(target_os = \"none\", repr(align(2)))]\n",
        "Words" => "    #[cfg_attr(target_os = \"none\", repr(align(4)))]\n",
        _ => "",
    };
    format!(
        "    /// Numbers in read-only memory; where there is a cache, they begin with a line of it.
    #[repr(C)]
    #[cfg_attr(not(target_os = \"none\"), repr(align(64)))]
{bare}    pub(super) struct {name}<T>(T);

    impl<T> core::ops::Deref for {name}<T> {{
        type Target = T;
        fn deref(&self) -> &T {{
            &self.0
        }}
    }}

"
    )
}
