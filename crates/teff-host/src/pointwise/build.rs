//! Making a pointwise group: values first, then slots.

use super::fold::Fold;
use super::joined::{self, Before};
use super::kernels::{self, Kernel};
use super::run::{Group, GroupSlot, Instr, Spot};
use crate::cpu::Level;
use crate::memory::BufferId;
use crate::view::{View, Walk};
use std::fmt::Write;
use teff_graph::{Binary, DType, ReduceKind, Unary};

/// A value of a group that is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Val(pub(super) usize);

#[derive(Clone, Debug)]
pub(super) enum Def {
    /// Read where it lies.
    Memory(Spot),
    /// One element for all.
    Uniform(Spot),
    /// Computed from other values.
    Apply {
        work: Work,
        operands: Vec<Val>,
    },
    Gather(Spot, Walk),
    Iota {
        stride: usize,
        size: usize,
    },
    Splat(Val),
}

/// What is computed, as far as it matters for joining it with what follows.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Binary(Binary),
    Sqrt,
    Joined(Binary, [Before; 2]),
    Other(Kernel),
}

pub(super) struct GroupValue {
    pub(super) def: Def,
    pub(super) dtype: DType,
    /// Where it is to lie, if others need it.
    pub(super) stored: Option<Spot>,
}

/// Collects the values of a group in the order in which they are computed.
pub(crate) struct GroupBuilder {
    level: Level,
    shape: Vec<usize>,
    order: Vec<usize>,
    pub(super) values: Vec<GroupValue>,
    pub(super) folds: Vec<(Val, Fold)>,
    /// Values copied to where they are to lie after all else is done.
    late: Vec<(Val, Spot)>,
    text: String,
}

/// Bytes of the first-level cache that registers may fill.
const REGISTER_BYTES: usize = 16 << 10;
/// Elements computed at a time: at most, and the unit they come in.
const LONGEST: usize = 256;
const UNIT: usize = 64;

impl GroupBuilder {
    /// A group over elements of `shape`, walked with the axes in `order`, outermost first.
    pub(crate) fn new(level: Level, shape: &[usize], order: &[usize]) -> GroupBuilder {
        let (values, folds, late) = (Vec::new(), Vec::new(), Vec::new());
        GroupBuilder {
            level,
            shape: shape.to_vec(),
            order: order.to_vec(),
            values,
            folds,
            late,
            text: String::new(),
        }
    }

    pub(crate) fn order(&self) -> &[usize] {
        &self.order
    }

    fn push(&mut self, def: Def, dtype: DType) -> Val {
        self.values.push(GroupValue { def, dtype, stored: None });
        Val(self.values.len() - 1)
    }

    fn note(&mut self, name: &str) {
        let separator = if self.text.is_empty() { "" } else { ", " };
        let _ = write!(self.text, "{separator}{name}");
    }

    /// The elements of a view of the group's shape.
    pub(crate) fn load(&mut self, view: &View) -> Val {
        let spot = Spot { buffer: view.buffer, offset: view.offset, dtype: view.dtype };
        let def = if view.is_dense_in(&self.order) && view.len() > 1 {
            Def::Memory(spot)
        } else if view.shape.iter().zip(&view.strides).all(|(&n, &s)| s == 0 || n == 1) {
            Def::Uniform(spot)
        } else {
            Def::Gather(spot, Walk::new(&self.shape, &self.order, &[&view.strides]))
        };
        self.push(def, view.dtype)
    }

    pub(crate) fn iota(&mut self, axis: usize, dtype: DType) -> Val {
        self.note("iota");
        let behind = self.order.iter().skip_while(|&&a| a != axis).skip(1);
        let stride = behind.map(|&a| self.shape[a]).product::<usize>().max(1);
        self.push(Def::Iota { stride, size: self.shape[axis].max(1) }, dtype)
    }

    /// The value as one that is there for every element.
    fn spread(&mut self, v: Val) -> Val {
        match self.values[v.0].def {
            Def::Uniform(_) => self.push(Def::Splat(v), self.values[v.0].dtype),
            _ => v,
        }
    }

