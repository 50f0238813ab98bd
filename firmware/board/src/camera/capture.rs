//! Frames from the camera's wires: a state machine of PIO0 takes a bit for each clock while HREF is high, a DMA channel writes the
//! bytes. VSYNC begins each frame anew, so that one lost bit costs one frame and no more; a frame counts when exactly its bytes have
//! come and the FIFO never was full.

use crate::frames::{BYTES, Frame};
use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};
use critical_section::Mutex;
use rp2040_hal::pac;

/// Pins.
const DATA: u32 = 6;
const PCLK: u16 = 14;
const HREF: u16 = 15;
const VSYNC: usize = 16;
/// The DMA channel.
const CHANNEL: usize = 0;
/// DREQ of PIO0's first receive FIFO (RP2040 datasheet 2.5.3.1).
const DREQ_PIO0_RX0: u8 = 4;

/// `wait level gpio pin` (datasheet 3.4.4).
const fn wait(level: u16, pin: u16) -> u16 {
    0x2000 | level << 7 | pin
}

/// For each bit: HREF high, PCLK high, `in pins, 1`, PCLK low. Four cycles where the clock has five.
const PROGRAM: [u16; 4] = [wait(1, HREF), wait(1, PCLK), 0x4001, wait(0, PCLK)];

/// What happened so far.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Frames that came whole.
    pub whole: u32,
    /// Frames that were dropped: short, or with a byte lost.
    pub broken: u32,
    /// Whole frames that nobody had room for.
    pub unused: u32,
}

/// The receiving end. Interrupts of core 1 work on it.
pub struct Capture {
    pio: pac::PIO0,
    /// The frame that is being written, if the camera sends.
    back: Option<Frame>,
    /// Whether the DMA writes to it.
    running: bool,
    /// The newest whole frame.
    ready: Option<Frame>,
    spare: [Option<Frame>; 2],
    counts: Counts,
}

/// The capture that interrupts work on.
static PENDING: Mutex<RefCell<Option<Capture>>> = Mutex::new(RefCell::new(None));
static ARRIVED: AtomicBool = AtomicBool::new(false);

fn dma() -> &'static pac::dma::RegisterBlock {
    // SAFETY: only this file touches channel 0 and interrupt 0.
    unsafe { &*pac::DMA::ptr() }
}

impl Capture {
    /// Takes PIO0, which is out of reset as is the DMA, and the frames. The pins must be PIO0's or inputs.
    pub fn new(pio: pac::PIO0, frames: [Frame; 3]) -> Capture {
        for (k, instruction) in PROGRAM.into_iter().enumerate() {
            // SAFETY: any half-word is an instruction.
            pio.instr_mem(k).write(|w| unsafe { w.bits(instruction.into()) });
        }
        let sm = pio.sm(0);
        // SAFETY: values within the widths of their fields.
        unsafe {
            sm.sm_clkdiv().write(|w| w.int().bits(1));
            sm.sm_execctrl().write(|w| w.wrap_top().bits(PROGRAM.len() as u8 - 1).wrap_bottom().bits(0));
            sm.sm_shiftctrl().write(|w| {
                w.fjoin_rx().set_bit().push_thresh().bits(8).autopush().set_bit().in_shiftdir().clear_bit()
            });
            sm.sm_pinctrl().write(|w| w.in_base().bits(DATA as u8));
        }
        let [a, b, c] = frames;
        Capture {
            pio,
            back: Some(a),
            running: false,
            ready: None,
            spare: [Some(b), Some(c)],
            counts: Counts::default(),
        }
    }

    /// Lets interrupts work on it, on this core: the rise of VSYNC and the end of a transfer.
    pub fn install(self) {
        critical_section::with(|cs| PENDING.replace(cs, Some(self)));
        // SAFETY: bits of this pin and channel; the handlers below are ready for them.
        unsafe {
            let io = &*pac::IO_BANK0::ptr();
            let bit = 1 << (VSYNC % 8 * 4 + 3);
            io.intr(VSYNC / 8).write(|w| w.bits(bit));
            io.proc1_inte(VSYNC / 8).modify(|r, w| w.bits(r.bits() | bit));
            dma().inte0().modify(|r, w| w.bits(r.bits() | 1 << CHANNEL));
            cortex_m::peripheral::NVIC::unmask(pac::Interrupt::IO_IRQ_BANK0);
            cortex_m::peripheral::NVIC::unmask(pac::Interrupt::DMA_IRQ_0);
        }
    }

    /// The newest frame, once.
    pub fn newest() -> Option<Frame> {
        if !ARRIVED.load(Ordering::Acquire) {
            return None;
        }
        Capture::with(|capture| {
            ARRIVED.store(false, Ordering::Release);
            capture.ready.take()
        })
        .flatten()
    }

    /// Takes a frame back to be filled again.
    pub fn release(frame: Frame) {
        Capture::with(|capture| capture.keep(frame));
    }

