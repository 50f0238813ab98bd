//! Counting cycles between two places of a program, and running until it says something.

use super::{Simulator, Stop};

impl Simulator {
    /// Runs until `core` comes to `from` and on until it comes to `to`; the cycles between, both before their
    /// instruction runs. Breakpoints at the two places are taken away again.
    ///
    /// # Errors
    /// The reason why the run ended before that: [`Stop::Deadline`] after `limit` cycles from now.
    pub fn cycles_between(&mut self, core: usize, from: u32, to: u32, limit: u64) -> Result<u64, Stop> {
        let until = self.cycles().saturating_add(limit);
        let begin = self.run_to(core, from, until)?;
        Ok(self.run_to(core, to, until)? - begin)
    }

    /// Runs until `core` stands before the instruction at `pc`; its cycle.
    fn run_to(&mut self, core: usize, pc: u32, until: u64) -> Result<u64, Stop> {
        self.set_breakpoint(pc);
        let result = loop {
            match self.run(until) {
                Stop::Breakpoint { core: c, pc: at } if at == pc & !1 => {
                    if c == core {
                        break Ok(self.core_cycles(core));
                    }
                }
                other => break Err(other),
            }
        };
        self.clear_breakpoint(pc);
        result
    }

    /// Runs until `text` has been printed, on UART 0 or 1, the USB serial interface or by semihosting, looking
    /// every millisecond; everything printed meanwhile is added to `output`.
    ///
    /// # Errors
    /// The reason why the run ended before that: [`Stop::Deadline`] at cycle `until`.
    pub fn run_until_text(&mut self, text: &str, until: u64, output: &mut String) -> Result<(), Stop> {
        loop {
            let slice = (self.clock_hz() / 1000).max(1);
            let stop = self.run((self.cycles() + slice).min(until));
            for bytes in [self.take_uart(0), self.take_uart(1), self.take_usb(), self.take_semihosting()] {
                output.push_str(&String::from_utf8_lossy(&bytes));
            }
            if output.contains(text) {
                return Ok(());
            }
            if stop != Stop::Deadline || self.cycles() >= until {
                return Err(stop);
            }
        }
    }
}