    pub(super) fn is_uniform(&self, v: Val) -> bool {
        matches!(self.values[v.0].def, Def::Uniform(_))
    }

    /// Makes one of two uniforms a value for every element, and both where kernels take no scalars: those of other types than f32.
    fn spread_pair(&mut self, a: Val, b: Val, both_may: bool) -> (Val, Val, [bool; 2]) {
        let dtype = self.values[a.0].dtype;
        let (mut a, mut b) = (a, b);
        if dtype != DType::F32 {
            (a, b) = (self.spread(a), self.spread(b));
        } else if !both_may && self.is_uniform(a) {
            b = self.spread(b);
        }
        (a, b, [self.is_uniform(a), self.is_uniform(b)])
    }

    pub(crate) fn unary(&mut self, u: Unary, a: Val) -> Val {
        self.note(u.name());
        let a = self.spread(a);
        let dtype = self.values[a.0].dtype;
        let result = if matches!(u, Unary::IsNan | Unary::IsInf) { DType::Bool } else { dtype };
        let work = match (u, dtype) == (Unary::Sqrt, DType::F32) {
            true => Work::Sqrt,
            false => Work::Other(kernels::unary(self.level, u, dtype)),
        };
        self.push(Def::Apply { work, operands: vec![a] }, result)
    }

    pub(crate) fn binary(&mut self, op: Binary, a: Val, b: Val) -> Val {
        self.note(op.name());
        let dtype = self.values[a.0].dtype;
        let (a, b, scalars) = self.spread_pair(a, b, false);
        let result = if op.is_comparison() { DType::Bool } else { dtype };
        let work = match dtype {
            DType::F32 => Work::Binary(op),
            _ => Work::Other(kernels::binary(self.level, op, dtype, scalars)),
        };
        self.push(Def::Apply { work, operands: vec![a, b] }, result)
    }

    pub(crate) fn select(&mut self, c: Val, a: Val, b: Val) -> Val {
        self.note("select");
        let dtype = self.values[a.0].dtype;
        let c = self.spread(c);
        let (a, b, scalars) = self.spread_pair(a, b, true);
        let kernel = kernels::select(self.level, dtype, scalars);
        self.push(Def::Apply { work: Work::Other(kernel), operands: vec![c, a, b] }, dtype)
    }

    pub(crate) fn cast(&mut self, to: DType, a: Val) -> Val {
        self.note(to.name());
        let a = self.spread(a);
        let kernel = kernels::cast(self.level, self.values[a.0].dtype, to);
        self.push(Def::Apply { work: Work::Other(kernel), operands: vec![a] }, to)
    }

    /// Says that `v`, which is computed here and stored once, is to lie in `view`, which is dense in the order of the group.
    pub(crate) fn store(&mut self, v: Val, view: &View) {
        let value = &mut self.values[v.0];
        debug_assert!(view.is_dense_in(&self.order) && value.stored.is_none());
        debug_assert!(!matches!(value.def, Def::Memory(_) | Def::Uniform(_)));
        value.stored = Some(Spot { buffer: view.buffer, offset: view.offset, dtype: view.dtype });
    }

    /// Makes the store of `v` the last thing done: what it overwrites is read until then.
    pub(crate) fn store_late(&mut self, v: Val) {
        if let Some(slot) = self.values[v.0].stored.take() {
            self.late.push((v, slot));
        }
    }

    /// True when nothing reads `buffer` after `v` is computed, and before that only in place.
    pub(crate) fn may_overwrite(&self, v: Val, buffer: BufferId) -> bool {
        let reads = |o: &Val| matches!(&self.values[o.0].def, Def::Memory(spot) if spot.buffer == buffer);
        let later = self.values[v.0 + 1..].iter().any(|value| match &value.def {
            Def::Apply { operands, .. } => operands.iter().any(reads),
            // Not in place, or no memory.
            Def::Memory(_) | Def::Uniform(_) | Def::Gather(..) | Def::Iota { .. } | Def::Splat(_) => false,
        });
        self.reads_in_place(buffer) && !later
    }

