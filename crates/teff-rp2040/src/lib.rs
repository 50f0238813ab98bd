//! A cycle-level simulator of the RP2040: two Cortex-M0+ cores, the memory fabric with its stalls, the
//! peripherals, and the devices of a board around the chip. Firmware runs unchanged.
//!
//! The contract: given the same image, board, options and inputs, every run gives the same result to the cycle.
//! Time is counted in cycles of clk_sys. Cores are interleaved an instruction at a time, always the one that is
//! behind; peripherals act at exact cycles between their instructions. What is not modelled is said at the top
//! of the file of its part.
//!
//! ```
//! use teff_rp2040::{Image, Options, Simulator, Stop};
//!
//! // A vector table in flash (stack pointer, reset handler) and the code `movs r0, #42; bkpt #7`.
//! let mut flash = vec![0x00, 0x20, 0x04, 0x20, 0x09, 0x00, 0x00, 0x10];
//! flash.extend([0x2a, 0x20, 0x07, 0xbe]);
//! let image = Image::parse(&flash)?;
//! let mut sim = Simulator::new(Options { stop_at_bkpt: true, ..Options::default() });
//! sim.load(&image)?;
//! assert!(matches!(sim.run(1_000), Stop::Bkpt { core: 0, imm: 7, .. }));
//! assert_eq!(sim.register(0, 0), 42);
//! # Ok::<(), teff_rp2040::Error>(())
//! ```

pub mod board;
mod bus;
mod clocks;
mod cpu;
mod error;
pub mod gdb;
mod load;
mod periph;
mod pins;
mod probe;
mod profile;
mod rom;
mod sched;
mod sim;
mod trace;
mod wires;

pub use cpu::{CoreState, FaultRecord, Stack, Stalls};
pub use error::{Error, Fault};
pub use load::{Image, Section, Symbol, uf2};
pub use profile::{Cost, Profile};
pub use sim::{Options, Simulator, Stop};
pub use trace::Trace;
