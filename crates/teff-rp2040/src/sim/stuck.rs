//! Whether anything can still happen: a proof that the cores go round in a circle.
//!
//! Two cores that wait for each other in loops never fall asleep, so nothing tells them from cores at work. But the
//! machine is deterministic: if the cores and all memory come back to a state they were in, relative to time, and
//! nothing else of the chip could have led them out of it, they will do so for ever.

use super::{Simulator, Stop};
use crate::bus::banks::PORTS;
use crate::cpu::{Core, CoreState, Stalls};
use crate::periph::sio::Sio;
use crate::sched::{Event, NEVER};

/// What decides how the cores go on, with times relative to the moment it was taken.
#[derive(PartialEq)]
struct Moment {
    cores: [Core; 2],
    sio: Sio,
    events: [bool; 2],
    sram: Vec<u32>,
    xip_sram: Vec<u32>,
    cache: (Vec<[u32; 2]>, Vec<u8>, u64),
    claims: [u64; PORTS],
    touched: u64,
}

impl Simulator {
    /// Goes on for at most `steps` instructions by calling `run` (which is [`Simulator::run`], or one that watches),
    /// and tells whether the cores are proven to go round in a circle that nothing can end: no interrupt, no DMA, no
    /// reset by the watchdog, no register whose value may change. False when it cannot be proven.
    ///
    /// # Errors
    /// The reason why the run ended meanwhile, if it is another than the deadline.
    pub fn stuck(
        &mut self,
        steps: u32,
        mut run: impl FnMut(&mut Simulator, u64) -> Stop,
    ) -> Result<bool, Stop> {
        if !self.left_alone() {
            return Ok(false);
        }
        // Brent's search for a cycle: the moment to compare with moves on in strides that double.
        let (mut before, mut stride, mut since) = (self.moment(), 1, 0);
        for _ in 0..steps {
            match run(self, self.cycles() + 1) {
                Stop::Deadline => {}
                stop => return Err(stop),
            }
            if !self.left_alone() || self.bus.touched != before.touched {
                return Ok(false);
            }
            if self.repeats(&before) {
                return Ok(true);
            }
            since += 1;
            if since == stride {
                (before, stride, since) = (self.moment(), 2 * stride, 0);
            }
        }
        Ok(false)
    }

    /// Nothing outside of the cores can change what they do: either nothing is planned at all, or no plan can reach
    /// them.
    fn left_alone(&self) -> bool {
        let sched = &self.bus.wires.sched;
        let deaf = |core: &Core| {
            let masked = core.primask && core.state == CoreState::Running;
            (core.deaf() || masked || core.state == CoreState::Held) && !core.nvic.sev_on_pend
        };
        let silent = sched.next() == NEVER || self.cores.iter().all(deaf);
        silent && !self.bus.dma.active && !sched.planned(Event::Watchdog) && self.bus.reset_request.is_none()
    }

    fn moment(&self) -> Moment {
        let bus = &self.bus;
        Moment {
            cores: self.cores_now(),
            sio: bus.sio.clone(),
            events: bus.event,
            sram: bus.sram.to_vec(),
            xip_sram: bus.xip_sram.clone(),
            cache: bus.xip.state(self.cycles()),
            claims: bus.banks.ahead(self.cycles()),
            touched: bus.touched,
        }
    }

    /// The cores without what only counts.
    fn cores_now(&self) -> [Core; 2] {
        let now = self.cycles();
        self.cores.clone().map(|core| Core {
            // A core that sleeps wakes at the time of what wakes it.
            cycle: if core.state == CoreState::Running { now - core.cycle } else { 0 },
            instructions: 0,
            stalls: Stalls::default(),
            systick: Default::default(),
            ..core
        })
    }

    fn repeats(&self, before: &Moment) -> bool {
        // The cheap differences first: most moments differ in a program counter.
        self.cores[0].pc == before.cores[0].pc
            && self.cores[1].pc == before.cores[1].pc
            && self.cores_now() == before.cores
            && self.moment() == *before
    }
}
