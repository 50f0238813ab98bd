//! Statements and functions in C.

use super::expr::{Binds, Printer, c_type};
use super::micro;
use crate::printing::{Argument, arena_range, arguments, at_least, fresh, indent};
use crate::program::{BufferId, Expr, Kernel, Place, Program, Stmt, Var};
use std::collections::HashSet;
use std::fmt::Write;
use teff_graph::{Binary, DType};

/// The function of one kernel, with a comment that says what it is.
pub(super) fn function<'a>(p: &mut Printer<'a>, kernel: &'a Kernel) -> String {
    let arguments = arguments(p.program, kernel);
    let count = |written: bool| arguments.iter().filter(|a| a.written == written).count();
    let (one_in, one_out) = (count(false) == 1, count(true) == 1);
    p.buffer_names.clear();
    let mut parameters = Vec::new();
    for a in &arguments {
        let b = p.program.buffer(a.buffer);
        let name = match a.written {
            false if one_in => "in",
            true if one_out => "out",
            _ => b.name.as_str(),
        };
        p.buffer_names.insert(a.buffer, name.into());
        let constant = if a.written { "" } else { "const " };
        let restrict = if shares(p.program, a.buffer, &arguments) { "" } else { "restrict " };
        parameters.push(format!("{constant}{} *{restrict}{name}", c_type(b.ty.dtype)));
    }
    let mut taken: HashSet<String> = p.buffer_names.values().cloned().collect();
    taken.extend(
        p.program.buffers.iter().filter(|b| matches!(b.place, Place::Constant(_))).map(|b| b.name.clone()),
    );
    taken.extend(p.program.kernels.iter().map(|k| k.name.clone()));
    p.vars = &kernel.vars;
    p.var_names = vec![String::new(); kernel.vars.len()];
    p.array_names = vec![String::new(); kernel.arrays.len()];
    let list = if parameters.is_empty() { "void".into() } else { parameters.join(", ") };
    let mut out = format!("/* {} */\nstatic void {}({list})\n{{\n", super::about(kernel), kernel.name);
    if kernel.body.iter().any(|s| matches!(s, Stmt::For { .. })) {
        p.helpers.need_writes();
        out.push_str("    WRITES_MEMORY;\n");
    }
    let mut body = Body { p, kernel, depth: 1, out };
    body.statements(&kernel.body, taken);
    body.out + "}\n"
}

/// True when another argument lies in the same bytes: a kernel that works in place.
fn shares(program: &Program, id: BufferId, arguments: &[Argument]) -> bool {
    let Some(own) = arena_range(program, id) else { return false };
    arguments
        .iter()
        .filter(|a| a.buffer != id)
        .filter_map(|a| arena_range(program, a.buffer))
        .any(|o| o.start < own.end && own.start < o.end)
}

/// The statements of a kernel, as they are written.
struct Body<'p, 'a> {
    p: &'p mut Printer<'a>,
    kernel: &'a Kernel,
    depth: usize,
    out: String,
}

impl Body<'_, '_> {
    /// A block, in which the names `taken` are taken.
    fn statements(&mut self, stmts: &[Stmt], mut taken: HashSet<String>) {
        for stmt in stmts {
            self.statement(stmt, &mut taken);
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
                let condition = self.p.value(condition);
                self.line(&format!("if ({condition}) {{"));
                self.inner(then, taken.clone());
                if !otherwise.is_empty() {
                    self.line("} else {");
                    self.inner(otherwise, taken.clone());
                }
                self.line("}");
            }
            Stmt::Let(var, e) => self.defined("const ", *var, e, taken),
            Stmt::Mutable(var, e) => self.defined("", *var, e, taken),
            Stmt::LetIndex(var, index) => {
                let value = self.p.index(index).0;
                let name = self.named(*var, taken);
                self.line(&format!("const int {name} = {value};"));
            }
            Stmt::Array(id) => {
                let array = &self.kernel.arrays[id.0 as usize];
                let name = fresh(&array.name, taken);
                self.p.array_names[id.0 as usize] = name.clone();
                self.line(&format!("{} {name}[{}];", c_type(array.dtype), array.len));
            }
            Stmt::Set(var, e) => {
                let place = self.p.var_names[var.0 as usize].clone();
                self.assigned(&place, &Expr::Var(*var, e.dtype()), e);
            }
            Stmt::StoreLocal(id, index, e) => {
                let position = self.p.index(index).0;
                let place = format!("{}[{position}]", self.p.array_names[id.0 as usize]);
                self.assigned(&place, &Expr::LoadLocal(*id, e.dtype(), index.clone()), e);
            }
            Stmt::Store(id, index, e) => {
                let position = self.p.index(index).0;
                let place = format!("{}[{position}]", self.p.buffer(*id));
                self.assigned(&place, &Expr::Load(*id, e.dtype(), index.clone()), e);
            }
            Stmt::Micro(m) => {
                let call = micro::call(self.p, m);
                self.line(&format!("{call};"));
            }
        }
    }

    fn counted(&mut self, var: Var, count: usize, rolled: bool, body: &[Stmt], taken: &HashSet<String>) {
        let mut inside = taken.clone();
        let name = self.named(var, &mut inside);
        if rolled {
            self.p.helpers.need_rolled();
            self.line("KEEP_ROLLED");
        }
        self.line(&format!("for (int {name} = 0; {name} < {count}; {name}++) {{"));
        self.inner(body, inside);
        self.line("}");
    }

    /// A name for `var` that is not taken.
    fn named(&mut self, var: Var, taken: &mut HashSet<String>) -> String {
        let name = fresh(&self.kernel.vars[var.0 as usize].name, taken);
        self.p.var_names[var.0 as usize] = name.clone();
        name
    }

    fn defined(&mut self, fixed: &str, var: Var, e: &Expr, taken: &mut HashSet<String>) {
        let value = self.p.value(e);
        let name = self.named(var, taken);
        self.line(&format!("{fixed}{} {name} = {value};", c_type(e.dtype())));
    }

    /// `place = value`, or `place += rest` when the value begins with what is there.
    fn assigned(&mut self, place: &str, there: &Expr, value: &Expr) {
        let computes_in_type = matches!(value.dtype(), DType::F32 | DType::F64 | DType::U32 | DType::U64);
        let text = match value {
            Expr::Binary(op, a, b) if computes_in_type && a.as_ref() == there => {
                assigning(*op).map(|sign| format!("{place} {sign} {};", self.p.value(b)))
            }
            _ => None,
        };
        let whole = || format!("{place} = {};", at_least(self.p.expr(value), Binds::Choice));
        let text = text.unwrap_or_else(whole);
        self.line(&text);
    }
}

/// The operator that changes a value in its place.
fn assigning(op: Binary) -> Option<&'static str> {
    match op {
        Binary::Add => Some("+="),
        Binary::Sub => Some("-="),
        Binary::Mul => Some("*="),
        // Division of floats is written out, and what others there are have no place in kernels' loops.
        _ => None,
    }
}
