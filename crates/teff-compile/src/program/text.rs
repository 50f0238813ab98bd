//! The printed form of a Program, for people and snapshots.

use super::{Atom, Expr, Index, Kernel, Micro, Place, Program, Scalar, Stmt, Var, VarKind};
use crate::printing::sign;
use std::fmt::{self, Display, Formatter, Write};
use teff_graph::Num;

impl Display for Program {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "program {}", self.name)?;
        for b in &self.buffers {
            let place = match &b.place {
                Place::Input(i) => format!("input {i}"),
                Place::Output(i) => format!("output {i}"),
                Place::Arena(offset) => format!("arena {offset}..{}", offset + b.ty.bytes()),
                Place::Constant(_) if b.in_sram => "constant in SRAM".into(),
                Place::Constant(_) => "constant".into(),
            };
            writeln!(f, "  {}: {} = {place}", b.name, b.ty)?;
        }
        let Self { arena, .. } = self;
        writeln!(
            f,
            "  arena of {} bytes, aligned to {}, at least {}",
            arena.bytes, arena.align, arena.lower_bound
        )?;
        self.kernels.iter().try_for_each(|k| write_kernel(f, self, k))
    }
}

fn write_kernel(f: &mut Formatter, program: &Program, kernel: &Kernel) -> fmt::Result {
    write!(f, "kernel {}", kernel.name)?;
    if let Some(label) = &kernel.label {
        write!(f, " of {label:?}")?;
    }
    writeln!(f, ": {} -> {}, {} macs", kernel.ops.join(" "), kernel.result, kernel.macs)?;
    let text = Text { program, kernel };
    kernel.body.iter().try_for_each(|s| text.stmt(f, s, 1))
}

struct Text<'a> {
    program: &'a Program,
    kernel: &'a Kernel,
}

