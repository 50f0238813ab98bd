//! `WHILE`: how often it runs must follow from constants. Then it is a scan, or, where it cannot be one, each trip by itself.
//!
//! Converters make such loops of recurrent layers: a counter and a second one that indexes time, the sequence, the states of the
//! cell, and a tensor whose rows are set one after the other.

use super::held::Held;
use super::node::{LOOP, Lowered, ensure, invalid, unsupported};
use super::operators::{Lower, Table};
use super::reader::Reader;
use super::subgraph::{Selection, Subgraph};
use crate::model::OperatorInfo;
use crate::schema::{activation_function_type as fused, concatenation_options, while_options as o};
use teff_graph::{DType, Op, SliceAxis, Tensor};

pub(super) const TABLE: Table = &[("WHILE", Lower::Subgraphs(while_))];

/// A loop is followed for so many trips.
const MOST_TRIPS: usize = 4096;
/// What counts trips has no more elements than this.
const MOST_COUNTED: usize = 16;

/// A loop being read.
struct WhileLoop<'m> {
    cond: Subgraph<'m>,
    body: Subgraph<'m>,
    /// The states before the first trip, constants folded.
    initial: Vec<Tensor>,
    roles: Vec<Role>,
    /// The states that count.
    counters: Vec<usize>,
}

/// The states that count before each trip, constants.
type Trips = Vec<Vec<Tensor>>;

/// What becomes of a state from trip to trip.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    /// It stays as it is.
    Fixed,
    /// It follows from constants.
    Counter,
    /// Each trip sets a row to what this tensor of the body holds, as operator `operator` says.
    Rows { operator: usize, row: usize },
    /// Anything.
    Carried,
}

fn while_(reader: &mut Reader, i: usize, initial: Vec<Tensor>) -> Lowered<Vec<Tensor>> {
    let options = reader.file.operators[i].options(o::UNION)?;
    let states = initial.len();
    let cond = Subgraph::new(reader, options.get(o::COND_SUBGRAPH_INDEX)?, states, 1)?;
    let body = Subgraph::new(reader, options.get(o::BODY_SUBGRAPH_INDEX)?, states, states)?;
    let mut it = WhileLoop { cond, body, initial, roles: Vec::new(), counters: Vec::new() };
    it.roles = it.roles(reader);
    it.counters = it.states(|role| *role == Role::Counter).collect();
    let trips = it.count(reader)?;
    match trips.len() {
        0 => Ok(it.initial.clone()),
        1 => it.unrolled(reader, &trips),
        n => it.scanned(reader, &trips).or_else(|_| {
            reader.reading.note(format!("the loop at operator {i} is written out, {n} times"));
            it.unrolled(reader, &trips)
        }),
    }
}

impl<'m> WhileLoop<'m> {
    fn roles(&self, reader: &Reader) -> Vec<Role> {
        let body = &self.body.file;
        let states = self.initial.len();
        let is_fixed = |k: usize| body.inputs[k] == body.outputs[k];
        // The largest set of small constants that depend on each other alone.
        let small = |t: &Tensor| !t.dtype().is_float() && t.check().is_ok() && t.len() <= MOST_COUNTED;
        let constant =
            |k: &usize| small(&self.initial[*k]) && reader.reading.value(&self.initial[*k]).is_some();
        let mut counters: u128 = (0..states).filter(constant).fold(0, |set, k| set | 1 << k);
        loop {
            let closed =
                |&k: &usize| counters >> k & 1 == 1 && self.body.depends(body.outputs[k]) & !counters == 0;
            let smaller = (0..states).filter(closed).fold(0, |set, k| set | 1 << k);
            if smaller == counters {
                break;
            }
            counters = smaller;
        }
        let role = |k: usize| match () {
            () if is_fixed(k) => Role::Fixed,
            () if counters >> k & 1 == 1 => Role::Counter,
            () => self.rows(k).unwrap_or(Role::Carried),
        };
        (0..states).map(role).collect()
    }

