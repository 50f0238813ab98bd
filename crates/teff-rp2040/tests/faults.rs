//! Faults of the board, and a chip that hangs: what firmware meets when a device is missing, stops, or blocks its bus, and
//! what a watchdog leaves behind.

mod common;
use common::bench::{Bench, PSM_WDSEL, RESETS, SET, WATCHDOG};
use common::camera::{self, BUFFER, DMA, PIXELS, SIDE};
use teff_rp2040::board::{Board, BoardFault, Description, GreyImage, Revival};
use teff_rp2040::{CoreState, Image, Options, Simulator, Stop};

const I2C0: u32 = 0x4004_4000;
const I2C1: u32 = 0x4004_8000;
const SIO: u32 = 0xd000_0000;
const PADS: u32 = 0x4001_c000;
const SCL: u32 = 1 << 5;
const SDA: u32 = 1 << 4;
const STOP_DET: u32 = 1 << 9;
const TX_ABRT: u32 = 1 << 6;

/// I2C0 at 400 kHz on pins 4 and 5, with pull-ups, for the device at `address`.
fn i2c(b: &mut Bench, address: u32) {
    for pin in [4, 5] {
        b.write(PADS + 4 + 4 * pin, 0x4a);
        b.select(pin, 3);
    }
    b.write(I2C0 + 0x6c, 0);
    b.write(I2C0, 1 | 2 << 1 | 1 << 5 | 1 << 6);
    b.write(I2C0 + 0x04, address);
    b.write(I2C0 + 0x6c, 1);
}

/// Begins to read the camera's model number.
fn ask_model(b: &mut Bench) {
    for word in [0, 0, 0x100 | 0x400, 0x100 | 0x200] {
        b.write(I2C0 + 0x10, word);
    }
}

fn model(b: &mut Bench) -> [u32; 2] {
    ask_model(b);
    b.wait(I2C0 + 0x34, STOP_DET);
    b.read(I2C0 + 0x40);
    [0; 2].map(|_| b.read(I2C0 + 0x10))
}

#[test]
fn a_camera_that_is_not_there_acknowledges_nothing() {
    let no_camera = Description { camera: None, ..Description::pico4ml() };
    let boards = [(no_camera, None), (Description::pico4ml(), Some(BoardFault::CameraUnplugged))];
    for (board, fault) in boards {
        let mut b = Bench::on(board);
        fault.into_iter().for_each(|fault| b.0.inject(fault).unwrap());
        i2c(&mut b, 0x24);
        ask_model(&mut b);
        b.wait(I2C0 + 0x34, STOP_DET);
        assert_eq!(b.read(I2C0 + 0x34) & TX_ABRT, TX_ABRT);
        assert_eq!(b.read(I2C0 + 0x80) & 0x1fff, 1, "ABRT_7B_ADDR_NOACK");
        b.read(I2C0 + 0x40);
        b.0.repair();
        if fault.is_some() {
            assert_eq!(model(&mut b), [0x01, 0xb0], "plugged in again");
        }
        b.pass(1_000_000);
        assert_eq!(b.0.pins() & (1 << 14 | 1 << 15 | 1 << 16), 0);
    }
}

#[test]
fn faults_need_their_device() {
    let mut b = Bench::new();
    for fault in ["camera-stops", "display-unplugged", "sda-low:0", "scl-low:1"] {
        let message = b.0.inject(fault.parse().unwrap()).unwrap_err().to_string();
        assert!(message.contains("this board has no "), "{message}");
    }
}

#[test]
fn sda_held_low_keeps_the_master_waiting_until_it_is_let_go() {
    let mut b = Bench::on(Description::pico4ml());
    i2c(&mut b, 0x24);
    b.0.inject(BoardFault::SdaLow { bus: 0, clocks: None }).unwrap();
    assert_eq!(b.0.pins() & (SDA | SCL), SCL);
    ask_model(&mut b);
    b.pass(1_200_000);
    assert_eq!(
        b.read(I2C0 + 0x34) & (STOP_DET | TX_ABRT | 0x400),
        0,
        "no START in 100 ms, and nothing says so"
    );
    assert_eq!((b.read(I2C0 + 0x74), b.read(I2C0 + 0x70) & 0x21), (4, 0x21), "four commands wait");
    b.0.repair();
    b.wait(I2C0 + 0x34, STOP_DET);
    assert_eq!([0; 2].map(|_| b.read(I2C0 + 0x10)), [0x01, 0xb0]);
    // The same by hand, and the other controller is free.
    b.write(I2C1 + 0x6c, 1);
    b.write(I2C1 + 0x10, 0x200);
    b.0.drive_pins(SDA, 0);
    b.read(I2C0 + 0x40);
    ask_model(&mut b);
    b.wait(I2C1 + 0x34, STOP_DET);
    assert_eq!(b.read(I2C0 + 0x74), 4);
    b.0.release_pins(SDA);
    b.wait(I2C0 + 0x34, STOP_DET);
}

