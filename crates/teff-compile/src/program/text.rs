//! The printed form of a Program, for people and snapshots.

use super::{
    ArrayId, Atom, BufferId, Expr, Index, Kernel, Micro, Place, Program, Scalar, Stmt, Var, VarKind,
};
use crate::printing::{Binds, Text, ordered, product, sign, sum};
use std::fmt::{self, Display, Formatter};
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
    let text = Writer { program, kernel };
    kernel.body.iter().try_for_each(|s| text.stmt(f, s, 1))
}

struct Writer<'a> {
    program: &'a Program,
    kernel: &'a Kernel,
}

impl Writer<'_> {
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
                writeln!(f, "array {}: {}[{}]", self.array(*id), a.dtype, a.len)
            }
            Stmt::StoreLocal(id, i, e) => {
                writeln!(f, "{}[{}] = {}", self.array(*id), self.index(i), self.expr(e))
            }
            Stmt::Store(id, i, e) => {
                writeln!(f, "{}[{}] = {}", self.buffer(*id), self.index(i), self.expr(e))
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
            Stmt::Micro(m) => writeln!(f, "{}", self.micro(m)),
        }
    }

    fn buffer(&self, id: BufferId) -> &str {
        &self.program.buffer(id).name
    }

    fn array(&self, id: ArrayId) -> String {
        format!("{}.{}", self.kernel.arrays[id.0 as usize].name, id.0)
    }

    fn micro(&self, micro: &Micro) -> String {
        let at = self.index(micro.at());
        match micro {
            Micro::Rows(r) => {
                let (sums, inputs, weights) =
                    (self.array(r.sums), self.buffer(r.inputs), self.buffer(r.weights));
                let which =
                    r.runs.map_or("".into(), |runs| format!(", of the inputs in {}", self.buffer(runs)));
                let (first, len, adds) = (r.first, r.len, if r.adds { ", added" } else { "" });
                let columns = format!("{} columns of {weights}, {} bits each", r.outputs, r.bits);
                let rows = format!("from {at}, {} a row{which}{adds}", r.pitch);
                format!("{sums} = row sums of {inputs}[{first}..][..{len}] with {columns}, {rows}")
            }
            Micro::Window(w) => {
                let ([height, width], weights) = (w.window, self.buffer(w.weights));
                let words = format!("{}, {} a row", self.array(w.words), w.pitch);
                let step = format!("{} and {} apart", w.row_step, w.column_step);
                let places = format!("{} by {} places {step}", w.rows, w.columns);
                let sums = self.array(w.sums);
                format!("{sums} = window sums of {words}, {places}, {height}x{width} of {weights} from {at}")
            }
            Micro::Pairs(p) => {
                let (sums, inputs) = (self.array(p.sums), self.array(p.inputs));
                let rows = format!("{} rows of {}, {} bits each", p.outputs, self.buffer(p.weights), p.bits);
                format!("{sums}[{}..] = pair sums of {inputs}[..{}] with {rows}, from {at}", p.to, p.taps)
            }
        }
    }

    fn index(&self, index: &Index) -> String {
        let (added, subtracted) = ordered(index);
        let parts =
            |terms: Vec<&(Atom, i64)>| terms.iter().map(|(a, c)| product(c.abs(), self.atom(a))).collect();
        sum(parts(added), index.constant(), parts(subtracted)).0
    }

    fn atom(&self, atom: &Atom) -> Text {
        match atom {
            Atom::Var(v) => (self.var(*v), Binds::Postfix),
            Atom::Div(i, n) => (format!("({}) / {n}", self.index(i)), Binds::Product),
            Atom::Mod(i, n) => (format!("({}) % {n}", self.index(i)), Binds::Product),
            Atom::Value(e) => (format!("int({})", self.expr(e)), Binds::Postfix),
        }
    }

    fn expr(&self, e: &Expr) -> String {
        match e {
            Expr::Const(s) => constant(*s),
            Expr::Var(v, _) => self.var(*v),
            Expr::Index(dtype, i) => format!("{dtype}({})", self.index(i)),
            Expr::InRange { index, low, high } => format!("{low} <= {} < {high}", self.index(index)),
            Expr::Load(id, _, i) => format!("{}[{}]", self.buffer(*id), self.index(i)),
            Expr::LoadLocal(id, _, i) => format!("{}[{}]", self.array(*id), self.index(i)),
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
            Expr::Quantize(to, x) => {
                let (low, high) = to.range();
                let (dtype, scale, zero) = (to.dtype(), to.scale(), to.zero());
                format!("quantize_{dtype}({}, {scale:?}, {zero}, {low}, {high})", self.expr(x))
            }
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
