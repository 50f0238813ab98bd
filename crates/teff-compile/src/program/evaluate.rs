//! Running a Program on the host, slowly, as a test double of the target: its arena fails on whatever a memory plan can do wrong.

use super::{
    ArrayId, Atom, BufferId, Expr, Index, Kernel, Micro, PairSums, Place, Program, RowSums, Stmt, VarKind,
    WindowSums,
};
use std::collections::HashMap;
use std::fmt;
use teff_graph::{DType, Element, Num, Type, Value, eval_binary, eval_unary, with_dtype};

/// What went wrong while a Program ran.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The inputs are not those of the program.
    Inputs {
        /// Types the program takes.
        expected: Vec<Type>,
        /// Types given.
        given: Vec<Type>,
    },
    /// An element that a kernel may not use so.
    Element {
        /// The kernel that ran.
        kernel: String,
        /// The buffer or local array.
        of: String,
        /// The index.
        index: i64,
        /// What is wrong with it.
        wrong: Wrong,
    },
}

/// What is wrong with an element.
#[derive(Clone, Debug, PartialEq)]
pub enum Wrong {
    /// It is outside.
    Outside,
    /// It is read before it is written.
    Unwritten,
    /// It is read after this buffer was written over it.
    Overwritten(String),
    /// As an input of [`super::PairSums`] it should hold two numbers of 8 bits, and is this.
    Wide(i64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Fault::Inputs { expected, given } => write!(f, "the program takes {expected:?}, given {given:?}"),
            Fault::Element { kernel, of, index, wrong } => {
                write!(f, "{kernel}: {of}[{index}] ")?;
                match wrong {
                    Wrong::Outside => f.write_str("is outside"),
                    Wrong::Unwritten => f.write_str("is read before it is written"),
                    Wrong::Overwritten(by) => write!(f, "is read after {by} was written over it"),
                    Wrong::Wide(word) => write!(f, "is {word}, with more than 8 bits in a lane"),
                }
            }
        }
    }
}

impl std::error::Error for Fault {}

/// The outputs on these inputs.
///
/// # Errors
/// The first fault.
pub fn evaluate(program: &Program, inputs: &[Value]) -> Result<Vec<Value>, Fault> {
    let memory = ran(program, inputs)?;
    program.outputs.iter().map(|p| memory.output(program, p.buffer)).collect()
}

/// How often, in a run on these inputs, each input of a [`RowSums`] was not the least and took products; by the weights it takes.
///
/// # Errors
/// The first fault.
pub(crate) fn rows_used(program: &Program, inputs: &[Value]) -> Result<HashMap<BufferId, Vec<u64>>, Fault> {
    Ok(ran(program, inputs)?.rows_used)
}

fn ran(program: &Program, inputs: &[Value]) -> Result<Memory, Fault> {
    let expected: Vec<Type> = program.inputs.iter().map(|p| p.ty.clone()).collect();
    let given: Vec<Type> = inputs.iter().map(Value::ty).collect();
    if expected != given {
        return Err(Fault::Inputs { expected, given });
    }
    let mut memory = Memory::new(program, inputs);
    for kernel in &program.kernels {
        let locals = kernel.arrays.iter().map(|a| vec![None; a.len]).collect();
        let mut run = Run {
            program,
            kernel,
            memory: &mut memory,
            scalars: vec![Num::Int(0); kernel.vars.len()],
            indices: vec![0; kernel.vars.len()],
            locals,
        };
        run.body(&kernel.body)?;
    }
    Ok(memory)
}

/// Every element of every buffer, and for every byte of the arena the buffer that wrote it last.
struct Memory {
    elements: Vec<Vec<Option<Num>>>,
    owner: Vec<Option<BufferId>>,
    /// For each input of a [`RowSums`], by its weights, how often it was not the least.
    rows_used: HashMap<BufferId, Vec<u64>>,
}