#[test]
fn sda_that_falls_within_a_transfer_loses_the_arbitration() {
    let mut b = Bench::on(Description::pico4ml());
    i2c(&mut b, 0x24);
    ask_model(&mut b);
    b.pass(20);
    b.0.inject(BoardFault::SdaLow { bus: 0, clocks: None }).unwrap();
    b.wait(I2C0 + 0x34, TX_ABRT);
    assert_eq!(b.read(I2C0 + 0x80) & 0x1fff, 1 << 12, "ARB_LOST");
    b.pass(10_000);
    assert_eq!(b.read(I2C0 + 0x34) & STOP_DET, 0, "no STOP of a master that has lost");
    b.0.repair();
    b.read(I2C0 + 0x40);
    assert_eq!(model(&mut b), [0x01, 0xb0]);
}

#[test]
fn scl_held_low_stretches_for_ever_and_the_transfer_goes_on_after() {
    let mut b = Bench::on(Description::pico4ml());
    i2c(&mut b, 0x24);
    b.pass(20);
    ask_model(&mut b);
    b.pass(200);
    b.0.inject(BoardFault::SclLow { bus: 0 }).unwrap();
    b.pass(1_200_000);
    assert_eq!(b.read(I2C0 + 0x34) & (STOP_DET | TX_ABRT), 0);
    b.0.repair();
    let took = b.wait(I2C0 + 0x34, STOP_DET);
    assert!((1_000..2_000).contains(&took), "{took} cycles for the rest of 49 bits");
    b.read(I2C0 + 0x40);
    assert_eq!([0; 2].map(|_| b.read(I2C0 + 0x10)), [0x01, 0xb0]);
    // Switched off within a byte, it stays active until the bus is free.
    ask_model(&mut b);
    b.pass(200);
    b.0.inject(BoardFault::SclLow { bus: 0 }).unwrap();
    b.write(I2C0 + 0x6c, 0);
    b.pass(10_000);
    assert_eq!((b.read(I2C0 + 0x6c), b.read(I2C0 + 0x9c)), (0, 1));
    b.0.repair();
    assert_eq!(b.read(I2C0 + 0x9c), 0);
}

/// What drivers do to free a bus: pulses on SCL while SDA is low, at most nine, then a STOP. The pulses it took.
fn recover(b: &mut Bench) -> Option<u32> {
    // Open drain: the outputs are 0, and the enables pull.
    b.write(SIO + 0x18, SDA | SCL);
    b.write(SIO + 0x28, SDA | SCL);
    b.select(4, 5);
    b.select(5, 5);
    let mut pulses = 0;
    while b.0.pins() & SDA == 0 && pulses < 9 {
        b.write(SIO + 0x24, SCL);
        b.pass(60);
        b.write(SIO + 0x28, SCL);
        b.pass(60);
        pulses += 1;
    }
    let free = b.0.pins() & SDA != 0;
    for (register, pin) in [(0x24, SCL), (0x24, SDA), (0x28, SCL), (0x28, SDA)] {
        b.write(SIO + register, pin);
        b.pass(60);
    }
    b.select(4, 3);
    b.select(5, 3);
    free.then_some(pulses)
}

#[test]
fn a_device_cut_off_within_a_byte_lets_go_after_its_clocks() {
    for clocks in [1, 5, 9] {
        let mut b = Bench::on(Description::pico4ml());
        i2c(&mut b, 0x24);
        b.0.inject(BoardFault::SdaLow { bus: 0, clocks: Some(clocks) }).unwrap();
        b.pass(1000);
        assert_eq!(recover(&mut b), Some(clocks));
        assert_eq!(model(&mut b), [0x01, 0xb0]);
    }
    let mut b = Bench::on(Description::pico4ml());
    i2c(&mut b, 0x24);
    b.0.inject(BoardFault::SdaLow { bus: 0, clocks: Some(10) }).unwrap();
    assert_eq!(recover(&mut b), None, "nine clocks are not enough");
}

/// A streaming camera with noise before it.
fn streaming() -> Bench {
    let mut b = Bench::on(Description::pico4ml());
    b.0.board().show(GreyImage { width: SIDE, height: SIDE, pixels: camera::noise() }).unwrap();
    camera::set_up(&mut b);
    b
}

