//! The plan: a graph made ready to run many times.

#![allow(unsafe_code)]

use crate::Options;
use crate::cpu;
use crate::error::Error;
use crate::lower::{lower, params_of};
use crate::memory::{Block, address, address_mut};
use crate::schedule::{Frame, Schedule};
use crate::threads::Team;
use std::time::Duration;
use teff_graph::{Element, Graph, Param, Type, Value, with_dtype};

/// A graph made ready to run many times.
///
/// Making a plan decides everything: what is computed together, in which layout, and where in memory. A run then follows the
/// plan and, but for operations that only the reference evaluator knows, allocates nothing.
///
/// Parameters are read from, and updated in, their own cells, which are locked while the plan runs.
pub struct Plan {
    schedule: Schedule,
    frame: Frame,
    team: Team,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// For each output the parameter it replaces.
    replaces: Vec<Option<Param>>,
    params: Vec<Locked>,
}

/// Memory for an input or output.
struct Port {
    name: String,
    ty: Type,
    block: Block,
}

/// A parameter of the plan, and whether it is written.
struct Locked {
    param: Param,
    written: bool,
}

impl Plan {
    /// Compiles `graph`.
    ///
    /// # Errors
    /// What is wrong with the graph; more values than memory has addresses.
    pub fn new(graph: &Graph, options: &Options) -> Result<Plan, Error> {
        Plan::with_updates(graph, &[], options)
    }

    /// As [`Plan::new`]; at the end of each run output `i` becomes the value of the parameter, for each `(i, parameter)` of
    /// `updates`. All operations of the graph see the values from before the run. Where possible the new value is computed in
    /// the place of the old one.
    ///
    /// # Errors
    /// What is wrong with the graph; an update that names no output, a parameter of another type, or a parameter twice.
    pub fn with_updates(graph: &Graph, updates: &[(usize, Param)], options: &Options) -> Result<Plan, Error> {
        graph.verify()?;
        // Or the places of values in the arena could not be counted.
        let bytes = graph.nodes().iter().map(|n| n.ty.bytes()).fold(0, usize::saturating_add);
        if bytes > isize::MAX as usize {
            return Err(Error::TooLarge);
        }
        let count = graph.outputs().len();
        let mut replaces: Vec<Option<Param>> = vec![None; count];
        for (n, (i, p)) in updates.iter().enumerate() {
            let output = graph.outputs().get(*i).ok_or(Error::Index { what: "output", index: *i, count })?;
            let given = graph[output.node].ty.clone();
            if given != *p.ty() {
                return Err(Error::Type {
                    what: format!("parameter {:?}", p.name()),
                    expected: p.ty().clone(),
                    given,
                });
            }
            if updates[..n].iter().any(|(_, q)| q == p) || replaces[*i].is_some() {
                return Err(Error::UpdatedTwice { param: p.name().to_string() });
            }
            replaces[*i] = Some(p.clone());
        }
        let mut cells = params_of(graph);
        cells.extend(updates.iter().map(|(_, p)| p.clone()));
        // All plans lock in this order, so that two of them never wait for each other.
        cells.sort_by_key(Param::id);
        cells.dedup_by_key(|p| p.id());
        let place = |p: &Param| cells.iter().position(|q| q == p).expect("listed above");
        let placed: Vec<(usize, usize)> = updates.iter().map(|(i, p)| (*i, place(p))).collect();
        let schedule = lower(graph, &cells, &placed, cpu::level());
        let team = Team::new(options.threads);
        let frame = Frame::new(&schedule, team.size());
        let slot =
            |name: &str, ty: &Type| Port { name: name.into(), ty: ty.clone(), block: Block::new(ty.bytes()) };
        let mut plan = Plan {
            frame,
            team,
            inputs: graph.inputs().iter().map(|&i| slot(graph.input_name(i), &graph[i].ty)).collect(),
            outputs: graph.outputs().iter().map(|o| slot(&o.name, &graph[o.node].ty)).collect(),
            params: cells
                .into_iter()
                .map(|param| Locked { written: replaces.iter().flatten().any(|q| *q == param), param })
                .collect(),
            replaces,
            schedule,
        };
        for (i, s) in plan.inputs.iter().chain(&plan.outputs).enumerate() {
            plan.frame.set_external(&plan.schedule, i, s.block.start());
        }
        Ok(plan)
    }

    /// The elements of input `i`, row-major, to be written before a run. They stay until they are written again; at first they
    /// are zero.
    ///
    /// # Panics
    /// When there is no input `i` or its elements are no `T`.
    pub fn input_mut<T: Element>(&mut self, i: usize) -> &mut [T] {
        let slot = &mut self.inputs[i];
        assert_eq!(slot.ty.dtype, T::DTYPE, "input {i} ({:?}) is {}", slot.name, slot.ty);
        slot.block.slice_mut(slot.ty.len())
    }

