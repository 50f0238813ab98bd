//! The run loop: events, interrupts, then the cores up to the next event.

use super::{Simulator, Stop};
use crate::bus::Reset;
use crate::cpu::execute::{run, run_both};
use crate::cpu::{CoreState, FaultRecord};
use crate::error::Fault;
use crate::probe::{NoProbe, Probe};
use crate::profile::Profile;
use crate::sched::NEVER;
use crate::trace::Trace;
use std::io::Write;

impl Simulator {
    /// Runs until cycle `until`, or until something stops it earlier.
    pub fn run(&mut self, until: u64) -> Stop {
        self.run_with(until, &mut NoProbe)
    }

    /// Runs like [`Simulator::run`] and books every cycle in `profile`; somewhat slower.
    pub fn run_profiled(&mut self, until: u64, profile: &mut Profile) -> Stop {
        self.run_with(until, profile)
    }

    /// Runs like [`Simulator::run`] and writes every instruction to `trace`; much slower.
    pub fn run_traced<W: Write>(&mut self, until: u64, trace: &mut Trace<'_, W>) -> Stop {
        self.run_with(until, trace)
    }

    /// Runs with a watcher of every instruction.
    pub(crate) fn run_with<P: Probe>(&mut self, until: u64, probe: &mut P) -> Stop {
        self.step_over_stop(probe);
        loop {
            self.catch_up_quietly();
            if let Some(stop) = self.take_stop() {
                return stop;
            }
            let awake = [0, 1].map(|i| self.cores[i].state == CoreState::Running);
            let now = match awake {
                [true, true] => self.cores[0].cycle.min(self.cores[1].cycle),
                [true, false] => self.cores[0].cycle,
                [false, true] => self.cores[1].cycle,
                [false, false] => match self.sleep(until) {
                    Ok(now) => now,
                    Err(stop) => return stop,
                },
            };
            if now >= until {
                return Stop::Deadline;
            }
            self.bus.sync(now);
            if self.check_cores(now) {
                continue;
            }
            let bus = &mut *self.bus;
            bus.wires.sched.limit = until;
            bus.run_on();
            let dma = bus.dma.active;
            match awake {
                [true, true] => {
                    bus.contended = true;
                    run_both(&mut self.cores, bus, probe);
                }
                [false, false] => {}
                [first, _] => {
                    bus.contended = dma;
                    run(&mut self.cores[usize::from(!first)], bus, probe);
                }
            }
        }
    }

    /// Handles the events that were put off, up to the core that is behind; those that cores see come later.
    fn catch_up_quietly(&mut self) {
        if self.bus.wires.sched.lazy {
            let asleep =
                |state| matches!(state, CoreState::WaitEvent | CoreState::WaitInterrupt | CoreState::Held);
            let awake = self.cores.iter().filter(|core| !asleep(core.state));
            if let Some(now) = awake.map(|core| core.cycle).min() {
                self.bus.sync(now.min(self.bus.wires.sched.quiet));
            }
            self.bus.wires.sched.lazy = false;
        }
    }

    /// Lets SysTick and the interrupt controllers act. True when a core changed between sleep and running.
    fn check_cores(&mut self, now: u64) -> bool {
        let mut changed = false;
        self.bus.wires.irq_changed = false;
        for core in &mut self.cores {
            if std::mem::take(&mut self.bus.systick_due[core.id]) {
                core.systick_due(now, &mut self.bus);
            }
            let before = core.state;
            core.check_exceptions(&mut self.bus, now);
            changed |= core.state != before;
        }
        changed
    }

    /// Both cores sleep: the time of the next event, or the end of the run.
    fn sleep(&mut self, until: u64) -> Result<u64, Stop> {
        let at = self.cycles();
        // An interrupt that is already pending may wake a core before any event does.
        if self.check_cores(at) {
            return Ok(at);
        }
        let next = self.bus.wires.sched.next();
        if next == NEVER || self.cores.iter().all(|core| core.deaf() || core.state == CoreState::Held) {
            return Err(Stop::Deadlock);
        }
        let now = next.max(at).min(until);
        for core in &mut self.cores {
            core.cycle = core.cycle.max(now);
        }
        Ok(now)
    }

