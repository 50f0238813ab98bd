//! Instructions that do the work of several: a sum, difference, product or quotient of operands that are first scaled, squared and
//! scaled, or turned into a root plus a constant. An optimiser's step is a few of these, each as fast as memory.

#![allow(unsafe_code)]

use super::build::{Def, GroupBuilder, Val, Work};
use super::kernels::{BLOCK, Kernel, in_blocks, read, write};
use crate::cpu::{Level, leveled};
use std::sync::atomic::{Ordering, compiler_fence};
use teff_graph::{Binary, DType};

/// What is done to an operand x, with a number s that is the same for all elements, before the operation proper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// x.
    Nothing,
    /// x * s.
    Scale,
    /// x * x * s.
    SquareScale,
    /// sqrt(x) + s.
    RootPlus,
}

/// What the [`Before`] of that number does.
#[inline(always)]
fn before<const B: usize>(x: f32, s: f32) -> f32 {
    match B {
        0 => x,
        1 => x * s,
        2 => x * x * s,
        _ => x.sqrt() + s,
    }
}

const ADD: usize = 0;
const SUB: usize = 1;
const MUL: usize = 2;
const DIV: usize = 3;

#[inline(always)]
unsafe fn joined_body<const FMA: bool, const OP: usize, const A: usize, const B: usize>(
    p: &[*mut u8; 5],
    n: usize,
) {
    in_blocks!(n, |at, len| {
        // SAFETY: the contract of `Kernel`; the last two operands are scalars.
        unsafe {
            let a = read::<f32, false>(p[1].cast::<f32>().add(at), len);
            let b = read::<f32, false>(p[2].cast::<f32>().add(at), len);
            let (s, t) = (*p[3].cast::<f32>(), *p[4].cast::<f32>());
            let mut r = [0.0f32; BLOCK];
            for i in 0..BLOCK {
                let (x, y) = (before::<A>(a[i], s), before::<B>(b[i], t));
                r[i] = match OP {
                    ADD => x + y,
                    SUB => x - y,
                    MUL => x * y,
                    _ => x / y,
                };
            }
            write(p[0].cast::<f32>().add(at), r, len);
        }
    });
}
leveled! { fn joined [const OP: usize, const A: usize, const B: usize] [OP, A, B] (p: &[*mut u8; 5], n: usize) = joined_body; }

/// The loop of `op` on operands that first undergo `before`.
pub(super) fn kernel(level: Level, op: Binary, before: [Before; 2]) -> Kernel {
    fn second<const OP: usize, const A: usize>(level: Level, b: Before) -> Kernel {
        let of: [fn(Level) -> Kernel; 4] =
            [joined::<OP, A, 0>, joined::<OP, A, 1>, joined::<OP, A, 2>, joined::<OP, A, 3>];
        of[b as usize](level)
    }
    fn first<const OP: usize>(level: Level, [a, b]: [Before; 2]) -> Kernel {
        [second::<OP, 0>, second::<OP, 1>, second::<OP, 2>, second::<OP, 3>][a as usize](level, b)
    }
    match op {
        Binary::Add => first::<ADD>(level, before),
        Binary::Sub => first::<SUB>(level, before),
        Binary::Mul => first::<MUL>(level, before),
        Binary::Div => first::<DIV>(level, before),
        // `joined` asks for these four before.
        other => unreachable!("{} is not joined", other.name()),
    }
}

impl GroupBuilder {
    /// Joins operations with what is done to their operands, where nothing else needs that.
    pub(super) fn join(&mut self) {
        let mut uses = self.uses();
        for i in 0..self.values.len() {
            let Def::Apply { work: Work::Binary(op), operands } = &self.values[i].def else { continue };
            let (op, a, b) = (*op, operands[0], operands[1]);
            let joins = matches!(op, Binary::Add | Binary::Sub | Binary::Mul | Binary::Div);
            if !joins || uses[i] == 0 || self.is_uniform(a) || self.is_uniform(b) {
                continue;
            }
            let ((first, x, s), (second, y, t)) = (self.before(a, &uses), self.before(b, &uses));
            // What is read later than it was must not have been overwritten meanwhile by a result in its place.
            let moved =
                [(a, x, first), (b, y, second)].into_iter().filter(|(.., before)| *before != Before::Nothing);
            let from =
                moved.filter(|(_, x, _)| matches!(self.values[x.0].def, Def::Memory(_))).map(|(v, ..)| v.0);
            let written =
                from.min().is_some_and(|from| self.values[from..i].iter().any(|v| v.stored.is_some()));
            if written || (first, second) == (Before::Nothing, Before::Nothing) {
                continue;
            }
            self.values[i].def = Def::Apply {
                work: Work::Joined(op, [first, second]),
                operands: vec![x, y, s.unwrap_or(x), t.unwrap_or(y)],
            };
            uses = self.uses();
        }
    }