    /// Copies a value into input `i`.
    ///
    /// # Errors
    /// When there is no such input, or it has another type.
    pub fn set_input(&mut self, i: usize, v: &Value) -> Result<(), Error> {
        let count = self.inputs.len();
        let slot = self.inputs.get_mut(i).ok_or(Error::Index { what: "input", index: i, count })?;
        if v.ty() != slot.ty {
            let what = format!("input {i} ({:?})", slot.name);
            return Err(Error::Type { what, expected: slot.ty.clone(), given: v.ty() });
        }
        with_dtype!(slot.ty.dtype, T => {
            slot.block.slice_mut::<T>(v.len()).copy_from_slice(v.as_slice().expect("the type was compared"));
        });
        Ok(())
    }

    /// Runs the graph on the inputs as they are.
    ///
    /// Waits while somebody else holds a parameter: writes one that is read here, or holds one that is updated here. A guard of
    /// such a parameter on the calling thread would wait for itself.
    ///
    /// # Errors
    /// When a parameter no longer has the type the plan was made for.
    pub fn run(&mut self) -> Result<(), Error> {
        let first = self.inputs.len() + self.outputs.len();
        run_locked(&self.schedule, &mut self.frame, &self.team, &self.params, first)
    }

    /// The elements of output `i` after the last run, row-major; before any run they are zero.
    ///
    /// # Panics
    /// When there is no output `i`, its elements are no `T`, or it replaces a parameter, which is then the place to look.
    pub fn output<T: Element>(&self, i: usize) -> &[T] {
        let slot = &self.outputs[i];
        assert_eq!(slot.ty.dtype, T::DTYPE, "output {i} ({:?}) is {}", slot.name, slot.ty);
        if let Some(p) = &self.replaces[i] {
            panic!(
                "output {i} ({:?}) is the new value of parameter {:?}: read it there",
                slot.name,
                p.name()
            );
        }
        slot.block.slice(slot.ty.len())
    }

    /// Output `i` after the last run; if it replaces a parameter, what that holds now.
    ///
    /// # Panics
    /// When there is no output `i`.
    pub fn output_value(&self, i: usize) -> Value {
        let slot = &self.outputs[i];
        match &self.replaces[i] {
            Some(p) => p.value().clone(),
            None => with_dtype!(slot.ty.dtype, T => {
                Value::new(slot.ty.shape.clone(), slot.block.slice::<T>(slot.ty.len()).to_vec())
            }),
        }
    }

    /// Every step of the plan, a line each: the buffers it writes, with their offsets in the arena, what it computes, and the
    /// buffers it reads.
    pub fn describe(&self) -> String {
        self.schedule.describe()
    }

    /// Makes further runs measure the time of each step, which [`Plan::times`] gives.
    pub fn measure(&mut self) {
        self.frame.times = Some(vec![Duration::MAX; self.schedule.entries.len()]);
    }

    /// For each step the layer it comes from, its kind, what it does and the shortest time it took in a run since [`Plan::measure`];
    /// empty without that. Steps of the kind `reference` are left to the reference evaluator.
    pub fn times(&self) -> Vec<(&str, &'static str, String, Duration)> {
        let steps = self.schedule.entries.iter().zip(self.frame.times.iter().flatten());
        let told = |e: &crate::schedule::Entry| e.step.describe();
        steps
            .map(|(e, t)| (&*e.label, told(e), *t))
            .map(|(of, (kind, what), t)| (of, kind, what, t))
            .collect()
    }
}

/// Locks the first parameter, then the others, then runs: each guard lives in the frame of its call, so that nothing is
/// allocated for them.
fn run_locked(
    schedule: &Schedule,
    frame: &mut Frame,
    team: &Team,
    params: &[Locked],
    slot: usize,
) -> Result<(), Error> {
    let Some((first, others)) = params.split_first() else {
        // SAFETY: inputs and outputs are set for good, parameters by the calls above this one, which hold their locks.
        unsafe { schedule.run(frame, team) };
        return Ok(());
    };
    // Compared without a `Type`, which would be allocated.
    let check = |value: &Value| match value.shape() == first.param.ty().shape
        && value.dtype() == first.param.ty().dtype
    {
        true => Ok(()),
        false => Err(Error::Type {
            what: format!("parameter {:?}", first.param.name()),
            expected: first.param.ty().clone(),
            given: value.ty(),
        }),
    };
    if first.written {
        let mut value = first.param.value_mut();
        check(&value)?;
        frame.set_external(schedule, slot, address_mut(&mut value));
        run_locked(schedule, frame, team, others, slot + 1)
    } else {
        let value = first.param.value();
        check(&value)?;
        frame.set_external(schedule, slot, address(&value));
        run_locked(schedule, frame, team, others, slot + 1)
    }
}
