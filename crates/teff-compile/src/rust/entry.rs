//! What a caller sees: sizes, the working memory, the network's function.

use super::kernel::{Parameter, parameters};
use super::names::Names;
use super::{ArenaOwner, Options, section};
use crate::printing::{arena_range, arguments, one_line};
use crate::program::{Place, Port, Program};
use std::fmt::Write;
use teff_graph::DType;

/// A part of the arena: the elements of one type, from a byte on.
struct Part {
    dtype: DType,
    start: usize,
    len: usize,
}

/// The arena, one array for each element type. The plan has put those of larger elements first.
fn parts(program: &Program) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for argument in program.kernels.iter().flat_map(|k| arguments(program, k)) {
        let Some(range) = arena_range(program, argument.buffer) else { continue };
        let dtype = program.buffer(argument.buffer).ty.dtype;
        match parts.iter_mut().find(|p| p.dtype == dtype) {
            Some(p) => {
                let end = range.end.max(p.start + p.len * dtype.size());
                p.start = p.start.min(range.start);
                p.len = (end - p.start) / dtype.size();
            }
            None => parts.push(Part { dtype, start: range.start, len: range.len() / dtype.size() }),
        }
    }
    parts.sort_by_key(|p| p.start);
    parts
}

/// Sizes and shapes.
pub(super) fn constants(program: &Program, names: &Names) -> String {
    let mut out = String::new();
    for (_, _, p) in program.ports() {
        let name = names.buffers[p.buffer.index()].to_uppercase();
        let _ = writeln!(out, "/// Elements of {}.", about(p));
        let _ = writeln!(out, "pub const {name}_LEN: usize = {};", p.ty.len());
        let shape: Vec<String> = p.ty.shape.iter().map(usize::to_string).collect();
        constant(
            &mut out,
            "Its shape.",
            &format!("{name}_SHAPE: [usize; {}] = [{}]", shape.len(), shape.join(", ")),
        );
    }
    let bytes = program.constant_bytes();
    constant(
        &mut out,
        "Bytes of weights and other constants, in flash.",
        &format!("WEIGHT_BYTES: usize = {bytes}"),
    );
    if program.sram_bytes() > 0 {
        let definition = format!("SRAM_TABLE_BYTES: usize = {}", program.sram_bytes());
        constant(&mut out, "Those of them that are copied to RAM at start.", &definition);
    }
    constant(
        &mut out,
        "Bytes of memory for intermediate values.",
        &format!("ARENA_BYTES: usize = {}", program.arena.bytes),
    );
    out
}

/// `the input "x", f32[1,3]`, as it can stand in documentation.
fn about(p: &Port) -> String {
    format!(
        "`{}`, {}",
        one_line(&p.name).replace('`', "'"),
        p.ty.to_string().replace('[', "\\[").replace(']', "\\]")
    )
}

fn constant(out: &mut String, note: &str, definition: &str) {
    let _ = writeln!(out, "/// {note}\n#[allow(dead_code)]\npub const {definition};");
}

/// `struct Arena`; nothing when the network needs none.
pub(super) fn arena(program: &Program, options: &Options) -> String {
    let parts = parts(program);
    if parts.is_empty() {
        return String::new();
    }
    let (visibility, owner) = match options.arena {
        ArenaOwner::Caller => ("pub ", " It needs no preparation between calls."),
        ArenaOwner::Stack => ("", ""),
    };
    let mut out =
        format!("/// Memory for intermediate values.{owner}\n#[repr(C)]\n{visibility}struct Arena {{\n");
    for p in &parts {
        let _ = writeln!(out, "    {}: [{}; {}],", field(p.dtype), p.dtype, p.len);
    }
    out += "}\n\n";
    let zeros = |p: &Part| format!("{}: [{}; {}]", field(p.dtype), super::data::zero(p.dtype), p.len);
    let fields: Vec<String> = parts.iter().map(zeros).collect();
    let (note, new) = match options.arena {
        ArenaOwner::Caller => (
            "    /// Memory that holds zeros; made when compiling if it is a `static`.\n",
            "pub const fn new",
        ),
        ArenaOwner::Stack => ("", "const fn new"),
    };
    let _ = writeln!(
        out,
        "impl Arena {{\n{note}    {new}() -> Self {{\n        Arena {{ {} }}\n    }}\n\n{SPLIT}}}\n",
        fields.join(", ")
    );
    if options.arena == ArenaOwner::Caller {
        out += "impl Default for Arena {\n    fn default() -> Self {\n        Self::new()\n    }\n}\n\n";
    }
    out + "const _: () = assert!(core::mem::size_of::<Arena>() == ARENA_BYTES);\n\n"
}

