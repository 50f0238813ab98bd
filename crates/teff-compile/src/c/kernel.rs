//! Statements and functions in C.

use super::expr::{Binds, Printer, c_type};
use crate::printing::{Argument, arena_range, arguments, at_least, fresh, indent};
use crate::program::{BufferId, Expr, Index, Kernel, Micro, Place, Program, Stmt, Var};
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
    body(p, kernel, &kernel.body, &taken, 1, &mut out);
    out + "}\n"
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

fn body(
    p: &mut Printer,
    kernel: &Kernel,
    stmts: &[Stmt],
    around: &HashSet<String>,
    depth: usize,
    out: &mut String,
) {
    let mut taken = around.clone();
    let name_of = |v: &Var| kernel.vars[v.0 as usize].name.as_str();
    for stmt in stmts {
        if let Stmt::For { var, count, rolled, body: inner } = stmt {
            let mut inside = taken.clone();
            let name = fresh(name_of(var), &mut inside);
            p.var_names[var.0 as usize] = name.clone();
            if *rolled {
                p.helpers.need_rolled();
                indent(out, depth);
                out.push_str("KEEP_ROLLED\n");
            }
            indent(out, depth);
            let _ = writeln!(out, "for (int {name} = 0; {name} < {count}; {name}++) {{");
            body(p, kernel, inner, &inside, depth + 1, out);
            indent(out, depth);
            out.push_str("}\n");
            continue;
        }
        if let Stmt::If { condition, then, otherwise } = stmt {
            let condition = p.value(condition);
            indent(out, depth);
            let _ = writeln!(out, "if ({condition}) {{");
            body(p, kernel, then, &taken, depth + 1, out);
            if !otherwise.is_empty() {
                indent(out, depth);
                out.push_str("} else {\n");
                body(p, kernel, otherwise, &taken, depth + 1, out);
            }
            indent(out, depth);
            out.push_str("}\n");
            continue;
        }
        let line = match stmt {
            Stmt::Let(var, e) | Stmt::Mutable(var, e) => {
                let value = p.value(e);
                let name = fresh(name_of(var), &mut taken);
                p.var_names[var.0 as usize] = name.clone();
                let fixed = if matches!(stmt, Stmt::Let(..)) { "const " } else { "" };
                format!("{fixed}{} {name} = {value}", c_type(e.dtype()))
            }
            Stmt::LetIndex(var, index) => {
                let value = p.index(index).0;
                let name = fresh(name_of(var), &mut taken);
                p.var_names[var.0 as usize] = name.clone();
                format!("const int {name} = {value}")
            }
            Stmt::Array(id) => {
                let array = &kernel.arrays[id.0 as usize];
                let name = fresh(&array.name, &mut taken);
                p.array_names[id.0 as usize] = name.clone();
                format!("{} {name}[{}]", c_type(array.dtype), array.len)
            }
            Stmt::Set(var, e) => {
                let place = p.var_names[var.0 as usize].clone();
                assignment(p, &place, &Expr::Var(*var, e.dtype()), e)
            }
            Stmt::StoreLocal(id, index, e) => {
                let index_text = p.index(index).0;
                let place = format!("{}[{index_text}]", p.array_names[id.0 as usize]);
                assignment(p, &place, &Expr::LoadLocal(*id, e.dtype(), index.clone()), e)
            }
            Stmt::Store(id, index, e) => {
                let place = store_place(p, *id, index);
                assignment(p, &place, &Expr::Load(*id, e.dtype(), index.clone()), e)
            }
            Stmt::Micro(Micro::Rows(r)) => {
                let name = p.helpers.need_row_sums(r.bits, r.runs.is_some());
                let after =
                    |name: &str, at: &str| if at == "0" { name.into() } else { format!("{name} + {at}") };
                let at = p.index(&r.at).0;
                let weights: String = after(p.buffer(r.weights), &at);
                let inputs = after(p.buffer(r.inputs), &r.first.to_string());
                let (inputs, flip) = match p.program.buffer(r.inputs).ty.dtype {
                    DType::I8 => (format!("(const uint8_t *){}", at_least_one(inputs)), "128u"),
                    _ => (inputs, "0u"),
                };
                let sums = &p.array_names[r.sums.0 as usize];
                let (which, adds) = match r.runs {
                    None => (r.len.to_string(), String::new()),
                    Some(runs) => (
                        format!("{}, {}", p.buffer(runs), p.program.buffer(runs).len()),
                        format!("{}, ", r.adds),
                    ),
                };
                format!(
                    "{name}({inputs}, {flip}, {which}, {weights}, {}, {}, {adds}{sums})",
                    r.pitch, r.outputs
                )
            }
            Stmt::Micro(Micro::Window(w)) => {
                p.helpers.need_window_sums();
                let at = p.index(&w.at).0;
                let weights = if at == "0" {
                    p.buffer(w.weights).into()
                } else {
                    format!("{} + {at}", p.buffer(w.weights))
                };
                let array = |id: crate::program::ArrayId| &p.array_names[id.0 as usize];
                let [height, width] = w.window;
                let (words, sums) = (array(w.words), array(w.sums));
                let places = format!("{}, {}, {}, {}", w.rows, w.row_step, w.columns, w.column_step);
                format!("window_sums({words}, {}, {weights}, {height}, {width}, {places}, {sums})", w.pitch)
            }
            Stmt::Micro(Micro::Pairs(s)) => {
                let name = p.helpers.need_pair_sums(s.bits);
                let after =
                    |name: String, at: String| if at == "0" { name } else { format!("{name} + {at}") };
                let weights = after(p.buffer(s.weights).into(), p.index(&s.at).0);
                let sums = after(p.array_names[s.sums.0 as usize].clone(), s.to.to_string());
                let inputs = &p.array_names[s.inputs.0 as usize];
                format!("{name}({inputs}, {}, {weights}, {}, {sums})", s.taps, s.outputs)
            }
            Stmt::For { .. } | Stmt::If { .. } => unreachable!("printed above"),
        };
        indent(out, depth);
        let _ = writeln!(out, "{line};");
    }
}

/// Text that a cast may stand before.
fn at_least_one(text: String) -> String {
    if text.contains(' ') { format!("({text})") } else { text }
}

fn store_place(p: &mut Printer, id: BufferId, index: &Index) -> String {
    let index = p.index(index).0;
    format!("{}[{index}]", p.buffer(id))
}

/// `place = value`, or `place += rest` when the value begins with what is there.
fn assignment(p: &mut Printer, place: &str, there: &Expr, value: &Expr) -> String {
    if let Expr::Binary(op, a, b) = value {
        let sign = match op {
            Binary::Add => "+=",
            Binary::Sub => "-=",
            Binary::Mul => "*=",
            _ => "",
        };
        let computes_in_type = matches!(value.dtype(), DType::F32 | DType::F64 | DType::U32 | DType::U64);
        if !sign.is_empty() && computes_in_type && a.as_ref() == there {
            return format!("{place} {sign} {}", p.value(b));
        }
    }
    format!("{place} = {}", at_least(p.expr(value), Binds::Choice))
}
