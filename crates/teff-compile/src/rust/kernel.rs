//! Statements and functions in Rust.

use super::data::typed_literal;
use super::expr::{Binds, Printer, Seen};
use crate::printing::{self, Argument, arena_range, arguments, at_least, fresh, indent};
use crate::program::{
    ArrayId, BufferId, Expr, Index, Kernel, Micro, PairSums, Program, Scalar, Stmt, Var, mentions,
};
use std::collections::HashSet;
use std::fmt::Write;
use teff_graph::{Binary, DType};

/// A parameter of a kernel's function: a buffer, or several that share bytes of the arena, of which at least one is written.
pub(super) struct Parameter {
    /// The buffers it shows.
    pub(super) buffers: Vec<BufferId>,
    /// The bytes of the arena it covers; `None` when it lies elsewhere.
    pub(super) arena: Option<std::ops::Range<usize>>,
    /// Its number of elements.
    pub(super) len: usize,
    pub(super) written: bool,
}

/// The parameters of a kernel's function. Rust lets no two of them overlap if one is written.
pub(super) fn parameters(program: &Program, kernel: &Kernel) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for Argument { buffer, written } in arguments(program, kernel) {
        let arena = arena_range(program, buffer);
        let mut new = Parameter { buffers: vec![buffer], len: program.buffer(buffer).len(), arena, written };
        // A range may touch several that were apart.
        while let Some(at) = parameters.iter().position(|p| overlap(p, &new)) {
            let old = parameters.remove(at);
            new = joined(program, old, new);
        }
        parameters.push(new);
    }
    // What is read comes first.
    parameters.sort_by_key(|p| p.written);
    parameters
}

fn overlap(a: &Parameter, b: &Parameter) -> bool {
    match (&a.arena, &b.arena) {
        (Some(a), Some(b)) => a.start < b.end && b.start < a.end,
        _ => false,
    }
}

fn joined(program: &Program, a: Parameter, b: Parameter) -> Parameter {
    let (x, y) = (a.arena.expect("overlapping"), b.arena.expect("overlapping"));
    let range = x.start.min(y.start)..x.end.max(y.end);
    let buffers = [a.buffers, b.buffers].concat();
    let len = range.len() / program.buffer(buffers[0]).ty.dtype.size();
    Parameter { buffers, arena: Some(range), len, written: a.written || b.written }
}

/// The function of one kernel, with a comment that says what it is.
pub(super) fn function<'a>(p: &mut Printer<'a>, kernel: &'a Kernel, name: &str) -> String {
    let parameters = parameters(p.program, kernel);
    let count = |written: bool| parameters.iter().filter(|a| a.written == written).count();
    let (one_in, one_out) = (count(false) == 1, count(true) == 1);
    p.seen.clear();
    let mut list = Vec::new();
    for parameter in &parameters {
        let last = *parameter.buffers.last().expect("a parameter shows a buffer");
        let name = match (parameter.written, parameter.buffers.len()) {
            (true, 2..) if one_out => "data",
            (false, _) if one_in => "input",
            (true, _) if one_out => "out",
            _ => p.names.buffers[last.index()].as_str(),
        };
        let dtype = p.program.buffer(last).ty.dtype;
        for &b in &parameter.buffers {
            let start = |range: &std::ops::Range<usize>| range.start;
            let within = arena_range(p.program, b).as_ref().map_or(0, start)
                - parameter.arena.as_ref().map_or(0, start);
            p.seen.insert(
                b,
                Seen { name: name.into(), offset: (within / dtype.size()) as i64, len: parameter.len },
            );
        }
        let borrow = if parameter.written { "&mut " } else { "&" };
        list.push(format!("{name}: {borrow}[{dtype}; {}]", parameter.len));
    }
    let taken: HashSet<String> = p.seen.values().map(|s| s.name.clone()).collect();
    p.vars = &kernel.vars;
    p.var_names = vec![String::new(); kernel.vars.len()];
    p.array_names = vec![String::new(); kernel.arrays.len()];
    p.facts = Default::default();
    let mut out =
        format!("    // {}\n    pub(super) fn {name}({}) {{\n", printing::about(kernel), list.join(", "));
    body(p, kernel, &kernel.body, &taken, 2, &mut out);
    out + "    }\n"
}

