//! Everything but the cores: memories, peripherals, and the fabric between them.

pub(crate) mod banks;
pub(crate) mod code;
pub(crate) mod events;
pub(crate) mod map;
pub(crate) mod memory;
pub(crate) mod registers;
mod stream;
pub(crate) mod xip;

use crate::board::Board;
use crate::periph::{
    adc::Adc, dma::Dma, i2c::I2c, io_bank::IoBank, pio::Pio, plain::Plain, pwm::Pwm, resets::Resets,
    rtc::Rtc, sio::Sio, spi::Spi, ssi::Ssi, timer::Timer, uart::Uart, usb::Usb, watchdog::Watchdog,
};
use crate::wires::Wires;
use banks::Banks;
use code::Code;
use stream::{Beat, Steady, Watched};
use xip::Xip;

const SRAM_WORDS: usize = (map::SRAM_SIZE / 4) as usize;

/// A reset that the program or a watchdog asked for; the run loop carries it out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reset {
    /// SYSRESETREQ of a core.
    System,
    /// The watchdog, or its TRIGGER bit.
    Watchdog,
    /// Core 1 alone, held while `true` (PSM_FRCE_OFF).
    Core1(bool),
    /// The ROM's USB boot was asked for.
    UsbBoot,
}

pub(crate) struct Bus {
    pub(crate) wires: Wires,
    /// More than one master is active, so that collisions have to be looked for.
    pub(crate) contended: bool,
    pub(crate) banks: Banks,
    pub(crate) sram: Box<[u32; SRAM_WORDS]>,
    pub(crate) rom: Vec<u32>,
    pub(crate) flash: Vec<u32>,
    pub(crate) xip_sram: Vec<u32>,
    pub(crate) code: Code,
    pub(crate) xip: Xip,
    /// Event registers of the cores, for WFE.
    pub(crate) event: [bool; 2],
    /// Hard faults taken so far.
    pub(crate) faults: u64,
    /// Accesses to registers whose value may change by itself, and changes of flash, so far.
    pub(crate) touched: u64,
    /// Stores to the ROM, which do nothing: how many, and the address of the first.
    pub(crate) rom_stores: (u64, u32),
    pub(crate) reset_request: Option<Reset>,
    /// SysTick events that the cores have to handle, by core.
    pub(crate) systick_due: [bool; 2],
    /// The APB bridge is busy until this cycle.
    apb_free: u64,
    /// The highest cycle that events were handled for.
    pub(crate) synced: u64,
    pub(crate) sio: Sio,
    pub(crate) resets: Resets,
    pub(crate) plain: Plain,
    pub(crate) io_bank: IoBank,
    pub(crate) timer: Timer,
    pub(crate) watchdog: Watchdog,
    pub(crate) uarts: [Uart; 2],
    pub(crate) spis: [Spi; 2],
    pub(crate) i2cs: [I2c; 2],
    pub(crate) adc: Adc,
    pub(crate) pwm: Pwm,
    pub(crate) rtc: Rtc,
    pub(crate) dma: Dma,
    pub(crate) pios: [Pio; 2],
    pub(crate) usb: Usb,
    pub(crate) ssi: Ssi,
    pub(crate) board: Board,
    /// Camera and PIO may be put off, and done many cycles at once.
    pub(crate) shortcuts: bool,
    /// For each PIO block, what a period of PCLK does to its machine, as long as the block is not written.
    beats: [Option<Beat>; 2],
    /// The line that is being sent goes on as known.
    steady: Option<Steady>,
    /// What is being learned about it.
    watched: Option<Watched>,
}

impl Bus {
    /// The chip on `board`, fresh from power-on.
    pub(crate) fn new(miss: u64, board: Board) -> Bus {
        let flash_bytes = board.description().flash_bytes;
        let sram: Box<[u32]> = vec![0; SRAM_WORDS].into_boxed_slice();
        let mut wires = Wires::new(board.description().crystal_hz);
        wires.pins.clocks = board.clocks();
        Bus {
            wires,
            contended: false,
            banks: Banks::new(),
            sram: sram.try_into().expect("the length is that of the array"),
            rom: crate::rom::image(),
            flash: vec![u32::MAX; flash_bytes / 4],
            xip_sram: vec![0; (map::XIP_SRAM_SIZE / 4) as usize],
            code: Code::new(flash_bytes),
            xip: Xip::new(miss),
            event: [false; 2],
            faults: 0,
            touched: 0,
            rom_stores: (0, 0),
            reset_request: None,
            systick_due: [false; 2],
            apb_free: 0,
            synced: 0,
            sio: Sio::new(),
            resets: Resets::new(),
            plain: Plain::new(),
            io_bank: IoBank::default(),
            timer: Timer::default(),
            watchdog: Watchdog::new(),
            uarts: [Uart::new(0), Uart::new(1)],
            spis: [Spi::new(0), Spi::new(1)],
            i2cs: [I2c::new(0), I2c::new(1)],
            adc: Adc::new(),
            pwm: Pwm::new(),
            rtc: Rtc::default(),
            dma: Dma::new(),
            pios: [Pio::new(0), Pio::new(1)],
            usb: Usb::new(),
            ssi: Ssi::new(),
            board,
            shortcuts: true,
            beats: [None; 2],
            steady: None,
            watched: None,
        }
    }

    /// SEV: sets the event register of both cores.
    pub(crate) fn send_event(&mut self) {
        self.event = [true; 2];
        self.wires.sched.interrupt_run();
    }

    /// Takes the event register of `core`: true if it was set.
    pub(crate) fn take_event(&mut self, core: usize) -> bool {
        std::mem::take(&mut self.event[core & 1])
    }

    /// Puts the peripherals back to their power-on state; memory, the watchdog's scratch registers and the
    /// devices around the chip keep theirs.
    pub(crate) fn power_cycle(&mut self, now: u64, by_watchdog: bool) {
        self.reset_subsystems(u32::MAX, now);
        self.beats = [None; 2];
        self.unsettle();
        self.wires.pins.power_on(now);
        self.resets = Resets::new();
        self.plain = Plain::new();
        self.xip = Xip::new(self.xip.miss);
        self.sio = Sio::new();
        self.ssi = Ssi::new();
        let (scratch, reason) = (self.watchdog.scratch, self.watchdog.reason);
        self.watchdog = Watchdog::new();
        self.watchdog.scratch = scratch;
        self.watchdog.reason = if by_watchdog { reason } else { 0 };
        self.wires.clocks.power_on(now);
        self.wires.forget_requests();
        self.event = [false; 2];
        self.systick_due = [false; 2];
        // The board sees pins and camera clock fall, which may plan something of its own again.
        self.clock_outputs_changed(now);
        self.after_change(now);
    }

    /// Asks the run loop for a reset.
    pub(crate) fn request_reset(&mut self, reset: Reset) {
        self.reset_request = Some(reset);
        self.wires.sched.interrupt_run();
    }
}
