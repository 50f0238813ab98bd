//! Statements and functions in Rust.

use super::data::typed_literal;
use super::expr::{Binds, Printer, Seen};
use crate::printing::{self, Argument, arena_range, arguments, at_least, fresh, indent};
use crate::program::{ArrayId, BufferId, Expr, Index, Kernel, Program, Scalar, Stmt, Var, mentions};
use std::collections::HashSet;
use std::fmt::Write;
use teff_graph::Binary;

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
    let out =
        format!("    // {}\n    pub(super) fn {name}({}) {{\n", printing::about(kernel), list.join(", "));
    let mut body = Body { p, kernel, depth: 2, out };
    body.statements(&kernel.body, taken);
    body.out + "    }\n"
}

/// The statements of a kernel, as they are written.
pub(super) struct Body<'p, 'a> {
    pub(super) p: &'p mut Printer<'a>,
    pub(super) kernel: &'a Kernel,
    depth: usize,
    out: String,
}

impl Body<'_, '_> {
    /// A block, in which the names `taken` are taken.
    fn statements(&mut self, stmts: &[Stmt], mut taken: HashSet<String>) {
        let mut rest = stmts.iter().peekable();
        while let Some(stmt) = rest.next() {
            match stmt {
                Stmt::Array(id) => {
                    // Elements hold nothing until written; a first loop that fills them says what Rust wants to know anyway.
                    let len = self.kernel.arrays[id.0 as usize].len;
                    let fill = rest.peek().and_then(|next| fills(next, *id, len));
                    if fill.is_some() {
                        rest.next();
                    }
                    self.array(*id, fill, &mut taken);
                }
                stmt => self.statement(stmt, &mut taken),
            }
        }
    }

    fn inner(&mut self, stmts: &[Stmt], taken: HashSet<String>) {
        self.depth += 1;
        self.statements(stmts, taken);
        self.depth -= 1;
    }

    fn line(&mut self, text: &str) {
        indent(&mut self.out, self.depth);
        let _ = writeln!(self.out, "{text}");
    }

    fn statement(&mut self, stmt: &Stmt, taken: &mut HashSet<String>) {
        match stmt {
            Stmt::For { var, count, body, .. } => self.counted(*var, *count, body, taken),
            Stmt::If { condition, then, otherwise } => {
                indent(&mut self.out, self.depth);
                self.choice(condition, then, otherwise, taken);
            }
            Stmt::Let(var, e) => self.defined("", *var, e, taken),
            Stmt::Mutable(var, e) => self.defined("mut ", *var, e, taken),
            Stmt::LetIndex(var, index) => {
                let value = self.p.named_index(*var, index);
                let name = self.named(*var, taken);
                self.line(&format!("let {name} = {value};"));
            }
            Stmt::Array(id) => self.array(*id, None, taken),
            Stmt::Set(var, e) => {
                let place = self.p.var_names[var.0 as usize].clone();
                self.assigned(&place, &Expr::Var(*var, e.dtype()), e);
            }
            Stmt::StoreLocal(id, index, e) => {
                let place = self.p.local(*id, index);
                self.assigned(&place, &Expr::LoadLocal(*id, e.dtype(), index.clone()), e);
            }
            Stmt::Store(id, index, e) => {
                let place = self.p.place(*id, index);
                self.assigned(&place, &Expr::Load(*id, e.dtype(), index.clone()), e);
            }
            Stmt::Micro(m) => {
                let call = self.micro(m);
                self.line(&format!("math::{call};"));
            }
        }
    }

    fn counted(&mut self, var: Var, count: usize, body: &[Stmt], taken: &HashSet<String>) {
        if let Some(text) = self.whole(var, count, body) {
            return self.line(&text);
        }
        let mut inside = taken.clone();
        let name = if mentions(body, var) { self.named(var, &mut inside) } else { "_".into() };
        self.line(&format!("for {name} in 0..{count} {{"));
        self.inner(body, inside);
        self.line("}");
    }

    /// A name for `var` that is not taken.
    fn named(&mut self, var: Var, taken: &mut HashSet<String>) -> String {
        let name = fresh(&self.kernel.vars[var.0 as usize].name, taken);
        self.p.var_names[var.0 as usize] = name.clone();
        name
    }

    fn defined(&mut self, may_change: &str, var: Var, e: &Expr, taken: &mut HashSet<String>) {
        let value = self.p.typed(e).0;
        let name = self.named(var, taken);
        self.line(&format!("let {may_change}{name} = {value};"));
    }

    fn array(&mut self, id: ArrayId, fill: Option<Scalar>, taken: &mut HashSet<String>) {
        let array = &self.kernel.arrays[id.0 as usize];
        let name = fresh(&array.name, taken);
        self.p.array_names[id.0 as usize] = name.clone();
        let first = fill.unwrap_or_else(|| Scalar::new(array.dtype, teff_graph::Num::Int(0)));
        let first = typed_literal(first.dtype(), first.get());
        self.line(&format!("let mut {name} = [{first}; {}];", array.len));
    }

    /// `if`, from where the line begins, with a chain of `else if`.
    fn choice(&mut self, condition: &Expr, then: &[Stmt], otherwise: &[Stmt], taken: &HashSet<String>) {
        let _ = writeln!(self.out, "if {} {{", self.p.value(condition));
        let outside = self.p.facts.clone();
        self.p.facts = outside.under(condition);
        self.inner(then, taken.clone());
        self.p.facts = outside.outside(condition, self.p.vars);
        match otherwise {
            [] => self.line("}"),
            [Stmt::If { condition, then, otherwise }] => {
                indent(&mut self.out, self.depth);
                self.out.push_str("} else ");
                self.choice(condition, then, otherwise, taken);
            }
            _ => {
                self.line("} else {");
                self.inner(otherwise, taken.clone());
                self.line("}");
            }
        }
        self.p.facts = outside;
    }

    /// `place = value;`, or `place += rest;` when the value begins with what is there.
    fn assigned(&mut self, place: &str, there: &Expr, value: &Expr) {
        let text = match value {
            Expr::Binary(op, a, b) if value.dtype().is_float() && a.as_ref() == there => {
                assigning(*op).map(|sign| format!("{place} {sign} {};", self.p.value(b)))
            }
            _ => None,
        };
        let whole = || format!("{place} = {};", at_least(self.p.expr(value), Binds::Choice));
        let text = text.unwrap_or_else(whole);
        self.line(&text);
    }

    /// One statement for a loop that copies neighbouring elements, or fills them with one number.
    fn whole(&mut self, var: Var, count: usize, inner: &[Stmt]) -> Option<String> {
        let p = &mut *self.p;
        let (to, index, value) = match inner {
            [Stmt::Store(id, index, value)] => (p.array_of_buffer(*id), index, value),
            [Stmt::StoreLocal(id, index, value)] => (p.array_of_local(self.kernel, *id), index, value),
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
}

/// The operator that changes a float in its place.
fn assigning(op: Binary) -> Option<&'static str> {
    match op {
        Binary::Add => Some("+="),
        Binary::Sub => Some("-="),
        Binary::Mul => Some("*="),
        Binary::Div => Some("/="),
        // Other functions are calls.
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

/// The constant that a loop puts into every element of a local array.
fn fills(stmt: &Stmt, array: ArrayId, len: usize) -> Option<Scalar> {
    let Stmt::For { var, count, body, .. } = stmt else { return None };
    let [Stmt::StoreLocal(id, index, Expr::Const(s))] = &body[..] else { return None };
    (*id == array && *count == len && *index == Index::from(*var)).then_some(*s)
}