impl Text<'_> {
    /// Variables by hint and number, so that equal names stay apart.
    fn var(&self, v: Var) -> String {
        match self.kernel.vars.get(v.0 as usize) {
            Some(info) => format!("{}.{}", info.name, v.0),
            None => format!("?.{}", v.0),
        }
    }

    fn stmt(&self, f: &mut Formatter, stmt: &Stmt, depth: usize) -> fmt::Result {
        write!(f, "{:1$}", "", 2 * depth)?;
        match stmt {
            Stmt::For { var, count, rolled, body } => {
                writeln!(f, "for {} in 0..{count}{}", self.var(*var), if *rolled { " rolled" } else { "" })?;
                body.iter().try_for_each(|s| self.stmt(f, s, depth + 1))
            }
            Stmt::Let(v, e) => writeln!(f, "let {}: {} = {}", self.var(*v), e.dtype(), self.expr(e)),
            Stmt::LetIndex(v, i) => {
                let bounds = match self.kernel.vars.get(v.0 as usize).map(|v| v.kind) {
                    Some(VarKind::Index { low, high }) => format!("{low}..={high}"),
                    _ => "?".into(),
                };
                writeln!(f, "index {}: {bounds} = {}", self.var(*v), self.index(i))
            }
            Stmt::Mutable(v, e) => writeln!(f, "var {}: {} = {}", self.var(*v), e.dtype(), self.expr(e)),
            Stmt::Set(v, e) => writeln!(f, "{} = {}", self.var(*v), self.expr(e)),
            Stmt::Array(id) => {
                let a = &self.kernel.arrays[id.0 as usize];
                writeln!(f, "array {}.{}: {}[{}]", a.name, id.0, a.dtype, a.len)
            }
            Stmt::StoreLocal(id, i, e) => {
                let name = &self.kernel.arrays[id.0 as usize].name;
                writeln!(f, "{name}.{}[{}] = {}", id.0, self.index(i), self.expr(e))
            }
            Stmt::Store(id, i, e) => {
                writeln!(f, "{}[{}] = {}", self.program.buffer(*id).name, self.index(i), self.expr(e))
            }
            Stmt::If { condition, then, otherwise } => {
                writeln!(f, "if {}", self.expr(condition))?;
                then.iter().try_for_each(|s| self.stmt(f, s, depth + 1))?;
                if otherwise.is_empty() {
                    return Ok(());
                }
                writeln!(f, "{:1$}else", "", 2 * depth)?;
                otherwise.iter().try_for_each(|s| self.stmt(f, s, depth + 1))
            }
            Stmt::Micro(Micro::Rows(r)) => {
                let sums = format!("{}.{}", self.kernel.arrays[r.sums.0 as usize].name, r.sums.0);
                let name = |id: super::BufferId| &self.program.buffer(id).name;
                let (inputs, weights) = (name(r.inputs), name(r.weights));
                write!(
                    f,
                    "{sums} = row sums of {inputs}[{}..][..{}] with {} columns ",
                    r.first, r.len, r.outputs
                )?;
                let which = r.runs.map_or(String::new(), |runs| format!(", of the inputs in {}", name(runs)));
                let adds = if r.adds { ", added" } else { "" };
                writeln!(
                    f,
                    "of {weights}, {} bits each, from {}, {} a row{which}{adds}",
                    r.bits,
                    self.index(&r.at),
                    r.pitch
                )
            }
            Stmt::Micro(Micro::Window(w)) => {
                let name =
                    |id: super::ArrayId| format!("{}.{}", self.kernel.arrays[id.0 as usize].name, id.0);
                let [height, width] = w.window;
                write!(f, "{} = window sums of {}, {} a row, ", name(w.sums), name(w.words), w.pitch)?;
                write!(f, "{} by {} places {} and {} apart", w.rows, w.columns, w.row_step, w.column_step)?;
                let weights = &self.program.buffer(w.weights).name;
                writeln!(f, ", {height}x{width} of {weights} from {}", self.index(&w.at))
            }
            Stmt::Micro(Micro::Pairs(p)) => {
                let name =
                    |id: super::ArrayId| format!("{}.{}", self.kernel.arrays[id.0 as usize].name, id.0);
                writeln!(
                    f,
                    "{}[{}..] = pair sums of {}[..{}] with {} rows of {}, {} bits each, from {}",
                    name(p.sums),
                    p.to,
                    name(p.inputs),
                    p.taps,
                    p.outputs,
                    self.program.buffer(p.weights).name,
                    p.bits,
                    self.index(&p.at)
                )
            }
        }
    }

    fn index(&self, index: &Index) -> String {
        let mut out = String::new();
        for (atom, c) in index.terms() {
            let part = match atom {
                Atom::Var(v) => self.var(*v),
                Atom::Div(i, n) => format!("({}) / {n}", self.index(i)),
                Atom::Mod(i, n) => format!("({}) % {n}", self.index(i)),
                Atom::Value(e) => format!("int({})", self.expr(e)),
            };
            let sign = match (out.is_empty(), *c < 0) {
                (true, false) => "",
                (true, true) => "-",
                (false, false) => " + ",
                (false, true) => " - ",
            };
            out += sign;
            match c.abs() {
                1 if matches!(atom, Atom::Var(_) | Atom::Value(_)) => out += &part,
                1 => _ = write!(out, "({part})"),
                c if matches!(atom, Atom::Var(_) | Atom::Value(_)) => _ = write!(out, "{c}*{part}"),
                c => _ = write!(out, "{c}*({part})"),
            }
        }
        match (out.is_empty(), index.constant()) {
            (true, c) => c.to_string(),
            (false, 0) => out,
            (false, c) if c < 0 => format!("{out} - {}", -c),
            (false, c) => format!("{out} + {c}"),
        }
    }

    fn expr(&self, e: &Expr) -> String {
        match e {
            Expr::Const(s) => constant(*s),
            Expr::Var(v, _) => self.var(*v),
            Expr::Index(dtype, i) => format!("{dtype}({})", self.index(i)),
            Expr::InRange { index, low, high } => format!("{low} <= {} < {high}", self.index(index)),
            Expr::Load(id, _, i) => format!("{}[{}]", self.program.buffer(*id).name, self.index(i)),
            Expr::LoadLocal(id, _, i) => {
                format!("{}.{}[{}]", self.kernel.arrays[id.0 as usize].name, id.0, self.index(i))
            }
            Expr::Unary(op, x) => format!("{}({})", op.name(), self.expr(x)),
            Expr::Binary(op, a, b) => match sign(*op) {
                Some(sign) => format!("({} {sign} {})", self.expr(a), self.expr(b)),
                None => format!("{}({}, {})", op.name(), self.expr(a), self.expr(b)),
            },
            Expr::Select(operands) => {
                let [condition, a, b] = operands.as_ref();
                format!("({} ? {} : {})", self.expr(condition), self.expr(a), self.expr(b))
            }
            Expr::Cast(dtype, x) => format!("{dtype}({})", self.expr(x)),
            Expr::Bits(dtype, x) => format!("bits_{dtype}({})", self.expr(x)),
        }
    }
}

fn constant(s: Scalar) -> String {
    match s.get() {
        Num::Int(i) if s.dtype() == teff_graph::DType::Bool => (i != 0).to_string(),
        Num::Int(i) => i.to_string(),
        Num::Float(x) => format!("{x:?}"),
    }
}
