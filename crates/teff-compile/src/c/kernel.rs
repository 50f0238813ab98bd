//! Functions in C.

use super::expr::{Printer, c_type};
use crate::printing::{Argument, Array, arena_range, arguments, statements};
use crate::program::{BufferId, Kernel, Place, Program, Stmt};
use std::collections::{HashMap, HashSet};

/// The function of one kernel, with a comment that says what it is.
pub(super) fn function<'a>(p: &mut Printer<'a>, kernel: &'a Kernel) -> String {
    let program = p.scope.program;
    let arguments = arguments(program, kernel);
    let count = |written: bool| arguments.iter().filter(|a| a.written == written).count();
    let (one_in, one_out) = (count(false) == 1, count(true) == 1);
    let (mut seen, mut parameters) = (HashMap::new(), Vec::new());
    for a in &arguments {
        let b = program.buffer(a.buffer);
        let name = match a.written {
            false if one_in => "in",
            true if one_out => "out",
            true | false => b.name.as_str(),
        };
        seen.insert(a.buffer, Array { name: name.into(), offset: 0, len: b.len() });
        let constant = if a.written { "" } else { "const " };
        let restrict = if shares(program, a.buffer, &arguments) { "" } else { "restrict " };
        parameters.push(format!("{constant}{} *{restrict}{name}", c_type(b.ty.dtype)));
    }
    let mut taken: HashSet<String> = seen.values().map(|a| a.name.clone()).collect();
    let tables = program.buffers.iter().filter(|b| matches!(b.place, Place::Constant(_)));
    taken.extend(tables.map(|b| b.name.clone()).chain(program.kernels.iter().map(|k| k.name.clone())));
    p.scope.enter(kernel, seen);
    let list = if parameters.is_empty() { "void".into() } else { parameters.join(", ") };
    let about = super::about(kernel);
    let loops = kernel.body.iter().any(|s| matches!(s, Stmt::For { .. }));
    p.helpers.writes |= loops;
    let marked = if loops { "    WRITES_MEMORY;\n" } else { "" };
    let body = statements(p, &kernel.body, 1, taken);
    format!("/* {about} */\nstatic void {}({list})\n{{\n{marked}{body}}}\n", kernel.name)
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
