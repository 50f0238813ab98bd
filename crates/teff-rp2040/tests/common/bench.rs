//! A chip whose registers the test itself writes, while core 0 turns in an empty loop.

use super::{SRAM, chip};
use teff_rp2040::board::{Board, Description};
use teff_rp2040::{Options, Simulator, Stop};

pub(crate) const RESETS: u32 = 0x4000_c000;
pub(crate) const CLOCKS: u32 = 0x4000_8000;
pub(crate) const WATCHDOG: u32 = 0x4005_8000;
pub(crate) const PSM_WDSEL: u32 = 0x4001_0008;
pub(crate) const IO_BANK0: u32 = 0x4001_4000;
/// What the alias addresses add (datasheet 2.1.2).
pub(crate) const SET: u32 = 0x2000;
pub(crate) const CLEAR: u32 = 0x3000;

pub(crate) struct Bench(pub(crate) Simulator);

impl Bench {
    /// Everything out of reset, and all clocks at 12 MHz from the crystal; the timer's tick is a microsecond.
    pub(crate) fn new() -> Bench {
        Bench::set_up(chip(SRAM, &[0xe7fe], Options::default()))
    }

    /// The same, but core 0 executes many instructions of one cycle, so that each single cycle can be looked at.
    pub(crate) fn stepping() -> Bench {
        let mut code = vec![0xbf00; 20_000];
        code.push(0xe7fe);
        Bench::set_up(chip(SRAM, &code, Options::default()))
    }

    pub(crate) fn on(board: Description) -> Bench {
        let mut sim = Simulator::with_board(Options::default(), Board::new(board));
        sim.load(&super::image(SRAM, &[0xe7fe])).expect("a small image");
        Bench::set_up(sim)
    }

    /// The same for a chip that was reset.
    pub(crate) fn set_up(sim: Simulator) -> Bench {
        let mut bench = Bench(sim);
        bench.write(0x4002_4000, 0xfab_aa0); // XOSC
        bench.write(CLOCKS + 0x30, 2);
        for (generator, source) in [(0x48, 4), (0x54, 3), (0x60, 3), (0x6c, 3)] {
            bench.write(CLOCKS + generator, 1 << 11 | source << 5);
        }
        bench.write(WATCHDOG + 0x2c, 0x200 | 12);
        bench.write(RESETS, 0);
        bench.pass(100); // core 1 comes to its sleep in the boot ROM
        bench
    }

    pub(crate) fn read(&mut self, addr: u32) -> u32 {
        self.0.load_register(addr).unwrap_or_else(|| panic!("no register at {addr:#x}"))
    }

    pub(crate) fn write(&mut self, addr: u32, value: u32) {
        assert!(self.0.store_register(addr, value), "no register at {addr:#x}");
    }

    /// Lets `cycles` pass.
    pub(crate) fn pass(&mut self, cycles: u64) {
        assert_eq!(self.0.run(self.0.cycles() + cycles), Stop::Deadline);
    }

    /// Lets time pass until `addr` has any of the bits in `mask`; the cycles that took.
    pub(crate) fn wait(&mut self, addr: u32, mask: u32) -> u64 {
        let begin = self.0.cycles();
        while self.read(addr) & mask == 0 {
            assert!(self.0.cycles() - begin < 10_000_000, "{addr:#x} never had {mask:#x}");
            self.pass(1);
        }
        self.0.cycles() - begin
    }

    /// Interrupt `number` is pending at core 0.
    pub(crate) fn irq(&mut self, number: u32) -> bool {
        // A handler is not needed to see it: NVIC_ISPR latches what comes while core 0 runs.
        self.pass(4);
        self.0.pending_interrupts(0) >> number & 1 != 0
    }

    pub(crate) fn words(&self, addr: u32, count: u32) -> Vec<u32> {
        (0..count).map(|i| self.0.read_word(addr + 4 * i).expect("SRAM")).collect()
    }

    pub(crate) fn put(&mut self, addr: u32, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        assert!(self.0.write_bytes(addr, &bytes));
    }

    /// Selects function `function` for `pin`.
    pub(crate) fn select(&mut self, pin: u32, function: u32) {
        self.write(IO_BANK0 + 8 * pin + 4, function);
    }
}
