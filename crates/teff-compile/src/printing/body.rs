//! The frame of both printers: how the statements of a kernel are nested, and what is called what.

use super::language::{Binds, Language};
use super::{at_least, fresh, indent, language};
use crate::program::{
    ArrayId, ArrayInfo, BufferId, Expr, Facts, Index, Kernel, Program, Scalar, Stmt, Var, VarInfo, mentions,
};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use teff_graph::Binary;

/// An array that a function sees, and where in it a buffer begins.
#[derive(Clone)]
pub(crate) struct Array {
    pub(crate) name: String,
    pub(crate) offset: i64,
    /// Elements of the array.
    pub(crate) len: usize,
}

/// What is called what where the printer is, and what is known there.
pub(crate) struct Scope<'a> {
    pub(crate) program: &'a Program,
    /// Names of all buffers outside of functions.
    pub(crate) tables: Vec<String>,
    pub(crate) vars: &'a [VarInfo],
    pub(crate) arrays: &'a [ArrayInfo],
    /// Parameters, by the buffers they show.
    pub(crate) parameters: HashMap<BufferId, Array>,
    /// Conditions that hold.
    pub(crate) facts: Facts,
    var_names: Vec<String>,
    array_names: Vec<String>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(program: &'a Program, tables: Vec<String>) -> Scope<'a> {
        Scope {
            program,
            tables,
            vars: &[],
            arrays: &[],
            parameters: HashMap::new(),
            facts: Facts::default(),
            var_names: Vec::new(),
            array_names: Vec::new(),
        }
    }

    /// Begins the function of a kernel.
    pub(crate) fn enter(&mut self, kernel: &'a Kernel, parameters: HashMap<BufferId, Array>) {
        (self.vars, self.arrays, self.parameters) = (&kernel.vars, &kernel.arrays, parameters);
        self.var_names = vec![String::new(); kernel.vars.len()];
        self.array_names = vec![String::new(); kernel.arrays.len()];
        self.facts = Facts::default();
    }

    pub(crate) fn var(&self, v: Var) -> &str {
        &self.var_names[v.0 as usize]
    }

    /// The array that shows a buffer: a parameter, or a table.
    pub(crate) fn buffer(&self, id: BufferId) -> Array {
        let table =
            || Array { name: self.tables[id.index()].clone(), offset: 0, len: self.program.buffer(id).len() };
        self.parameters.get(&id).cloned().unwrap_or_else(table)
    }

    /// A local array.
    pub(crate) fn local(&self, id: ArrayId) -> Array {
        let at = id.0 as usize;
        Array { name: self.array_names[at].clone(), offset: 0, len: self.arrays[at].len }
    }

    /// Adds what follows from `condition` being so; gives what was known before.
    pub(crate) fn suppose(&mut self, condition: &Expr, holds: bool) -> Facts {
        let facts =
            if holds { self.facts.under(condition) } else { self.facts.outside(condition, self.vars) };
        std::mem::replace(&mut self.facts, facts)
    }

    /// A name for `var` that is not taken.
    fn name(&mut self, var: Var, taken: &mut HashSet<String>) -> String {
        let name = fresh(&self.vars[var.0 as usize].name, taken);
        self.var_names[var.0 as usize].clone_from(&name);
        name
    }
}

/// The statements of a kernel, `depth` deep, in a function in which the names `taken` are taken.
pub(crate) fn statements<'a, L: Language<'a>>(
    language: &mut L,
    body: &[Stmt],
    depth: usize,
    taken: HashSet<String>,
) -> String {
    let mut printed = Body { language, depth, out: String::new() };
    printed.statements(body, taken);
    printed.out
}

struct Body<'p, L> {
    language: &'p mut L,
    depth: usize,
    out: String,
}