    /// Whether state `k` becomes, along axis 0, its beginning, one new row, and its end, and is used for nothing else.
    fn rows(&self, k: usize) -> Option<Role> {
        let (body, state, next) =
            (&self.body.file, self.body.file.inputs[k] as i32, self.body.file.outputs[k] as i32);
        let giving = |t: i32| body.operators.iter().position(|o| o.outputs.iter().any(|out| out == t));
        let operator = giving(next)?;
        let concat = &body.operators[operator];
        if concat.name != Some("CONCATENATION") || concat.inputs.len() != 3 {
            return None;
        }
        let table = concat.options.filter(|_| concat.options_kind == concatenation_options::UNION)?;
        let plain = table.get(concatenation_options::FUSED_ACTIVATION_FUNCTION).ok()? == fused::NONE
            && table.get(concatenation_options::AXIS).ok()? == 0
            && body.tensors[body.outputs[k]].quantization.is_none();
        if !plain {
            return None;
        }
        let ends = [giving(concat.inputs.get(0)?)?, giving(concat.inputs.get(2)?)?];
        let is_end = |&i: &usize| {
            body.operators[i].name == Some("SLICE") && body.operators[i].inputs.get(0) == Some(state)
        };
        let users = |t: i32| {
            let of = move |o: &OperatorInfo| o.inputs.iter().any(|input| input == t);
            (0..body.operators.len()).filter(move |&i| of(&body.operators[i])).collect::<Vec<_>>()
        };
        let of_state = users(state);
        let alone = of_state.iter().all(|i| ends.contains(i)) && users(next).is_empty();
        let row = usize::try_from(concat.inputs.get(1)?).ok()?;
        (ends.iter().all(is_end) && alone).then_some(Role::Rows { operator, row })
    }

    /// The states that count, before each trip and after the last.
    fn count(&self, reader: &mut Reader<'_, 'm>) -> Lowered<Trips> {
        let mut now = self.knowing(self.counters.iter().map(|&k| (k, self.initial[k].clone())));
        let condition = self.cond.file.outputs[0];
        let unknown = (0..now.len()).filter(|&k| now[k].is_none()).fold(0, |set, k| set | 1u128 << k);
        if self.cond.depends(condition) & unknown != 0 {
            return data_dependent();
        }
        let goes_on = self.cond.part(vec![condition]);
        let next = self.body.part(self.counters.iter().map(|&k| self.body.file.outputs[k]).collect());
        let mut trips = Trips::new();
        loop {
            let going = self.cond.run(reader, &goes_on, &now)?.swap_remove(0).into_plain();
            match reader.reading.value(&going) {
                Some(v) if v.len() == 1 && v.dtype() == DType::Bool => {
                    if v.to_i64()[0] == 0 {
                        return Ok(trips);
                    }
                }
                Some(v) => return invalid!("its condition is {}", v.ty()),
                None => return data_dependent(),
            }
            if trips.len() == MOST_TRIPS {
                return unsupported(format!("a loop of more than {MOST_TRIPS} trips"), "split the sequence");
            }
            trips.push(self.counters.iter().filter_map(|&k| now[k].clone()).map(Held::into_plain).collect());
            let after = self.body.run(reader, &next, &now)?;
            for (&k, held) in self.counters.iter().zip(after) {
                let value = reader.reading.folded(held.into_plain());
                if value.ty() != self.initial[k].ty() || !matches!(value.op(), Op::Constant(_)) {
                    return unsupported(
                        format!("its state {k} is {} and becomes {value}", self.initial[k].ty()),
                        "convert with loops over a fixed count",
                    );
                }
                now[k] = Some(Held::plain(value));
            }
        }
    }

    /// One scan over the trips.
    fn scanned(&self, reader: &mut Reader<'_, 'm>, trips: &Trips) -> Lowered<Vec<Tensor>> {
        let body = &self.body.file;
        let carried: Vec<usize> = self.states(|role| *role == Role::Carried).collect();
        let rows: Vec<(usize, usize, usize)> = (self.roles.iter().enumerate())
            .filter_map(|(k, role)| match *role {
                Role::Rows { operator, row } => Some((k, operator, row)),
                _ => None,
            })
            .collect();
        for &(k, operator, _) in &rows {
            self.check_rows(reader, trips, k, operator)?;
        }
        let count: Vec<Tensor> = (0..self.counters.len())
            .map(|c| {
                let values: Vec<Tensor> = trips.iter().map(|trip| trip[c].clone()).collect();
                reader.reading.folded(Tensor::stack(&values, 0))
            })
            .collect();
        let wanted = carried.iter().map(|&k| body.outputs[k]).chain(rows.iter().map(|&(_, _, row)| row));
        let part = self.body.part(wanted.collect());
        let initial: Vec<Tensor> = carried.iter().map(|&k| self.initial[k].clone()).collect();
        reader.reading.spend(LOOP)?;
        let (last, stacks) = teff_reader::scan(&initial, &count, false, |states, slices| {
            let known = carried.iter().chain(&self.counters).copied();
            let now = self.knowing(known.zip(states.iter().chain(slices).cloned()));
            let mut next = self.body.run(reader, &part, &now)?;
            let rows = next.split_off(states.len()).into_iter().map(one_row).collect::<Lowered<_>>()?;
            Ok((next.into_iter().map(Held::into_plain).collect(), rows))
        })?;
        let mut results = self.initial.clone();
        for (k, tensor) in carried.into_iter().zip(last) {
            results[k] = tensor;
        }
        for ((k, ..), tensor) in rows.into_iter().zip(stacks) {
            ensure!(
                tensor.ty() == self.initial[k].ty(),
                "its state {k} is {} and becomes {tensor}",
                self.initial[k].ty()
            );
            results[k] = tensor;
        }
        self.after(reader, trips, &mut results)?;
        Ok(results)
    }

