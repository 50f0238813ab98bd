//! Whether a kernel may write one buffer over another that it reads for the last time.

use crate::program::{
    Atom, BufferId, Expr, Index, Kernel, Program, Stmt, Var, each_expr_of, each_stmt, parts,
};

/// Where a buffer is read or written: the positions of the statement in the bodies around it, and the loops around it.
struct Touch<'a> {
    index: &'a Index,
    path: Vec<usize>,
    loops: Vec<(Var, usize)>,
    /// Under a condition.
    maybe: bool,
}

/// True when each element of `to` is written once, and each element of `from` is read before the element of `to` that takes its
/// place is written: beside it, or in a loop that is over by then.
pub(super) fn in_place(program: &Program, kernel: &Kernel, from: BufferId, to: BufferId) -> bool {
    if program.buffer(from).ty.dtype.size() != program.buffer(to).ty.dtype.size() {
        return false;
    }
    let (mut loads, mut stores) = (Vec::new(), Vec::new());
    let mut walk = Touches { from, to, loads: &mut loads, stores: &mut stores };
    walk.body(&kernel.body, &mut Vec::new(), &mut Vec::new(), false);
    let [store] = &stores[..] else { return false };
    // A micro-kernel reads in an order of its own.
    let mut apart = true;
    each_stmt(&kernel.body, &mut |s| apart &= !matches!(s, Stmt::Micro(m) if m.reads().contains(&from)));
    let once = apart && !store.maybe && counts_all(store.index, &store.loops, program.buffer(to).len());
    once && loads.iter().all(|load| is_before(kernel, load, store))
}

fn is_before(kernel: &Kernel, load: &Touch, store: &Touch) -> bool {
    let together = load.path.iter().zip(&store.path).take_while(|(a, b)| a == b).count();
    let beside = load.path.len() == store.path.len() && together + 1 >= store.path.len();
    if beside && load.path <= store.path && load.index == store.index {
        return true;
    }
    if load.path.get(together) >= store.path.get(together) {
        return false;
    }
    // Every statement on the way to where they part is a loop, as a store under a condition is refused.
    let Some((row, _)) = store.loops[..together].first() else { return true };
    let (a, b) = (stride(kernel, load.index, *row), stride(kernel, store.index, *row));
    together == 1 && a.is_some() && a == b
}

/// The distance of rows in which an index stays, if it stays in one for each value of `row`.
pub(crate) fn stride(kernel: &Kernel, index: &Index, row: Var) -> Option<i64> {
    let c = index.coefficient(row);
    let (low, high) = index.minus(&Index::from(row).times(c)).interval(&kernel.vars)?;
    (c > 0 && low >= 0 && high < c).then_some(c)
}

struct Touches<'a, 'b> {
    from: BufferId,
    to: BufferId,
    loads: &'b mut Vec<Touch<'a>>,
    stores: &'b mut Vec<Touch<'a>>,
}

impl<'a> Touches<'a, '_> {
    fn body(&mut self, body: &'a [Stmt], path: &mut Vec<usize>, loops: &mut Vec<(Var, usize)>, maybe: bool) {
        for (position, stmt) in body.iter().enumerate() {
            path.push(position);
            let touch = |index, maybe| Touch { index, path: path.clone(), loops: loops.clone(), maybe };
            each_expr_of(stmt, &mut |e| {
                if let Expr::Load(id, _, index) = e
                    && *id == self.from
                {
                    self.loads.push(touch(index, false));
                }
            });
            if let Stmt::Store(id, index, _) = stmt
                && *id == self.to
            {
                self.stores.push(touch(index, maybe));
            }
            let outside = loops.len();
            loops.extend(if let Stmt::For { var, count, .. } = stmt { Some((*var, *count)) } else { None });
            let maybe = maybe || matches!(stmt, Stmt::If { .. });
            parts(stmt).2.into_iter().for_each(|inner| self.body(inner, path, loops, maybe));
            loops.truncate(outside);
            path.pop();
        }
    }
}

/// True when the loops take the index through every element once.
pub(crate) fn counts_all(index: &Index, loops: &[(Var, usize)], len: usize) -> bool {
    let mut terms: Vec<(i64, usize)> = Vec::new();
    for (atom, c) in index.terms() {
        let Atom::Var(v) = atom else { return false };
        let Some((_, count)) = loops.iter().find(|(l, _)| l == v) else { return false };
        terms.push((*c, *count));
    }
    terms.sort_unstable();
    let mut covered = 1;
    for (c, count) in &terms {
        if *c != covered {
            return false;
        }
        covered *= *count as i64;
    }
    index.constant() == 0 && terms.len() == loops.len() && covered == len as i64
}