impl Memory {
    fn new(program: &Program, inputs: &[Value]) -> Memory {
        let content = |b: &super::Buffer| match &b.place {
            Place::Input(i) => (0..b.len()).map(|k| Some(inputs[*i].get(k))).collect(),
            Place::Constant(v) => (0..b.len()).map(|k| Some(v.get(k))).collect(),
            Place::Output(_) | Place::Arena(_) => vec![None; b.len()],
        };
        Memory {
            elements: program.buffers.iter().map(content).collect(),
            owner: vec![None; program.arena.bytes],
            rows_used: HashMap::new(),
        }
    }

    fn output(&self, program: &Program, id: BufferId) -> Result<Value, Fault> {
        let b = program.buffer(id);
        let elements = &self.elements[id.index()];
        if let Some(i) = elements.iter().position(Option::is_none) {
            return Err(element(&program.name, &b.name, i as i64, Wrong::Unwritten));
        }
        Ok(Value::from_fn(&b.ty, |i| elements[i].expect("just checked")))
    }
}

struct Run<'a> {
    program: &'a Program,
    kernel: &'a Kernel,
    memory: &'a mut Memory,
    scalars: Vec<Num>,
    indices: Vec<i64>,
    locals: Vec<Vec<Option<Num>>>,
}

fn element(kernel: &str, of: &str, index: i64, wrong: Wrong) -> Fault {
    Fault::Element { kernel: kernel.into(), of: of.into(), index, wrong }
}

fn narrow(n: Num, dtype: DType) -> Num {
    with_dtype!(dtype, T => T::from_num(n).to_num())
}