    /// True when `buffer` is only read in place.
    pub(crate) fn reads_in_place(&self, buffer: BufferId) -> bool {
        self.values.iter().all(|v| match &v.def {
            Def::Uniform(spot) | Def::Gather(spot, _) => spot.buffer != buffer,
            // In place, or no memory.
            Def::Memory(_) | Def::Apply { .. } | Def::Iota { .. } | Def::Splat(_) => true,
        })
    }

    /// Buffers read in place.
    pub(crate) fn read_in_place(&self) -> Vec<BufferId> {
        let of = |v: &GroupValue| match &v.def {
            Def::Memory(spot) => Some(spot.buffer),
            _ => None,
        };
        self.values.iter().filter_map(of).collect()
    }

    /// Says that `v` is to be reduced into the whole of `view`, whose shape is the group's with reduced axes of size 1.
    pub(crate) fn fold(&mut self, v: Val, kind: ReduceKind, view: &View) {
        self.note(match kind {
            ReduceKind::Sum => "sum",
            ReduceKind::Prod => "prod",
            ReduceKind::Max => "max",
            ReduceKind::Min => "min",
        });
        let v = self.spread(v);
        let walk = Walk::new(&self.shape, &self.order, &[&view.broadcast(&self.shape).strides]);
        let fold = Fold::new(self.level, kind, view.dtype, view.buffer, view.len(), walk);
        self.folds.push((v, fold));
    }

    /// Gives every value a slot and the program its order.
    pub(crate) fn finish(mut self) -> Group {
        for (v, slot) in std::mem::take(&mut self.late) {
            let dtype = self.values[v.0].dtype;
            let copy =
                self.push(Def::Apply { work: Work::Other(kernels::copy(dtype)), operands: vec![v] }, dtype);
            self.values[copy.0].stored = Some(slot);
        }
        self.join();
        let total = self.shape.iter().product::<usize>();
        let dead = self.dead();
        let last_use = self.last_uses(&dead);
        let mut slots: Vec<GroupSlot> = Vec::with_capacity(self.values.len());
        let mut instrs = Vec::new();
        // Registers in units of bytes an element, with those free to be used again.
        let mut free: [Vec<usize>; 9] = Default::default();
        let mut used = 0;
        for (i, value) in self.values.iter().enumerate() {
            let size = value.dtype.size();
            if dead[i] {
                // Joined with what follows.
                slots.push(GroupSlot::Register(0));
                continue;
            }
            slots.push(match (&value.def, &value.stored) {
                (Def::Uniform(spot), _) => GroupSlot::Uniform(*spot),
                (Def::Memory(spot), _) | (_, Some(spot)) => GroupSlot::Memory(*spot),
                (_, None) => GroupSlot::Register(free[size].pop().unwrap_or_else(|| {
                    used += size;
                    used - size
                })),
            });
            instrs.extend(self.instr(i));
            for (v, fold) in self.folds.iter().filter(|(v, _)| v.0 == i) {
                instrs.push(Instr::Fold { from: v.0, fold: fold.clone() });
            }
            for (j, slot) in slots.iter().enumerate() {
                if let (true, false, GroupSlot::Register(at)) = (last_use[j] == i, dead[j], slot) {
                    free[self.values[j].dtype.size()].push(*at);
                }
            }
        }
        let chunk = (REGISTER_BYTES / used.max(1) / UNIT * UNIT).clamp(UNIT * 2, LONGEST);
        for slot in &mut slots {
            if let GroupSlot::Register(at) = slot {
                *at *= chunk;
            }
        }
        let rows = self.rows();
        let scratch = (used * chunk).next_multiple_of(64);
        Group { shape: self.shape, total, chunk, slots, instrs, scratch, text: self.text, rows }
    }