impl<'a, L: Language<'a>> Body<'_, L> {
    /// A block, in which the names `taken` are taken.
    fn statements(&mut self, mut stmts: &[Stmt], mut taken: HashSet<String>) {
        while let Some((stmt, rest)) = stmts.split_first() {
            stmts = rest;
            if let (Stmt::Array(id), true) = (stmt, L::FILLS)
                && let Some((next, behind)) = rest.split_first()
                && let Some(first) = fills(next, *id, self.language.scope().arrays[id.0 as usize].len)
            {
                self.array(*id, Some(first), &mut taken);
                stmts = behind;
            } else {
                self.statement(stmt, &mut taken);
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
            Stmt::For { var, count, rolled, body } => self.counted(*var, *count, *rolled, body, taken),
            Stmt::If { condition, then, otherwise } => {
                indent(&mut self.out, self.depth);
                self.choice(condition, then, otherwise, taken);
            }
            Stmt::Let(var, e) => self.defined(*var, e, false, taken),
            Stmt::Mutable(var, e) => self.defined(*var, e, true, taken),
            Stmt::LetIndex(var, index) => {
                let name = self.language.scope().name(*var, taken);
                let text = self.language.index_definition(&name, *var, index);
                self.line(&text);
            }
            Stmt::Array(id) => self.array(*id, None, taken),
            Stmt::Set(var, e) => {
                let place = self.language.scope().var(*var).to_string();
                self.assigned(&place, &Expr::Var(*var, e.dtype()), e);
            }
            Stmt::StoreLocal(id, index, e) => {
                let array = self.language.scope().local(*id);
                let place = self.language.element(&array, index);
                self.assigned(&place, &Expr::LoadLocal(*id, e.dtype(), index.clone()), e);
            }
            Stmt::Store(id, index, e) => {
                let array = self.language.scope().buffer(*id);
                let place = self.language.element(&array, index);
                self.assigned(&place, &Expr::Load(*id, e.dtype(), index.clone()), e);
            }
            Stmt::Micro(m) => {
                let call = self.language.micro(m);
                self.line(&format!("{call};"));
            }
        }
    }

    fn counted(&mut self, var: Var, count: usize, rolled: bool, body: &[Stmt], taken: &HashSet<String>) {
        if let Some(text) = self.language.whole_loop(var, count, body) {
            return self.line(&text);
        }
        let mut inside = taken.clone();
        let named = L::NAMES_ALL || mentions(body, var);
        let name = if named { self.language.scope().name(var, &mut inside) } else { "_".into() };
        self.language.loop_head(&name, count, rolled).iter().for_each(|line| self.line(line));
        self.inner(body, inside);
        self.line("}");
    }

    fn defined(&mut self, var: Var, e: &Expr, changes: bool, taken: &mut HashSet<String>) {
        let name = self.language.scope().name(var, taken);
        let text = self.language.definition(&name, e, changes);
        self.line(&text);
    }

    fn array(&mut self, id: ArrayId, first: Option<Scalar>, taken: &mut HashSet<String>) {
        let scope = self.language.scope();
        let info = &scope.arrays[id.0 as usize];
        scope.array_names[id.0 as usize] = fresh(&info.name, taken);
        let array = scope.local(id);
        let text = self.language.array_definition(&array, info.dtype, first);
        self.line(&text);
    }

    /// `if`, from where the line begins, with a chain of `else if`.
    fn choice(&mut self, condition: &Expr, then: &[Stmt], otherwise: &[Stmt], taken: &HashSet<String>) {
        let test = self.language.test(condition);
        let _ = writeln!(self.out, "{test} {{");
        let outside = self.language.scope().suppose(condition, true);
        self.inner(then, taken.clone());
        self.language.scope().facts = outside.clone();
        self.language.scope().suppose(condition, false);
        if let [Stmt::If { condition, then, otherwise }] = otherwise {
            indent(&mut self.out, self.depth);
            self.out.push_str("} else ");
            self.choice(condition, then, otherwise, taken);
        } else {
            if !otherwise.is_empty() {
                self.line("} else {");
                self.inner(otherwise, taken.clone());
            }
            self.line("}");
        }
        self.language.scope().facts = outside;
    }

    /// `place = value;`, or `place += rest;` when a float begins with what is there.
    fn assigned(&mut self, place: &str, there: &Expr, value: &Expr) {
        let text = match value {
            Expr::Binary(op @ (Binary::Add | Binary::Sub | Binary::Mul | Binary::Div), a, b)
                if value.dtype().is_float() && a.as_ref() == there =>
            {
                let sign = language::sign(*op).expect("an operator");
                format!("{place} {sign}= {};", self.language.value(b))
            }
            // Anything is assigned as it is.
            value => format!("{place} = {};", at_least(self.language.expr(value), Binds::Choice)),
        };
        self.line(&text);
    }
}

/// The constant that a loop puts into every element of a local array.
fn fills(stmt: &Stmt, array: ArrayId, len: usize) -> Option<Scalar> {
    let Stmt::For { var, count, body, .. } = stmt else { return None };
    let [Stmt::StoreLocal(id, index, Expr::Const(s))] = &body[..] else { return None };
    (*id == array && *count == len && *index == Index::from(*var)).then_some(*s)
}