impl Run<'_> {
    fn body(&mut self, body: &[Stmt]) -> Result<(), Fault> {
        body.iter().try_for_each(|s| self.stmt(s))
    }

    fn stmt(&mut self, stmt: &Stmt) -> Result<(), Fault> {
        match stmt {
            Stmt::For { var, count, body, .. } => {
                for i in 0..*count {
                    self.indices[var.0 as usize] = i as i64;
                    self.body(body)?;
                }
            }
            Stmt::Let(var, e) | Stmt::Mutable(var, e) | Stmt::Set(var, e) => {
                self.scalars[var.0 as usize] = self.expr(e)?;
            }
            Stmt::LetIndex(var, index) => {
                let i = self.index(index)?;
                if let VarKind::Index { low, high } = self.kernel.vars[var.0 as usize].kind {
                    assert!((low..=high).contains(&i), "a validated index stays in its bounds");
                }
                self.indices[var.0 as usize] = i;
            }
            Stmt::Array(id) => self.locals[id.0 as usize].fill(None),
            Stmt::StoreLocal(id, index, e) => {
                let (i, value) = (self.index(index)?, self.expr(e)?);
                let len = self.kernel.arrays[id.0 as usize].len;
                let at = self.inside(i, len, &self.kernel.arrays[id.0 as usize].name)?;
                self.locals[id.0 as usize][at] = Some(value);
            }
            Stmt::Store(id, index, e) => {
                let (i, value) = (self.index(index)?, self.expr(e)?);
                let b = self.program.buffer(*id);
                let at = self.inside(i, b.len(), &b.name)?;
                self.memory.elements[id.index()][at] = Some(value);
                if let Place::Arena(offset) = b.place {
                    let size = b.ty.dtype.size();
                    self.memory.owner[offset + at * size..][..size].fill(Some(*id));
                }
            }
            Stmt::If { condition, then, otherwise } => {
                let holds = self.expr(condition)? == Num::Int(1);
                self.body(if holds { then } else { otherwise })?;
            }
            Stmt::Micro(Micro::Pairs(p)) => self.pair_sums(p)?,
            Stmt::Micro(Micro::Window(w)) => self.window_sums(w)?,
            Stmt::Micro(Micro::Rows(r)) => self.row_sums(r)?,
        }
        Ok(())
    }

    fn fault(&self, of: &str, index: i64, wrong: Wrong) -> Fault {
        element(&self.kernel.name, of, index, wrong)
    }

    fn pair_sums(&mut self, p: &PairSums) -> Result<(), Fault> {
        let at = self.index(&p.at)?;
        let mut lanes = Vec::new();
        for k in 0..p.taps {
            lanes.push(self.lanes(p.inputs, k)?);
        }
        for o in 0..p.outputs {
            let mut sums = [0i128; 2];
            for (k, x) in lanes.iter().enumerate() {
                let position = PairSums::position(p.outputs, p.taps, o, k);
                let weight = self.weight(p.weights, p.bits, at, position)?;
                sums = [0, 1].map(|lane| sums[lane] + weight * x[lane]);
            }
            for (lane, sum) in sums.into_iter().enumerate() {
                self.locals[p.sums.0 as usize][p.to + 2 * o + lane] = Some(narrow(Num::Int(sum), DType::I32));
            }
        }
        Ok(())
    }

    fn window_sums(&mut self, w: &WindowSums) -> Result<(), Fault> {
        let at = self.index(&w.at)?;
        let [height, width] = w.window;
        for place in 0..w.rows * w.columns {
            let (row, column) = (place / w.columns, place % w.columns);
            let mut sums = [0i128; 2];
            for k in 0..height * width {
                let y = row * w.row_step + k / width;
                let x = self.lanes(w.words, y * w.pitch + column * w.column_step + k % width)?;
                let weight = self.load(w.weights, at + k as i64)?;
                sums = [0, 1].map(|lane| sums[lane] + weight.as_int() * x[lane]);
            }
            for (lane, sum) in sums.into_iter().enumerate() {
                self.locals[w.sums.0 as usize][2 * place + lane] = Some(narrow(Num::Int(sum), DType::I32));
            }
        }
        Ok(())
    }

    fn row_sums(&mut self, r: &RowSums) -> Result<(), Fault> {
        let at = self.index(&r.at)?;
        let (least, _) = self.program.buffer(r.inputs).ty.dtype.int_range().expect("validated");
        let mut sums = vec![0i128; r.outputs];
        if r.adds {
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum = self.local(r.sums, j as i64)?.as_int();
            }
        }
        for (k, input) in self.row_inputs(r)?.into_iter().enumerate() {
            let x = self.load(r.inputs, (r.first + input) as i64)?.as_int() - least;
            if x == 0 {
                continue;
            }
            self.memory.rows_used.entry(r.weights).or_insert_with(|| vec![0; r.len])[input] += 1;
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum += x * self.weight(r.weights, r.bits, at, k * r.pitch + j)?;
            }
        }
        for (j, sum) in sums.into_iter().enumerate() {
            self.locals[r.sums.0 as usize][j] = Some(narrow(Num::Int(sum), DType::I32));
        }
        Ok(())
    }

    /// Which inputs a statement means.
    fn row_inputs(&self, r: &RowSums) -> Result<Vec<usize>, Fault> {
        let Some(runs) = r.runs else { return Ok((0..r.len).collect()) };
        let lengths =
            (0..self.program.buffer(runs).len()).map(|i| Ok(self.load(runs, i as i64)?.as_int() as usize));
        Ok(RowSums::positions(lengths.collect::<Result<Vec<usize>, Fault>>()?))
    }

    /// The weight numbered `i` from element `at` of a buffer on, where there are `bits` to each.
    fn weight(&self, buffer: BufferId, bits: u8, at: i64, i: usize) -> Result<i128, Fault> {
        let per_element = 8 / usize::from(bits);
        let element = self.load(buffer, at + (i / per_element) as i64)?.as_int() as u8;
        let up = 8 - bits * (i % per_element + 1) as u8;
        Ok(i128::from((element << up) as i8 >> (8 - bits)))
    }

    /// The two numbers of 8 bits in a word.
    fn lanes(&self, id: ArrayId, i: usize) -> Result<[i128; 2], Fault> {
        let word = self.local(id, i as i64)?.as_int() as i32;
        let (low, high) = (word as i16, (word.wrapping_add(0x8000)) >> 16);
        if [i32::from(low), high].iter().any(|lane| !(-128..=127).contains(lane)) {
            return Err(self.fault(
                &self.kernel.arrays[id.0 as usize].name,
                i as i64,
                Wrong::Wide(word.into()),
            ));
        }
        Ok([i128::from(low), i128::from(high)])
    }

    fn local(&self, id: ArrayId, i: i64) -> Result<Num, Fault> {
        let array = &self.kernel.arrays[id.0 as usize];
        let at = self.inside(i, array.len, &array.name)?;
        self.locals[id.0 as usize][at].ok_or_else(|| self.fault(&array.name, i, Wrong::Unwritten))
    }

    fn inside(&self, i: i64, len: usize, name: &str) -> Result<usize, Fault> {
        usize::try_from(i).ok().filter(|&at| at < len).ok_or_else(|| self.fault(name, i, Wrong::Outside))
    }

    fn load(&self, id: BufferId, i: i64) -> Result<Num, Fault> {
        let b = self.program.buffer(id);
        let at = self.inside(i, b.len(), &b.name)?;
        let value = self.memory.elements[id.index()][at];
        let value = value.ok_or_else(|| self.fault(&b.name, i, Wrong::Unwritten))?;
        if let Place::Arena(offset) = b.place {
            let size = b.ty.dtype.size();
            let bytes = &self.memory.owner[offset + at * size..][..size];
            if let Some(other) = bytes.iter().flatten().find(|o| **o != id) {
                let by = self.program.buffer(*other).name.clone();
                return Err(self.fault(&b.name, i, Wrong::Overwritten(by)));
            }
        }
        Ok(value)
    }

    fn index(&self, index: &Index) -> Result<i64, Fault> {
        let mut sum = index.constant();
        for (atom, coefficient) in index.terms() {
            let value = match atom {
                Atom::Var(v) => self.indices[v.0 as usize],
                Atom::Div(i, n) => self.index(i)? / n,
                Atom::Mod(i, n) => self.index(i)? % n,
                Atom::Value(e) => {
                    self.expr(e)?.as_int().clamp(i64::MIN as i128 / 2, i64::MAX as i128 / 2) as i64
                }
            };
            sum = sum.saturating_add(value.saturating_mul(*coefficient));
        }
        Ok(sum)
    }

    fn expr(&self, e: &Expr) -> Result<Num, Fault> {
        Ok(match e {
            Expr::Const(s) => s.get(),
            Expr::Var(v, _) => self.scalars[v.0 as usize],
            Expr::Index(dtype, index) => narrow(Num::Int(self.index(index)? as i128), *dtype),
            Expr::InRange { index, low, high } => {
                Num::Int((*low..*high).contains(&self.index(index)?) as i128)
            }
            Expr::Load(id, _, index) => self.load(*id, self.index(index)?)?,
            Expr::LoadLocal(id, _, index) => self.local(*id, self.index(index)?)?,
            Expr::Unary(op, x) => narrow(eval_unary(*op, self.expr(x)?, x.dtype()), e.dtype()),
            Expr::Binary(op, a, b) => {
                narrow(eval_binary(*op, self.expr(a)?, self.expr(b)?, a.dtype()), e.dtype())
            }
            Expr::Select(operands) => {
                let [condition, a, b] = operands.as_ref();
                if self.expr(condition)? == Num::Int(1) { self.expr(a)? } else { self.expr(b)? }
            }
            Expr::Cast(dtype, x) => narrow(self.expr(x)?, *dtype),
            Expr::Bits(dtype, x) => match self.expr(x)? {
                Num::Float(f) => narrow(Num::Int((f as f32).to_bits() as i128), *dtype),
                Num::Int(i) => Num::Float(f32::from_bits(i as u32) as f64),
            },
            Expr::Quantize(to, x) => Num::Int(to.quantize(self.expr(x)?.as_f64() as f32).into()),
        })
    }
}