    /// What happened so far.
    pub fn counts() -> Counts {
        Capture::with(|capture| capture.counts).unwrap_or_default()
    }

    /// Stops, until the next VSYNC.
    pub fn halt() {
        Capture::with(Capture::stop);
    }

    /// Works on the capture, once it is installed.
    fn with<T>(work: impl FnOnce(&mut Capture) -> T) -> Option<T> {
        critical_section::with(|cs| PENDING.borrow_ref_mut(cs).as_mut().map(work))
    }

    fn keep(&mut self, frame: Frame) {
        if self.back.is_none() {
            self.back = Some(frame);
        } else if let Some(place) = self.spare.iter_mut().find(|place| place.is_none()) {
            *place = Some(frame);
        }
    }

    /// Stops the state machine, then the transfer (datasheet 2.5.5.3, with erratum RP2040-E13: its interrupt is off meanwhile).
    fn stop(&mut self) {
        // SAFETY: bits of state machine 0 and of the channel.
        unsafe {
            self.pio.ctrl().write(|w| w.bits(0));
            dma().inte0().modify(|r, w| w.bits(r.bits() & !(1 << CHANNEL)));
            dma().chan_abort().write(|w| w.bits(1 << CHANNEL));
            while dma().chan_abort().read().bits() & 1 << CHANNEL != 0 {}
            dma().ints0().write(|w| w.bits(1 << CHANNEL));
            dma().inte0().modify(|r, w| w.bits(r.bits() | 1 << CHANNEL));
        }
        self.running = false;
    }

    /// A frame begins.
    #[unsafe(link_section = ".data.fast")]
    fn begin(&mut self) {
        if self.running {
            // The one before never became whole.
            self.stop();
            self.counts.broken += 1;
        }
        let Some(back) = &mut self.back else {
            self.counts.unused += 1;
            return;
        };
        let address = back.pixels_mut().as_mut_ptr() as u32;
        // SAFETY: the transfer writes the pixels of a frame that is in nobody else's hands until it has ended or been stopped.
        unsafe {
            // Off; FIFO emptied by turning its joining off and on (datasheet 3.7, SM0_SHIFTCTRL); counters and shift registers reset; at the start.
            self.pio.ctrl().write(|w| w.bits(0));
            let sm = self.pio.sm(0);
            sm.sm_shiftctrl().modify(|_, w| w.fjoin_rx().clear_bit());
            sm.sm_shiftctrl().modify(|_, w| w.fjoin_rx().set_bit());
            self.pio.ctrl().write(|w| w.bits(1 << 4 | 1 << 8));
            sm.sm_instr().write(|w| w.bits(0));
            self.pio.fdebug().write(|w| w.bits(1));
            let channel = dma().ch(CHANNEL);
            channel.ch_read_addr().write(|w| w.bits(self.pio.rxf(0).as_ptr() as u32));
            channel.ch_write_addr().write(|w| w.bits(address));
            channel.ch_trans_count().write(|w| w.bits(BYTES as u32));
            channel.ch_ctrl_trig().write(|w| {
                w.treq_sel().bits(DREQ_PIO0_RX0).chain_to().bits(CHANNEL as u8);
                w.incr_write().set_bit().data_size().size_byte().high_priority().set_bit().en().set_bit()
            });
            self.pio.ctrl().write(|w| w.bits(1));
        }
        self.running = true;
    }

    /// All bytes of a frame have come.
    #[unsafe(link_section = ".data.fast")]
    fn end(&mut self) {
        if !self.running {
            return;
        }
        self.running = false;
        // A byte that found the FIFO full is gone, and what followed it is out of place (datasheet 3.7, FDEBUG).
        if self.pio.fdebug().read().bits() & 1 != 0 {
            self.counts.broken += 1;
            return;
        }
        self.counts.whole += 1;
        // The frame before, if nobody took it, is the next to be filled.
        let older = self.ready.take();
        let next = older.or_else(|| self.spare.iter_mut().find_map(Option::take));
        let done = core::mem::replace(&mut self.back, next);
        self.ready = done;
        ARRIVED.store(true, Ordering::Release);
    }
}

/// To be called in the interrupt of the GPIO bank.
#[unsafe(link_section = ".data.fast")]
pub fn on_vsync() {
    // SAFETY: clears the edge of this pin.
    unsafe { (*pac::IO_BANK0::ptr()).intr(VSYNC / 8).write(|w| w.bits(1 << (VSYNC % 8 * 4 + 3))) };
    Capture::with(Capture::begin);
}

/// To be called in the DMA's interrupt 0.
#[unsafe(link_section = ".data.fast")]
pub fn on_dma() {
    // SAFETY: clears this channel's interrupt.
    unsafe { dma().ints0().write(|w| w.bits(1 << CHANNEL)) };
    Capture::with(Capture::end);
}
