//! A chip that is driven from outside, an instruction at a time.

use crate::common::{SRAM, stopping};
use teff_rp2040::{Image, Simulator, Stop};

pub(crate) const SP: u32 = SRAM + 0x8000;
/// Where the code under test stands, and what ends it.
pub(crate) const CODE: u32 = SRAM + 0x400;
pub(crate) const END: u8 = 0xff;

pub(crate) const SYST_CSR: u32 = 0xe000_e010;
pub(crate) const ISER: u32 = 0xe000_e100;
pub(crate) const ICER: u32 = 0xe000_e180;
pub(crate) const ISPR: u32 = 0xe000_e200;
pub(crate) const ICPR: u32 = 0xe000_e280;
pub(crate) const IPR: u32 = 0xe000_e400;
pub(crate) const ICSR: u32 = 0xe000_ed04;
pub(crate) const VTOR: u32 = 0xe000_ed08;
pub(crate) const AIRCR: u32 = 0xe000_ed0c;
pub(crate) const SCR: u32 = 0xe000_ed10;
pub(crate) const SHPR2: u32 = 0xe000_ed1c;
pub(crate) const SHPR3: u32 = 0xe000_ed20;
pub(crate) const SHCSR: u32 = 0xe000_ed24;

pub(crate) const NMI: u8 = 2;
pub(crate) const HARD_FAULT: u8 = 3;
pub(crate) const SVC: u8 = 11;
pub(crate) const PEND_SV: u8 = 14;
pub(crate) const SYS_TICK: u8 = 15;

/// A chip whose handlers are BKPT with the number of their exception, then BX LR.
pub(crate) struct Machine(pub(crate) Simulator);

impl Machine {
    pub(crate) fn new() -> Machine {
        let mut words = vec![SP, CODE + 1];
        words.extend((2..48).map(|n| SRAM + 0x200 + 4 * n + 1));
        words.resize(0x80, 0);
        words.extend((0..48).map(|n| 0x4770_be00 + n));
        words.resize(0x100, 0);
        words.push(0xbe00 | u32::from(END));
        let bytes = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut sim = Simulator::new(stopping());
        sim.load(&Image { segments: vec![(SRAM, bytes)], ..Image::default() }).expect("a small image");
        let mut machine = Machine(sim);
        assert_eq!(machine.go(), END);
        // Core 1 comes to its sleep in the boot ROM: it sends an event and a word, which is an interrupt, to core 0.
        machine.place(&[0xe7fe]);
        assert_eq!(machine.0.run(1000), Stop::Deadline);
        machine.load(0xd000_0058);
        machine.set(ICPR, 0xffff_ffff);
        machine.quietly(&[0xbf40, 0xbf20]); // sev; wfe: no event is left
        machine
    }

    /// Runs to the next BKPT and past it: its number.
    pub(crate) fn go(&mut self) -> u8 {
        match self.0.run(self.0.cycles() + 10_000) {
            Stop::Bkpt { core: 0, imm, .. } => {
                self.0.skip_bkpt(0);
                imm
            }
            other => panic!("no BKPT: {other:?}, fault {:?}", self.0.faults(0).last()),
        }
    }

    /// Places code that ends with BKPT and goes there.
    pub(crate) fn place(&mut self, code: &[u16]) {
        let end = [0xbe00 | u16::from(END)];
        let bytes: Vec<u8> = code.iter().chain(&end).flat_map(|h| h.to_le_bytes()).collect();
        self.0.write_bytes(CODE, &bytes);
        self.0.set_register(0, 15, CODE);
    }

    /// Runs code to its end, or to the first handler: the number of the BKPT.
    pub(crate) fn run(&mut self, code: &[u16]) -> u8 {
        self.place(code);
        self.go()
    }

    /// Runs code that ends without an exception.
    pub(crate) fn quietly(&mut self, code: &[u16]) {
        assert_eq!(self.run(code), END, "{code:04x?}");
    }

    pub(crate) fn r(&self, i: usize) -> u32 {
        self.0.register(0, i)
    }

    pub(crate) fn load(&mut self, addr: u32) -> u32 {
        self.0.set_register(0, 1, addr);
        self.quietly(&[0x6808]); // ldr r0, [r1]
        self.r(0)
    }

    /// Stores and runs on: the number of the BKPT that is reached.
    pub(crate) fn store(&mut self, addr: u32, value: u32) -> u8 {
        self.0.set_register(0, 0, value);
        self.0.set_register(0, 1, addr);
        self.run(&[0x6008]) // str r0, [r1]
    }

    pub(crate) fn set(&mut self, addr: u32, value: u32) {
        assert_eq!(self.store(addr, value), END);
    }

    pub(crate) fn mrs(&mut self, sysm: u16) -> u32 {
        self.quietly(&[0xf3ef, 0x8000 | sysm]);
        self.r(0)
    }

    pub(crate) fn msr(&mut self, sysm: u16, value: u32) -> u8 {
        self.0.set_register(0, 0, value);
        self.run(&[0xf380, 0x8800 | sysm])
    }
}