fn body(
    p: &mut Printer,
    kernel: &Kernel,
    stmts: &[Stmt],
    around: &HashSet<String>,
    depth: usize,
    out: &mut String,
) {
    let mut taken = around.clone();
    let mut rest = stmts.iter().peekable();
    while let Some(stmt) = rest.next() {
        match stmt {
            Stmt::For { var, count, body: inner, .. } => {
                if let Some(text) = whole(p, kernel, *var, *count, inner) {
                    line(out, depth, &text);
                    continue;
                }
                let mut inside = taken.clone();
                let name =
                    if mentions(inner, *var) { name_var(p, kernel, *var, &mut inside) } else { "_".into() };
                line(out, depth, &format!("for {name} in 0..{count} {{"));
                body(p, kernel, inner, &inside, depth + 1, out);
                line(out, depth, "}");
            }
            Stmt::If { condition, then, otherwise } => {
                indent(out, depth);
                choice(p, kernel, condition, then, otherwise, &taken, depth, out);
            }
            Stmt::Let(var, e) | Stmt::Mutable(var, e) => {
                let value = p.typed(e).0;
                let name = name_var(p, kernel, *var, &mut taken);
                let may_change = if matches!(stmt, Stmt::Let(..)) { "" } else { "mut " };
                line(out, depth, &format!("let {may_change}{name} = {value};"));
            }
            Stmt::LetIndex(var, index) => {
                let value = p.named_index(*var, index);
                let name = name_var(p, kernel, *var, &mut taken);
                line(out, depth, &format!("let {name} = {value};"));
            }
            Stmt::Array(id) => {
                let array = &kernel.arrays[id.0 as usize];
                let name = fresh(&array.name, &mut taken);
                p.array_names[id.0 as usize] = name.clone();
                // Elements hold nothing until written; a first loop that fills them says what Rust wants to know anyway.
                let fill = rest.peek().and_then(|next| fills(next, *id, array.len));
                let first = match fill {
                    Some(s) => {
                        rest.next();
                        typed_literal(s.dtype(), s.get())
                    }
                    None => {
                        let zero = Scalar::new(array.dtype, teff_graph::Num::Int(0));
                        typed_literal(array.dtype, zero.get())
                    }
                };
                line(out, depth, &format!("let mut {name} = [{first}; {}];", array.len));
            }
            Stmt::Set(var, e) => {
                let place = p.var_names[var.0 as usize].clone();
                assignment(p, &place, &Expr::Var(*var, e.dtype()), e, depth, out);
            }
            Stmt::StoreLocal(id, index, e) => {
                let place = p.local(*id, index);
                assignment(p, &place, &Expr::LoadLocal(*id, e.dtype(), index.clone()), e, depth, out);
            }
            Stmt::Micro(Micro::Rows(r)) => {
                let dtype = p.program.buffer(r.inputs).ty.dtype;
                let seen = p.array_of_buffer(r.inputs);
                let inputs = slice(&seen, r.first + seen.offset as usize, r.len);
                let more = if dtype == DType::I8 { " + 128" } else { "" };
                let weights = format!("{}[{}..]", p.array_of_buffer(r.weights).name, p.position(&r.at).0);
                let sums = slice(&p.array_of_local(kernel, r.sums), 0, r.outputs);
                let (function, inputs) = match r.runs {
                    None => {
                        let inputs = format!("{inputs}.iter().map(|x| i32::from(*x){more})");
                        (micro(p, "row_sums", r.bits), inputs)
                    }
                    Some(runs) => {
                        let runs = p.array_of_buffer(runs).name;
                        let value = format!("|x| i32::from(x){more}");
                        (micro(p, "row_sums_of_runs", r.bits), format!("&{inputs}[..], {value}, &{runs}[..]"))
                    }
                };
                let adds = if r.runs.is_some() { format!("{}, ", r.adds) } else { String::new() };
                line(
                    out,
                    depth,
                    &format!("math::{function}({inputs}, &{weights}, {}, {adds}&mut {sums});", r.pitch),
                );
            }
            Stmt::Micro(Micro::Window(w)) => {
                p.math.insert("window_sums".into());
                let words = p.array_of_local(kernel, w.words).name;
                let table = p.array_of_buffer(w.weights).name;
                let [height, width] = w.window;
                let at = p.position(&w.at).0;
                let weights = format!("{table}[{at}..][..{}].chunks_exact({width})", height * width);
                let sums = slice(&p.array_of_local(kernel, w.sums), 0, 2 * w.rows * w.columns);
                let steps = format!("[{}, {}, {}]", w.pitch, w.row_step, w.column_step);
                let places = format!("[{}, {}]", w.rows, w.columns);
                line(
                    out,
                    depth,
                    &format!("math::window_sums(&{words}, {steps}, {weights}, {places}, &mut {sums});"),
                );
            }
            Stmt::Micro(Micro::Pairs(s)) => {
                let function = micro(p, "pair_sums", s.bits);
                let inputs = slice(&p.array_of_local(kernel, s.inputs), 0, s.taps);
                let weights = {
                    let table = p.array_of_buffer(s.weights);
                    let len = PairSums::weight_len(s.outputs, s.taps) * usize::from(s.bits) / 8;
                    match s.at.as_constant() {
                        Some(0) if len == table.len => format!("&{}[..]", table.name),
                        Some(first) => format!("&{}[{first}..{}]", table.name, first as usize + len),
                        None => format!("&{}[{}..][..{len}]", table.name, p.position(&s.at).0),
                    }
                };
                let sums = slice(&p.array_of_local(kernel, s.sums), s.to, 2 * s.outputs);
                line(out, depth, &format!("math::{function}(&{inputs}, {weights}, &mut {sums});"));
            }
            Stmt::Store(id, index, e) => {
                let place = p.place(*id, index);
                assignment(p, &place, &Expr::Load(*id, e.dtype(), index.clone()), e, depth, out);
            }
        }
    }
}

