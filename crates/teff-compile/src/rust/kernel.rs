//! Functions in Rust.

use super::data::typed_literal;
use super::expr::Printer;
use crate::printing::{self, Argument, Array, arena_range, arguments, statements};
use crate::program::{BufferId, Expr, Index, Kernel, Program, Stmt, Var};
use std::collections::{HashMap, HashSet};

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
    let program = p.scope.program;
    let parameters = parameters(program, kernel);
    let count = |written: bool| parameters.iter().filter(|a| a.written == written).count();
    let (one_in, one_out) = (count(false) == 1, count(true) == 1);
    let (mut seen, mut list) = (HashMap::new(), Vec::new());
    for parameter in &parameters {
        let last = *parameter.buffers.last().expect("a parameter shows a buffer");
        let name = match (parameter.written, parameter.buffers.len()) {
            (true, 2..) if one_out => "data",
            (false, _) if one_in => "input",
            (true, _) if one_out => "out",
            (true | false, _) => p.scope.tables[last.index()].as_str(),
        };
        let dtype = program.buffer(last).ty.dtype;
        let begins = |range: &Option<std::ops::Range<usize>>| range.as_ref().map_or(0, |r| r.start);
        for &b in &parameter.buffers {
            let within = begins(&arena_range(program, b)) - begins(&parameter.arena);
            let offset = (within / dtype.size()) as i64;
            seen.insert(b, Array { name: name.into(), offset, len: parameter.len });
        }
        let borrow = if parameter.written { "&mut " } else { "&" };
        list.push(format!("{name}: {borrow}[{dtype}; {}]", parameter.len));
    }
    let taken: HashSet<String> = seen.values().map(|s| s.name.clone()).collect();
    p.scope.enter(kernel, seen);
    let (about, list) = (printing::about(kernel), list.join(", "));
    let body = statements(p, &kernel.body, 2, taken);
    format!("    // {about}\n    pub(super) fn {name}({list}) {{\n{body}    }}\n")
}

impl Printer<'_> {
    /// One statement for a loop that copies neighbouring elements, or fills them with one number.
    pub(super) fn whole(&mut self, var: Var, count: usize, inner: &[Stmt]) -> Option<String> {
        let (to, index, value) = match inner {
            [Stmt::Store(id, index, value)] => (self.scope.buffer(*id), index, value),
            [Stmt::StoreLocal(id, index, value)] => (self.scope.local(*id), index, value),
            // A loop that does something else is one.
            _ => return None,
        };
        let to_text = self.elements(&to, index, var, count)?;
        if let Expr::Const(s) = value {
            return Some(format!("{to_text}.fill({});", typed_literal(s.dtype(), s.get())));
        }
        let Expr::Load(id, _, index) = value else { return None };
        let from = self.scope.buffer(*id);
        let from_text = self.elements(&from, index, var, count)?;
        // Parameters are references already.
        let from_text = match (from_text == from.name, self.scope.parameters.contains_key(id)) {
            (true, true) => from_text,
            (true, false) => format!("&{from_text}[..]"),
            (false, _) => format!("&{from_text}"),
        };
        // Within one array, an element may be read after another was written over it.
        (from.name != to.name).then(|| format!("{to_text}.copy_from_slice({from_text});"))
    }

    /// The elements that `index` goes through as `var` counts, if they are neighbours.
    fn elements(&mut self, array: &Array, index: &Index, var: Var, count: usize) -> Option<String> {
        let start = index.minus(&var.into()).offset(array.offset);
        if index.coefficient(var) != 1 || start.mentions(var) {
            return None;
        }
        Some(match start.as_constant() {
            Some(0) if count == array.len => array.name.clone(),
            Some(first) => format!("{}[{first}..{}]", array.name, first as usize + count),
            None => format!("{}[{}..][..{count}]", array.name, self.position(&start).0),
        })
    }
}