    /// Reasons to stop, and resets, that the last stretch has brought up.
    fn take_stop(&mut self) -> Option<Stop> {
        if let Some(reset) = self.bus.reset_request.take()
            && let Some(stop) = self.carry_out(reset)
        {
            return Some(stop);
        }
        for core in 0..2 {
            match self.cores[core].state {
                CoreState::AtBkpt(imm) => {
                    if let Some(stop) = self.at_bkpt(core, imm) {
                        return Some(stop);
                    }
                }
                CoreState::AtStop => return Some(Stop::Breakpoint { core, pc: self.cores[core].pc }),
                CoreState::Lockup => return Some(Stop::Lockup { core, record: self.fault_record(core) }),
                CoreState::Running | CoreState::WaitEvent | CoreState::WaitInterrupt | CoreState::Held => {}
            }
        }
        if self.bus.faults != self.faults_seen {
            self.faults_seen = self.bus.faults;
            if self.options.stop_at_fault {
                let latest = |c: &usize| self.cores[*c].faults.last().map(|f| f.cycle);
                let core = (0..2).max_by_key(latest).unwrap_or(0);
                return Some(Stop::Fault { core, record: self.fault_record(core) });
            }
        }
        None
    }

    fn fault_record(&self, core: usize) -> FaultRecord {
        let c = &self.cores[core];
        c.faults.last().copied().unwrap_or(FaultRecord { fault: Fault::Undefined, pc: c.pc, cycle: c.cycle })
    }

    fn carry_out(&mut self, reset: Reset) -> Option<Stop> {
        let now = self.cycles();
        match reset {
            Reset::UsbBoot => return Some(Stop::UsbBoot),
            Reset::Core1(true) => {
                self.cores[1].reset(now, self.bus.rom[1], self.bus.rom[0]);
                self.cores[1].state = CoreState::Held;
            }
            Reset::Core1(false) => self.cores[1].reset(now, self.bus.rom[1], self.bus.rom[0]),
            Reset::System | Reset::Watchdog => {
                self.bus.power_cycle(now, reset == Reset::Watchdog);
                self.reset();
            }
        }
        None
    }

    /// A BKPT: semihosting, a stop, or a fault.
    fn at_bkpt(&mut self, core: usize, imm: u8) -> Option<Stop> {
        if imm == 0xab {
            return self.semihost(core);
        }
        let pc = self.cores[core].pc;
        if self.options.stop_at_bkpt {
            return Some(Stop::Bkpt { core, imm, pc });
        }
        let c = &mut self.cores[core];
        c.state = CoreState::Running;
        c.take_fault(&mut self.bus, Fault::Breakpoint(imm), pc);
        None
    }

    /// Goes past the BKPT that `core` stands at, as if it had done nothing in one cycle.
    pub fn skip_bkpt(&mut self, core: usize) {
        let c = &mut self.cores[core];
        if let CoreState::AtBkpt(_) = c.state {
            c.pc += 2;
            c.cycle += 1;
            c.state = CoreState::Running;
        }
    }

    /// Executes the instruction under a planted breakpoint that a core stands at.
    fn step_over_stop<P: Probe>(&mut self, probe: &mut P) {
        for core in &mut self.cores {
            if core.state == CoreState::AtStop
                && let Some(index) = self.bus.code_index(core.pc)
            {
                core.state = CoreState::Running;
                let (pc, begin) = (core.pc, core.cycle);
                let op = self.bus.decode_fresh(index);
                core.instructions += 1;
                crate::cpu::execute::execute(core, &mut self.bus, op, pc);
                if P::ON {
                    probe.retired(core, &self.bus, pc, op, begin);
                }
            }
        }
    }

    /// Arm semihosting (Arm IHI 0105): SYS_WRITEC, SYS_WRITE0, SYS_WRITE, SYS_EXIT and SYS_EXIT_EXTENDED. Others
    /// return -1.
    fn semihost(&mut self, core: usize) -> Option<Stop> {
        let [op, arg] = [self.cores[core].regs[0], self.cores[core].regs[1]];
        let word = |i: u32| self.bus.peek_word((arg + 4 * i) & !3).unwrap_or(0);
        let byte = |a: u32| self.bus.peek_byte(a);
        let mut result = u32::MAX;
        match op {
            0x03 => self.semihosting.extend(byte(arg)),
            0x04 => {
                let text = (arg..).map_while(byte).take_while(|&b| b != 0);
                self.semihosting.extend(text);
            }
            0x05 => {
                let (from, len) = (word(1), word(2));
                self.semihosting.extend((0..len).map_while(|i| byte(from + i)));
                result = 0;
            }
            // ADP_Stopped_ApplicationExit is success; anything else is an abnormal end.
            0x18 => return Some(Stop::Exit { status: u32::from(arg != 0x2_0026) }),
            0x20 => {
                let status = if word(0) == 0x2_0026 { word(1) } else { 1 };
                return Some(Stop::Exit { status });
            }
            _ => {} // not supported: -1
        }
        self.cores[core].regs[0] = result;
        self.skip_bkpt(core);
        None
    }
}