/// The frame as it goes over the wires: this camera is mounted upside down.
fn turned() -> Vec<u8> {
    camera::noise().into_iter().rev().collect()
}

#[test]
fn the_frame_that_was_sent_can_be_looked_at() {
    let mut b = streaming();
    assert_eq!(b.0.board().camera_frame(), None);
    camera::receive(&mut b, 1);
    b.pass(5_000_000);
    let frame = b.0.board().camera_frame().unwrap().clone();
    assert_eq!((frame.width, frame.height), (SIDE, SIDE));
    assert!(frame.pixels == turned());
    assert!(b.0.read_bytes(BUFFER, PIXELS).unwrap() == frame.pixels);
}

#[test]
fn a_camera_that_stops_is_revived_as_chosen() {
    // Whether it goes on after its software reset, and after its reset pin.
    for (revival, wanted) in
        [(Revival::Never, [false, false]), (Revival::ResetPin, [false, true]), (Revival::Reset, [true, true])]
    {
        let mut b = streaming();
        camera::receive(&mut b, 3);
        b.pass(2_000_000);
        assert_ne!(b.read(DMA + 8), 3 * PIXELS as u32, "it streams");
        b.0.inject(BoardFault::CameraStops(revival)).unwrap();
        b.pass(10);
        let left = b.read(DMA + 8);
        b.pass(12_000_000);
        assert_eq!((b.read(DMA + 8), b.0.pins() >> 14 & 7), (left, 0));
        assert_eq!(model(&mut b), [0x01, 0xb0], "its bus still works");
        let streams = |b: &mut Bench| {
            camera::configure(b);
            camera::write(b, 0x100, 1);
            let before = b.0.board().traffic().0;
            b.pass(12_000_000);
            b.0.board().traffic().0 > before
        };
        camera::write(&mut b, 0x103, 1);
        let by_software = streams(&mut b);
        b.write(SIO + 0x14, 1 << 2);
        b.write(SIO + 0x24, 1 << 2);
        b.select(2, 5);
        for level in [0x18, 0x14] {
            b.write(SIO + level, 1 << 2);
            b.pass(1000);
        }
        assert_eq!([by_software, streams(&mut b)], wanted, "{revival:?}");
        b.0.repair();
        assert!(streams(&mut b), "repaired");
    }
}

#[test]
fn a_short_frame_ends_where_it_was_told_and_the_next_is_whole() {
    for (lines, bytes) in [(100, 0), (100, 7), (0, 1), (323, 323), (0, 0)] {
        let mut b = streaming();
        b.0.inject(BoardFault::ShortFrame { frame: 0, lines, bytes }).unwrap();
        camera::receive(&mut b, 2);
        // Frames are 45.36 ms apart; the second has not begun after the first 45.
        b.pass(45 * 125_000);
        let sent = lines * SIDE + bytes;
        assert_eq!(b.read(DMA + 8) as usize, 2 * PIXELS - sent, "{lines} lines and {bytes} bytes");
        assert!(b.0.read_bytes(BUFFER, sent).unwrap() == turned()[..sent]);
        assert_eq!(b.0.board().camera_frame(), None, "it was not whole");
        b.pass(45 * 125_000);
        assert!(b.0.board().camera_frame().is_some());
        assert_eq!(b.read(DMA + 8) as usize, PIXELS - sent);
        assert!(b.0.read_bytes(BUFFER + sent as u32, PIXELS).unwrap() == turned());
    }
}

#[test]
fn lost_clocks_lose_their_bits() {
    let mut b = streaming();
    // Over one line a byte has eight clocks: byte 5 of line 3, and one bit of line 200.
    for fault in ["lost-clocks:0:3:40:8", "lost-clocks:0:200:9"] {
        b.0.inject(fault.parse().unwrap()).unwrap();
    }
    camera::receive(&mut b, 2);
    b.pass(45 * 125_000);
    assert_eq!(b.read(DMA + 8) as usize, 2 * PIXELS - (PIXELS - 2), "a byte and a bit are missing");
    let (seen, sent) = (b.0.read_bytes(BUFFER, PIXELS - 2).unwrap(), turned());
    assert!(seen[..3 * SIDE + 5] == sent[..3 * SIDE + 5]);
    assert!(seen[3 * SIDE + 5..200 * SIDE] == sent[3 * SIDE + 6..200 * SIDE + 1]);
    assert_eq!(b.0.board().camera_frame(), None);
}

