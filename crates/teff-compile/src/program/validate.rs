//! The one place that checks what the contract of [`super`] promises; back ends trust what passed.

mod micro;

use super::bounds::Facts;
use super::{Atom, BufferId, Expr, Index, Kernel, Micro, Place, Program, Scalar, Stmt, Var, VarKind};
use std::fmt;
use teff_graph::{Binary, DType, Op, Type, Unary, infer};

/// What a Program does that its contract forbids.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid {
    /// The kernel at fault; `None` for the program as a whole.
    pub kernel: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.kernel {
            Some(k) => write!(f, "kernel {k}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for Invalid {}

type Check<T = ()> = Result<T, String>;

/// Checks the contract.
///
/// # Errors
/// The first thing that breaks it.
pub fn validate(program: &Program) -> Result<(), Invalid> {
    buffers(program).map_err(|reason| Invalid { kernel: None, reason })?;
    for kernel in &program.kernels {
        let mut checker = Checker {
            program,
            kernel,
            scope: vec![Scope::Undefined; kernel.vars.len()],
            arrays: vec![false; kernel.arrays.len()],
        };
        checker
            .body(&kernel.body, &Facts::default())
            .map_err(|reason| Invalid { kernel: Some(kernel.name.clone()), reason })?;
    }
    Ok(())
}

fn buffers(program: &Program) -> Check {
    for b in &program.buffers {
        let name = &b.name;
        if !b.align.is_power_of_two() || b.align < b.ty.dtype.size() {
            return Err(format!("buffer {name} is aligned to {}", b.align));
        }
        if b.in_sram && !matches!(b.place, Place::Constant(_)) {
            return Err(format!("buffer {name} is no table, and cannot be copied to SRAM"));
        }
        match &b.place {
            Place::Arena(_) if b.is_empty() => {}
            Place::Arena(offset) => {
                let end = offset.checked_add(b.ty.bytes());
                if offset % b.align != 0
                    || b.align > program.arena.align
                    || end.is_none_or(|e| e > program.arena.bytes)
                {
                    return Err(format!("buffer {name} does not fit into the arena at {offset}"));
                }
            }
            Place::Constant(v) => {
                if v.ty() != b.ty {
                    return Err(format!("constant {name} is {}, not {}", v.ty(), b.ty));
                }
            }
            Place::Input(i) => port(&program.inputs, *i, &b.ty, name)?,
            Place::Output(i) => port(&program.outputs, *i, &b.ty, name)?,
        }
    }
    Ok(())
}

fn port(ports: &[super::Port], i: usize, ty: &Type, name: &str) -> Check {
    match ports.get(i) {
        Some(p) if p.ty == *ty => Ok(()),
        _ => Err(format!("buffer {name} is no port of the program")),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Undefined,
    Fixed,
    Mutable,
}

struct Checker<'a> {
    program: &'a Program,
    kernel: &'a Kernel,
    scope: Vec<Scope>,
    arrays: Vec<bool>,
}

impl Checker<'_> {
    /// Checks a body; what it defines goes out of scope at its end.
    fn body(&mut self, body: &[Stmt], facts: &Facts) -> Check {
        let outside = (self.scope.clone(), self.arrays.clone());
        body.iter().try_for_each(|s| self.stmt(s, facts))?;
        (self.scope, self.arrays) = outside;
        Ok(())
    }

    fn stmt(&mut self, stmt: &Stmt, facts: &Facts) -> Check {
        match stmt {
            Stmt::For { var, count, body, .. } => {
                if *count == 0 {
                    return Err("a loop that never runs".into());
                }
                let outside = self.scope.clone();
                self.define_index(*var, (0, *count as i64 - 1))?;
                self.body(body, facts)?;
                self.scope = outside;
                Ok(())
            }
            Stmt::Let(var, e) => {
                let dtype = self.expr(e, facts)?;
                self.define_scalar(*var, dtype, Scope::Fixed)
            }
            Stmt::Mutable(var, e) => {
                let dtype = self.expr(e, facts)?;
                self.define_scalar(*var, dtype, Scope::Mutable)
            }
            Stmt::LetIndex(var, index) => {
                let bounds = self.index(index, facts)?;
                self.define_index(*var, bounds)
            }
            Stmt::Set(var, e) => {
                let dtype = self.expr(e, facts)?;
                if self.scope.get(var.0 as usize) != Some(&Scope::Mutable) {
                    return Err(format!("variable {} is set but may not change here", self.name(*var)));
                }
                self.is_scalar(*var, dtype)
            }
            Stmt::Array(id) => {
                let defined =
                    self.arrays.get_mut(id.0 as usize).ok_or("an array that the kernel does not have")?;
                *defined = true;
                Ok(())
            }
            Stmt::StoreLocal(id, index, e) => {
                let dtype = self.expr(e, facts)?;
                self.local(id.0, dtype, index, facts)
            }
            Stmt::Store(id, index, e) => {
                let dtype = self.expr(e, facts)?;
                let b = self.buffer(*id, dtype)?;
                if matches!(b.place, Place::Input(_) | Place::Constant(_)) {
                    return Err(format!("{} is read only", b.name));
                }
                self.inside(index, b.len(), &b.name, facts)
            }
            Stmt::If { condition, then, otherwise } => {
                self.boolean(condition, facts)?;
                self.body(then, &facts.under(condition))?;
                self.body(otherwise, &facts.outside(condition, &self.kernel.vars))
            }
            Stmt::Micro(Micro::Pairs(p)) => self.pair_sums(p, facts),
            Stmt::Micro(Micro::Window(w)) => self.window_sums(w, facts),
            Stmt::Micro(Micro::Rows(r)) => self.row_sums(r, facts),
        }
    }

    fn name(&self, var: Var) -> &str {
        self.kernel.vars.get(var.0 as usize).map_or("?", |v| &v.name)
    }

    fn define(&mut self, var: Var, scope: Scope) -> Check {
        let slot = self.scope.get_mut(var.0 as usize).ok_or("a variable that the kernel does not have")?;
        if *slot != Scope::Undefined {
            return Err(format!("variable {} is defined twice", self.name(var)));
        }
        *slot = scope;
        Ok(())
    }

    fn define_index(&mut self, var: Var, bounds: (i64, i64)) -> Check {
        self.define(var, Scope::Fixed)?;
        match self.kernel.vars[var.0 as usize].kind {
            VarKind::Index { low, high } if low <= bounds.0 && bounds.1 <= high => Ok(()),
            kind => Err(format!("index {} is declared as {kind:?} and runs over {bounds:?}", self.name(var))),
        }
    }

    fn define_scalar(&mut self, var: Var, dtype: DType, scope: Scope) -> Check {
        self.define(var, scope)?;
        self.is_scalar(var, dtype)
    }

    fn is_scalar(&self, var: Var, dtype: DType) -> Check {
        match self.kernel.vars[var.0 as usize].kind {
            VarKind::Scalar(d) if d == dtype => Ok(()),
            kind => Err(format!("variable {} is {kind:?} and given {dtype}", self.name(var))),
        }
    }

    fn buffer(&self, id: BufferId, dtype: DType) -> Check<&super::Buffer> {
        let b = self.program.buffers.get(id.index()).ok_or("a buffer that the program does not have")?;
        if b.ty.dtype == dtype { Ok(b) } else { Err(format!("{} holds {}, not {dtype}", b.name, b.ty.dtype)) }
    }

    fn local(&self, id: u32, dtype: DType, index: &Index, facts: &Facts) -> Check {
        let array = self.kernel.arrays.get(id as usize).ok_or("an array that the kernel does not have")?;
        if !self.arrays[id as usize] || array.dtype != dtype {
            return Err(format!(
                "array {} of {} is out of scope or used as {dtype}",
                array.name, array.dtype
            ));
        }
        self.inside(index, array.len, &array.name, facts)
    }

    fn inside(&self, index: &Index, len: usize, name: &str, facts: &Facts) -> Check {
        let (low, high) = self.index(index, facts)?;
        if low < 0 || high >= len as i64 {
            return Err(format!("an index of {name} runs from {low} to {high}, outside its {len} elements"));
        }
        Ok(())
    }

    /// Bounds of an index, all of whose parts are checked.
    fn index(&self, index: &Index, facts: &Facts) -> Check<(i64, i64)> {
        self.atoms(index, facts)?;
        let (low, high) = facts.bounds(index, &self.kernel.vars).ok_or("an index without bounds")?;
        if low < i32::MIN as i64 || high > i32::MAX as i64 {
            return Err(format!("an index runs from {low} to {high}, beyond 32 bits"));
        }
        Ok((low, high))
    }

    fn atoms(&self, index: &Index, facts: &Facts) -> Check {
        for (atom, _) in index.terms() {
            match atom {
                Atom::Var(v) => {
                    let known = self.scope.get(v.0 as usize).is_some_and(|s| *s == Scope::Fixed);
                    let is_index = matches!(
                        self.kernel.vars.get(v.0 as usize).map(|v| v.kind),
                        Some(VarKind::Index { .. })
                    );
                    if !known || !is_index {
                        return Err(format!("index {} is not in scope", self.name(*v)));
                    }
                }
                Atom::Div(i, n) | Atom::Mod(i, n) => {
                    let (low, _) = self.index(i, facts)?;
                    if low < 0 || *n < 1 {
                        return Err(format!("an index that may be {low} is divided by {n}"));
                    }
                }
                Atom::Value(e) => {
                    if !self.expr(e, facts)?.is_int() {
                        return Err("an index made of no integer".into());
                    }
                }
            }
        }
        Ok(())
    }

    fn boolean(&self, e: &Expr, facts: &Facts) -> Check {
        match self.expr(e, facts)? {
            DType::Bool => Ok(()),
            other => Err(format!("a condition of type {other}")),
        }
    }

    /// The type of an expression, all of whose parts are checked.
    fn expr(&self, e: &Expr, facts: &Facts) -> Check<DType> {
        match e {
            Expr::Const(s) => Ok(Scalar::dtype(*s)),
            Expr::Var(v, dtype) => {
                if self.scope.get(v.0 as usize).is_none_or(|s| *s == Scope::Undefined) {
                    return Err(format!("variable {} is not in scope", self.name(*v)));
                }
                self.is_scalar(*v, *dtype).map(|()| *dtype)
            }
            Expr::Index(dtype, index) => {
                self.index(index, facts)?;
                if dtype.is_int() { Ok(*dtype) } else { Err(format!("an index as {dtype}")) }
            }
            // The test itself may see any value; what passes it is inside.
            Expr::InRange { index, .. } => self.atoms(index, facts).map(|()| DType::Bool),
            Expr::Load(id, dtype, index) => {
                let b = self.buffer(*id, *dtype)?;
                self.inside(index, b.len(), &b.name, facts)?;
                Ok(*dtype)
            }
            Expr::LoadLocal(id, dtype, index) => self.local(id.0, *dtype, index, facts).map(|()| *dtype),
            Expr::Unary(Unary::StopGradient, _) => Err("stop_gradient has no place in a program".into()),
            Expr::Unary(op, x) => self.result(Op::Unary(*op), &[self.expr(x, facts)?]),
            Expr::Binary(Binary::And, a, b) if a.dtype() == DType::Bool => {
                self.boolean(a, facts)?;
                self.boolean(b, &facts.under(a)).map(|()| DType::Bool)
            }
            Expr::Binary(op, a, b) => {
                self.result(Op::Binary(*op), &[self.expr(a, facts)?, self.expr(b, facts)?])
            }
            Expr::Select(operands) => {
                let [condition, a, b] = operands.as_ref();
                self.boolean(condition, facts)?;
                let a = self.expr(a, &facts.under(condition))?;
                let b = self.expr(b, &facts.outside(condition, &self.kernel.vars))?;
                if a == b { Ok(a) } else { Err(format!("a choice between {a} and {b}")) }
            }
            Expr::Cast(dtype, x) => self.expr(x, facts).map(|_| *dtype),
            Expr::Bits(dtype, x) => match (self.expr(x, facts)?, *dtype) {
                (DType::F32, DType::I32) | (DType::I32, DType::F32) => Ok(*dtype),
                (from, to) => Err(format!("the bits of {from} as {to}")),
            },
            Expr::Quantize(to, x) => match self.expr(x, facts)? {
                DType::F32 => Ok(to.dtype()),
                from => Err(format!("{from} quantised as f32")),
            },
        }
    }

    /// The type that the graph's rules give.
    fn result(&self, op: Op, operands: &[DType]) -> Check<DType> {
        let types: Vec<Type> = operands.iter().map(|d| Type::new(*d, [])).collect();
        infer(&op, &types).map(|t| t.dtype).map_err(|e| e.to_string())
    }
}