    /// For each value the last that uses it: itself, when none does.
    fn last_uses(&self, dead: &[bool]) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.values.len()).collect();
        for (i, value) in self.values.iter().enumerate().filter(|(i, _)| !dead[*i]) {
            match &value.def {
                Def::Apply { operands, .. } => operands.iter().for_each(|o| last[o.0] = i),
                Def::Splat(o) => last[o.0] = i,
                Def::Memory(_) | Def::Uniform(_) | Def::Gather(..) | Def::Iota { .. } => {}
            }
        }
        last
    }

    /// Splits between threads must not share a result of a fold: they lie between elements of the outermost axes that all folds
    /// keep.
    fn rows(&self) -> usize {
        let mut rows = 1;
        for (_, fold) in &self.folds {
            let inner = |w: &Walk| w.sizes.iter().skip(1).product::<usize>();
            match fold.walk.strides[0].first() {
                Some(&s) if s != 0 && (rows == 1 || rows == inner(&fold.walk)) => rows = inner(&fold.walk),
                _ => return 0,
            }
        }
        rows
    }

    /// The instruction that computes value `i`.
    fn instr(&self, i: usize) -> Option<Instr> {
        let value = &self.values[i];
        let dtype = value.dtype;
        Some(match &value.def {
            Def::Memory(_) | Def::Uniform(_) => return None,
            Def::Apply { work, operands } => {
                let at = |k: usize| operands.get(k).map_or(i, |o| o.0);
                let scalars = || [self.is_uniform(operands[0]), self.is_uniform(operands[1])];
                let kernel = match work {
                    Work::Binary(op) => kernels::binary(self.level, *op, DType::F32, scalars()),
                    Work::Sqrt => kernels::unary(self.level, Unary::Sqrt, DType::F32),
                    Work::Joined(op, before) => joined::kernel(self.level, *op, *before),
                    Work::Other(kernel) => *kernel,
                };
                Instr::Apply { kernel, slots: [i, at(0), at(1), at(2), at(3)] }
            }
            Def::Gather(from, walk) => Instr::Gather { to: i, from: *from, walk: walk.clone() },
            Def::Iota { stride, size } => Instr::Iota { to: i, dtype, stride: *stride, size: *size },
            Def::Splat(from) => Instr::Splat { to: i, from: from.0, dtype },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a group over `shape` that sums over each of these lists of axes: its work, and where it is split.
    fn split(shape: &[usize], sums: &[&[usize]]) -> (usize, usize) {
        let order: Vec<usize> = (0..shape.len()).collect();
        let mut group = GroupBuilder::new(Level::Portable, shape, &order);
        let x = group.load(&View::row_major(BufferId(0), DType::F32, shape));
        let x = group.unary(Unary::Neg, x);
        for (i, axes) in sums.iter().enumerate() {
            let kept: Vec<usize> =
                order.iter().map(|a| if axes.contains(a) { 1 } else { shape[*a] }).collect();
            group.fold(x, ReduceKind::Sum, &View::row_major(BufferId(1 + i as u32), DType::F32, &kept));
        }
        let group = group.finish();
        (group.work(), group.grain())
    }

    #[test]
    fn threads_share_no_sum() {
        // Two loops over 120 elements, three where there are two sums.
        assert_eq!(split(&[4, 5, 6], &[&[2]]), (120 * 2 * 8, 6), "between rows");
        assert_eq!(split(&[4, 5, 6], &[&[1]]), (120 * 2 * 8, 30), "between the planes that are summed");
        assert_eq!(split(&[4, 5, 6], &[&[1, 2], &[1]]), (120 * 3 * 8, 30));
        for shared in [&[&[0][..]][..], &[&[0, 1, 2]], &[&[2], &[0]], &[&[0], &[2]], &[&[2], &[1]]] {
            assert_eq!(split(&[4, 5, 6], shared).0, 0, "{shared:?}");
        }
        // What is not summed can be split anywhere.
        let mut group = GroupBuilder::new(Level::Portable, &[120], &[0]);
        let x = group.load(&View::row_major(BufferId(0), DType::F32, &[120]));
        let x = group.unary(Unary::Neg, x);
        group.store(x, &View::row_major(BufferId(1), DType::F32, &[120]));
        let group = group.finish();
        assert_eq!((group.work(), group.grain()), (120 * 8, 64));
    }
}
