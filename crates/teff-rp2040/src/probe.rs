//! A watcher of every instruction, compiled out when there is none.

use crate::bus::Bus;
use crate::cpu::Core;
use crate::cpu::op::Op;

/// Sees each instruction after it ran. With `ON` false the calls vanish.
pub(crate) trait Probe {
    const ON: bool;

    /// The instruction `op` at `pc` ran from cycle `begin` to `core.cycle`.
    fn retired(&mut self, core: &Core, bus: &Bus, pc: u32, op: Op, begin: u64);

    /// The fetch at `pc` stalled from `begin` to `core.cycle`, and the instruction has not run yet.
    fn stalled(&mut self, core: &Core, pc: u32, begin: u64);
}

/// Watches nothing.
pub(crate) struct NoProbe;

impl Probe for NoProbe {
    const ON: bool = false;

    #[inline(always)]
    fn retired(&mut self, _: &Core, _: &Bus, _: u32, _: Op, _: u64) {}

    #[inline(always)]
    fn stalled(&mut self, _: &Core, _: u32, _: u64) {}
}