#[test]
fn what_is_sent_to_a_display_that_is_not_there_harms_nobody() {
    let run = |fault: Option<BoardFault>| {
        let mut sim = Simulator::with_board(Options::default(), Board::new(Description::pico4ml()));
        sim.load(&Image::parse(&common::corpus("screen.elf")).unwrap()).unwrap();
        fault.into_iter().for_each(|fault| sim.inject(fault).unwrap());
        assert_eq!(sim.run(100_000_000), Stop::Exit { status: 0 });
        let dark = sim.board().screen().unwrap().pixels.iter().all(|&level| level == 0);
        (sim.cycles(), dark)
    };
    let (cycles, dark) = run(None);
    assert!(!dark);
    assert_eq!(run(Some(BoardFault::DisplayUnplugged)), (cycles, true), "to the cycle");
}

#[test]
fn the_watchdog_restarts_a_hung_chip_with_its_camera() {
    let mut b = streaming();
    camera::receive(&mut b, 100);
    b.pass(2_000_000);
    b.write(WATCHDOG + 0x0c, 0xfeed);
    b.write(WATCHDOG + 0x28, 0x1234);
    b.write(SIO + 0x14, 1 << 2); // an output of SIO, and the reset of the camera
    b.write(SIO + 0x24, 1 << 2);
    b.select(2, 5);
    b.write(WATCHDOG + 4, 2 * 10_000);
    b.write(PSM_WDSEL, 0x1fffc);
    b.write(WATCHDOG + SET, 1 << 30);
    b.0.hang(0);
    b.0.hang(1);
    let place = b.0.register(0, 15);
    b.pass(1_200_000);
    assert_eq!([0, 1].map(|core| b.0.register(core, 15)), [place; 2], "both hang");
    assert_eq!(b.read(WATCHDOG + 8), 0);
    b.pass(100_000);
    assert_eq!((b.read(WATCHDOG + 8), b.read(WATCHDOG + 0x0c), b.read(WATCHDOG + 0x28)), (1, 0xfeed, 0x1234));
    assert_eq!(b.read(WATCHDOG) >> 30 & 1, 0, "it does not run on");
    assert_eq!(
        (b.0.register(0, 15) >> 28, b.0.core_state(0)),
        (2, CoreState::Running),
        "the program begins again"
    );
    assert_eq!(b.0.core_state(1), CoreState::WaitEvent, "core 1 waits in the ROM");
    assert!(b.0.register(1, 15) < 0x4000);
    // The clock is the ring oscillator's, peripherals are in reset, all pins are inputs, the camera stands still.
    assert_eq!(b.0.clock_hz(), 6_500_000);
    assert_ne!(b.read(RESETS), 0);
    assert_eq!([b.read(SIO + 0x10), b.read(SIO + 0x20)], [0, 0]);
    assert_eq!(b.0.pins(), 0);
    let frames = b.0.board().traffic().0;
    b.pass(3_000_000);
    assert_eq!((b.0.board().traffic().0, b.0.pins()), (frames, 0));
    // SIO selected before it is set up drives nothing: its enables are cleared too.
    b.write(RESETS, 0);
    b.select(2, 5);
    assert_eq!(b.0.pins() & 4, 0);
    // The same program starts the camera again.
    let mut b = Bench::set_up(b.0);
    b.write(SIO + 0x14, 1 << 2);
    b.write(SIO + 0x24, 1 << 2);
    b.select(2, 5);
    camera::set_up(&mut b);
    camera::receive(&mut b, 1);
    b.pass(45 * 125_000);
    assert_eq!(b.read(DMA + 8), 0);
    assert!(b.0.read_bytes(BUFFER, PIXELS).unwrap() == turned());
}

#[test]
fn a_watchdog_that_selects_nothing_resets_nothing() {
    let mut b = Bench::new();
    b.write(WATCHDOG + 4, 200);
    b.write(WATCHDOG + SET, 1 << 30);
    b.pass(12_000);
    assert_eq!((b.read(WATCHDOG + 8), b.read(RESETS)), (1, 0));
    // WDSEL of RESETS: the I2C controllers only.
    b.write(RESETS + 4, 3 << 3);
    b.write(I2C0 + 0x04, 0x24);
    b.write(WATCHDOG, 1 << 31);
    assert_eq!(b.0.run(b.0.cycles() + 100), Stop::Deadline);
    assert_eq!((b.read(WATCHDOG + 8), b.read(I2C0 + 0x04)), (2, 0x55));
    assert_eq!(b.0.clock_hz(), 12_000_000);
}