fn line(out: &mut String, depth: usize, text: &str) {
    indent(out, depth);
    let _ = writeln!(out, "{text}");
}

fn name_var(p: &mut Printer, kernel: &Kernel, var: Var, taken: &mut HashSet<String>) -> String {
    let name = fresh(&kernel.vars[var.0 as usize].name, taken);
    p.var_names[var.0 as usize] = name.clone();
    name
}

/// `if`, from where the line begins, with a chain of `else if`.
fn choice(
    p: &mut Printer,
    kernel: &Kernel,
    condition: &Expr,
    then: &[Stmt],
    otherwise: &[Stmt],
    taken: &HashSet<String>,
    depth: usize,
    out: &mut String,
) {
    let _ = writeln!(out, "if {} {{", p.value(condition));
    let outside = p.facts.clone();
    p.facts = outside.under(condition);
    body(p, kernel, then, taken, depth + 1, out);
    p.facts = outside.outside(condition, p.vars);
    match otherwise {
        [] => line(out, depth, "}"),
        [Stmt::If { condition, then, otherwise }] => {
            indent(out, depth);
            out.push_str("} else ");
            choice(p, kernel, condition, then, otherwise, taken, depth, out);
        }
        _ => {
            line(out, depth, "} else {");
            body(p, kernel, otherwise, taken, depth + 1, out);
            line(out, depth, "}");
        }
    }
    p.facts = outside;
}

/// One statement for a loop that copies neighbouring elements, or fills them with one number.
fn whole(p: &mut Printer, kernel: &Kernel, var: Var, count: usize, inner: &[Stmt]) -> Option<String> {
    let (to, index, value) = match inner {
        [Stmt::Store(id, index, value)] => (p.array_of_buffer(*id), index, value),
        [Stmt::StoreLocal(id, index, value)] => (p.array_of_local(kernel, *id), index, value),
        _ => return None,
    };
    let to_text = elements(p, &to, index, var, count)?;
    match value {
        Expr::Const(s) => Some(format!("{to_text}.fill({});", typed_literal(s.dtype(), s.get()))),
        Expr::Load(id, _, index) => {
            let from = p.array_of_buffer(*id);
            let from_text = elements(p, &from, index, var, count)?;
            // Parameters are references already.
            let from_text = match (from_text == from.name, p.seen.contains_key(id)) {
                (true, true) => from_text,
                (true, false) => format!("&{from_text}[..]"),
                (false, _) => format!("&{from_text}"),
            };
            // Within one array, an element may be read after another was written over it.
            (from.name != to.name).then(|| format!("{to_text}.copy_from_slice({from_text});"))
        }
        _ => None,
    }
}

/// The elements that `index` goes through as `var` counts, if they are neighbours.
fn elements(p: &mut Printer, array: &Seen, index: &Index, var: Var, count: usize) -> Option<String> {
    let start = index.minus(&var.into()).offset(array.offset);
    if index.coefficient(var) != 1 || start.mentions(var) {
        return None;
    }
    Some(match start.as_constant() {
        Some(0) if count == array.len => array.name.clone(),
        Some(first) => format!("{}[{first}..{}]", array.name, first as usize + count),
        None => format!("{}[{}..][..{count}]", array.name, p.position(&start).0),
    })
}

/// The name of a micro-kernel of `mod math` for weights of `bits`.
fn micro(p: &mut Printer, name: &str, bits: u8) -> String {
    let name = if bits == 8 { name.to_string() } else { format!("{name}_{bits}") };
    p.math.insert(name.clone());
    name
}

/// Elements `first ..` of an array, `len` of them.
fn slice(array: &Seen, first: usize, len: usize) -> String {
    if first == 0 && len == array.len {
        return array.name.clone();
    }
    format!("{}[{first}..{}]", array.name, first + len)
}

/// The constant that a loop puts into every element of a local array.
fn fills(stmt: &Stmt, array: ArrayId, len: usize) -> Option<Scalar> {
    let Stmt::For { var, count, body, .. } = stmt else { return None };
    let [Stmt::StoreLocal(id, index, Expr::Const(s))] = &body[..] else { return None };
    (*id == array && *count == len && *index == Index::from(*var)).then_some(*s)
}

/// `place = value;`, or `place += rest;` when the value begins with what is there.
fn assignment(p: &mut Printer, place: &str, there: &Expr, value: &Expr, depth: usize, out: &mut String) {
    if let Expr::Binary(op, a, b) = value {
        let sign = match op {
            Binary::Add => "+=",
            Binary::Sub => "-=",
            Binary::Mul => "*=",
            Binary::Div => "/=",
            _ => "",
        };
        if !sign.is_empty() && value.dtype().is_float() && a.as_ref() == there {
            return line(out, depth, &format!("{place} {sign} {};", p.value(b)));
        }
    }
    let text = at_least(p.expr(value), Binds::Choice);
    line(out, depth, &format!("{place} = {text};"));
}