const SPLIT: &str = "    /// The first N elements, and those after them.
    fn split<T, const N: usize>(memory: &mut [T]) -> (&mut [T; N], &mut [T]) {
        memory.split_first_chunk_mut().expect(\"the arena is as long as planned\")
    }
";

fn field(dtype: DType) -> String {
    format!("{dtype}s")
}

/// True when a call takes working memory.
pub(super) fn takes_arena(program: &Program, options: &Options) -> bool {
    options.arena == ArenaOwner::Caller && !parts(program).is_empty()
}

/// The network's function: the kernels one after another.
pub(super) fn function(program: &Program, names: &Names, options: &Options) -> String {
    let parts = parts(program);
    let mut list = Vec::new();
    for (kind, _, p) in program.ports() {
        let (name, borrow) = (&names.buffers[p.buffer.index()], if kind == "input" { "&" } else { "&mut " });
        list.push(format!("{name}: {borrow}[{}; {}_LEN]", p.ty.dtype, name.to_uppercase()));
    }
    if takes_arena(program, options) {
        list.push("arena: &mut Arena".into());
    }
    let mut out = String::from("/// Computes the outputs.\n");
    if list.len() > 7 {
        out += "#[allow(clippy::too_many_arguments)]\n";
    }
    if program.name.chars().any(|c| c.is_ascii_uppercase()) || program.name.contains("__") {
        out += "#[allow(non_snake_case)]\n";
    }
    if options.sram_code {
        // Its text would become part of a caller elsewhere.
        out += "#[inline(never)]\n";
    }
    out += section::allowed(options.sram_code);
    out += &section::code(program, options, "");
    let _ = writeln!(out, "pub fn {}({}) {{", program.name, list.join(", "));
    let used: Vec<Vec<Parameter>> = program.kernels.iter().map(|k| parameters(program, k)).collect();
    for (_, _, p) in program.ports() {
        if !used.iter().flatten().any(|u| u.buffers.contains(&p.buffer)) {
            let _ = writeln!(out, "    let _ = {};", names.buffers[p.buffer.index()]);
        }
    }
    if options.arena == ArenaOwner::Stack && !parts.is_empty() {
        out += "    let mut arena = Arena::new();\n";
    }
    for (parameters, kernel) in used.iter().zip(&names.kernels) {
        call(&mut out, program, names, &parts, parameters, kernel);
    }
    out + "}\n\n"
}

/// One call, after the pieces of the arena it works on have been taken apart.
fn call(
    out: &mut String,
    program: &Program,
    names: &Names,
    parts: &[Part],
    parameters: &[Parameter],
    kernel: &str,
) {
    for part in parts {
        let of_part =
            |p: &&Parameter| p.arena.is_some() && program.buffer(p.buffers[0]).ty.dtype == part.dtype;
        let mut pieces: Vec<&Parameter> = parameters.iter().filter(of_part).collect();
        pieces.sort_by_key(|p| p.arena.as_ref().map(|r| r.start));
        let mut from = format!("&mut arena.{}", field(part.dtype));
        let mut at = part.start;
        for (i, piece) in pieces.iter().enumerate() {
            let range = piece.arena.clone().expect("a piece lies in the arena");
            if range.start > at {
                let place = from.trim_start_matches("&mut ");
                from = format!("&mut {place}[{}..]", (range.start - at) / part.dtype.size());
            }
            let rest = if i + 1 == pieces.len() { "_" } else { "rest" };
            let _ = writeln!(
                out,
                "    let ({}, {rest}) = Arena::split({from});",
                argument(program, names, piece)
            );
            from = "rest".into();
            at = range.end;
        }
    }
    let list: Vec<String> = parameters.iter().map(|p| argument(program, names, p)).collect();
    let _ = writeln!(out, "    layers::{kernel}({});", list.join(", "));
}

/// What an argument is called: as the buffer that is written, if it shows several.
fn argument(program: &Program, names: &Names, parameter: &Parameter) -> String {
    let last = parameter.buffers.last().expect("a parameter shows a buffer");
    debug_assert!(!matches!(program.buffer(*last).place, Place::Constant(_)));
    names.buffers[last.index()].clone()
}