    /// How often each value is needed: by other values that are needed, as a result, or by a fold.
    fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.values.len()];
        self.folds.iter().for_each(|(v, _)| uses[v.0] += 1);
        for i in (0..self.values.len()).rev() {
            uses[i] += self.values[i].stored.is_some() as usize;
            if uses[i] == 0 {
                continue;
            }
            match &self.values[i].def {
                Def::Apply { operands, .. } => operands.iter().for_each(|o| uses[o.0] += 1),
                Def::Splat(o) => uses[o.0] += 1,
                Def::Memory(_) | Def::Uniform(_) | Def::Gather(..) | Def::Iota { .. } => {}
            }
        }
        uses
    }

    /// What is done to get `v`, to which value and with which uniform, if only one operation needs `v`.
    fn before(&self, v: Val, uses: &[usize]) -> (Before, Val, Option<Val>) {
        let alone = |v: Val| uses[v.0] == 1 && self.values[v.0].stored.is_none();
        let nothing = (Before::Nothing, v, None);
        let Some((Binary::Mul | Binary::Add, [a, b])) = self.binary_of(v).filter(|_| alone(v)) else {
            return nothing;
        };
        let (x, s) = match (self.is_uniform(a), self.is_uniform(b)) {
            (false, true) => (a, b),
            (true, false) => (b, a),
            _ => return nothing,
        };
        match (self.binary_of(v), &self.values[x.0].def) {
            (Some((Binary::Mul, _)), Def::Apply { work: Work::Binary(Binary::Mul), operands })
                if operands[0] == operands[1] && uses[x.0] == 1 && self.values[x.0].stored.is_none() =>
            {
                (Before::SquareScale, operands[0], Some(s))
            }
            (Some((Binary::Mul, _)), _) => (Before::Scale, x, Some(s)),
            (_, Def::Apply { work: Work::Sqrt, operands }) if alone(x) => {
                (Before::RootPlus, operands[0], Some(s))
            }
            // Only these are joined with what comes after.
            _ => nothing,
        }
    }

    /// The operation, on f32, that gives `v`, and its operands.
    fn binary_of(&self, v: Val) -> Option<(Binary, [Val; 2])> {
        match &self.values[v.0] {
            value if value.dtype != DType::F32 => None,
            value => match &value.def {
                Def::Apply { work: Work::Binary(op), operands } => Some((*op, [operands[0], operands[1]])),
                _ => None,
            },
        }
    }

    /// For each value whether it is not needed any more.
    pub(super) fn dead(&self) -> Vec<bool> {
        self.uses().into_iter().map(|n| n == 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::BufferId;
    use crate::pointwise::Group;
    use crate::view::View;
    use teff_graph::Unary;

    /// A group over six floats: values that are loaded, each from its own buffer, and one that all share.
    struct Six(GroupBuilder, u32);

    impl Six {
        fn new() -> Six {
            Six(GroupBuilder::new(Level::Portable, &[6], &[0]), 0)
        }

        fn load(&mut self, n: usize) -> Val {
            self.1 += 1;
            let view = View::row_major(BufferId(self.1), DType::F32, &[n]);
            self.0.load(&view.broadcast(&[6]))
        }

        fn of(&mut self, op: Binary, a: Val, b: Val) -> Val {
            self.0.binary(op, a, b)
        }

        fn store(&mut self, v: Val) {
            self.1 += 1;
            self.0.store(v, &View::row_major(BufferId(self.1), DType::F32, &[6]));
        }

        /// How many loops there are.
        fn loops(self) -> usize {
            let group: Group = self.0.finish();
            group.instrs.len()
        }
    }

    #[test]
    fn the_steps_of_optimisers_are_few_loops() {
        // m * s + g * t.
        let mut six = Six::new();
        let [m, g, s, t] = [6, 6, 1, 1].map(|n| six.load(n));
        let (a, b) = (six.of(Binary::Mul, m, s), six.of(Binary::Mul, t, g));
        let sum = six.of(Binary::Add, a, b);
        six.store(sum);
        assert_eq!(six.loops(), 1);
        // v * s + g * g * t.
        let mut six = Six::new();
        let [v, g, s, t] = [6, 6, 1, 1].map(|n| six.load(n));
        let square = six.of(Binary::Mul, g, g);
        let (a, b) = (six.of(Binary::Mul, v, s), six.of(Binary::Mul, square, t));
        let sum = six.of(Binary::Add, a, b);
        six.store(sum);
        assert_eq!(six.loops(), 1);
        // p - (m * s) / (sqrt(v) + t).
        let mut six = Six::new();
        let [p, m, v, s, t] = [6, 6, 6, 1, 1].map(|n| six.load(n));
        let root = six.0.unary(Unary::Sqrt, v);
        let (a, b) = (six.of(Binary::Mul, m, s), six.of(Binary::Add, root, t));
        let ratio = six.of(Binary::Div, a, b);
        let new = six.of(Binary::Sub, p, ratio);
        six.store(new);
        assert_eq!(six.loops(), 2);
    }

    #[test]
    fn what_others_need_is_computed_by_itself() {
        // (m * s), stored, and (m * s) - g; (m * s) - (m * s) of one value; a largest of scaled values.
        let mut six = Six::new();
        let [m, g, s] = [6, 6, 1].map(|n| six.load(n));
        let scaled = six.of(Binary::Mul, m, s);
        let less = six.of(Binary::Sub, scaled, g);
        six.store(scaled);
        six.store(less);
        assert_eq!(six.loops(), 2);
        let mut six = Six::new();
        let [m, s] = [6, 1].map(|n| six.load(n));
        let scaled = six.of(Binary::Mul, m, s);
        let nothing = six.of(Binary::Sub, scaled, scaled);
        six.store(nothing);
        assert_eq!(six.loops(), 2);
        let mut six = Six::new();
        let [m, g, s] = [6, 6, 1].map(|n| six.load(n));
        let scaled = six.of(Binary::Mul, m, s);
        let largest = six.of(Binary::Max, scaled, g);
        six.store(largest);
        assert_eq!(six.loops(), 2);
    }
}