    /// An error unless trip t sets row t of state `k`, one at a time to the last.
    fn check_rows(
        &self,
        reader: &mut Reader<'_, 'm>,
        trips: &Trips,
        k: usize,
        operator: usize,
    ) -> Lowered<()> {
        let whole = self.initial[k].ty();
        let ends = self.body.file.operators[operator].inputs;
        let wanted = [ends.get(0), ends.get(2)].into_iter().flatten().filter_map(|t| usize::try_from(t).ok());
        let part = self.body.part(wanted.collect());
        let not = || invalid!("its state {k} is not set row by row");
        if whole.shape.first() != Some(&trips.len()) {
            return not();
        }
        let state = Tensor::input("state", whole.dtype, &whole.shape);
        for t in 0..trips.len() {
            let mut now = self.before(trips, t);
            now[k] = Some(Held::plain(state.clone()));
            let got = self.body.run(reader, &part, &now)?;
            for (held, (start, len)) in got.iter().zip([(0, t), (t + 1, trips.len() - t - 1)]) {
                let mut axes: Vec<SliceAxis> = whole.shape.iter().map(|&len| SliceAxis::whole(len)).collect();
                axes[0] = SliceAxis { start: if len == 0 { 0 } else { start }, step: 1, len };
                let is_it = matches!(held.tensor.op(), Op::Slice(a) if *a == axes)
                    && held.tensor.operands().first().map(Tensor::id) == Some(state.id());
                if !is_it {
                    return not();
                }
            }
        }
        Ok(())
    }

    /// The states with such a role.
    fn states(&self, role: fn(&Role) -> bool) -> impl Iterator<Item = usize> + '_ {
        (0..self.roles.len()).filter(move |&k| role(&self.roles[k]))
    }

    /// What is known of the states: those that stay, and these.
    fn knowing(&self, known: impl IntoIterator<Item = (usize, Tensor)>) -> Vec<Option<Held>> {
        let mut now = vec![None; self.roles.len()];
        let fixed = self.states(|role| *role == Role::Fixed).map(|k| (k, self.initial[k].clone()));
        fixed.chain(known).for_each(|(k, tensor)| now[k] = Some(Held::plain(tensor)));
        now
    }

    /// What is known of the states before trip `t`.
    fn before(&self, trips: &Trips, t: usize) -> Vec<Option<Held>> {
        self.knowing(self.counters.iter().copied().zip(trips[t].iter().cloned()))
    }

    /// Sets what counts to its value after the last trip.
    fn after(&self, reader: &mut Reader<'_, 'm>, trips: &Trips, results: &mut [Tensor]) -> Lowered<()> {
        let part = self.body.part(self.counters.iter().map(|&k| self.body.file.outputs[k]).collect());
        let after = self.body.run(reader, &part, &self.before(trips, trips.len() - 1))?;
        for (&k, held) in self.counters.iter().zip(after) {
            results[k] = reader.reading.folded(held.into_plain());
        }
        Ok(())
    }

    /// Every trip by itself.
    fn unrolled(&self, reader: &mut Reader<'_, 'm>, trips: &Trips) -> Lowered<Vec<Tensor>> {
        let all: Selection = self.body.part(self.body.file.outputs.clone());
        let mut now = self.initial.clone();
        for _ in 0..trips.len() {
            let given: Vec<Option<Held>> = now.iter().cloned().map(Held::plain).map(Some).collect();
            let next = self.body.run(reader, &all, &given)?;
            now = next.into_iter().map(|held| reader.reading.folded(held.into_plain())).collect();
        }
        Ok(now)
    }
}

/// The one row that a tensor is.
fn one_row(held: Held) -> Lowered {
    let row = held.into_plain().ok()?;
    if row.shape().first() == Some(&1) { Ok(row.pick(0, 0)) } else { invalid!("{row} is no row") }
}

fn data_dependent<T>() -> Lowered<T> {
    unsupported(
        "the loop ends by a condition that depends on the values of the model's inputs",
        "convert with loops over a fixed count: give the converter a fixed batch size and sequence length",
    )
}
