//! The proof that nothing can happen any more, and the programs that it must not be fooled by.

mod common;
use common::{SRAM, chip, corpus};
use teff_rp2040::{CoreState, Image, Options, Simulator, Stop};

/// Lets the program get going, then asks for the proof.
fn stuck(sim: &mut Simulator) -> Result<bool, Stop> {
    assert_eq!(sim.run(sim.cycles() + 50_000), Stop::Deadline);
    sim.stuck(2_000, Simulator::run)
}

fn program(code: &[u16]) -> Simulator {
    chip(SRAM, code, Options::default())
}

#[test]
fn two_cores_that_spin_on_each_others_lock_are_stuck() {
    let mut sim = Simulator::new(Options::default());
    sim.load(&Image::parse(&corpus("dead_lock.elf")).expect("an ELF file")).expect("it fits");
    assert_eq!(stuck(&mut sim), Ok(true));
    assert_eq!([sim.core_state(0), sim.core_state(1)], [CoreState::Running; 2]);
}

#[test]
fn loops_that_change_nothing_are_stuck() {
    assert_eq!(stuck(&mut program(&[0xe7fe])), Ok(true), "b .");
    assert_eq!(
        stuck(&mut program(&[0x4668, 0x3880, 0x6801, 0x2900, 0xd0fc])),
        Ok(true),
        "waits for a variable"
    );
    // ldr r0, [pc, #4]; ldr r1, [r0, #0x50]; b back: polls FIFO_ST, which only core 1 could change, asleep in ROM.
    assert_eq!(stuck(&mut program(&[0x4801, 0x6d01, 0xe7fd, 0xbf00, 0x0000, 0xd000])), Ok(true));
    // A loop of two turns: r0 toggles.
    assert_eq!(stuck(&mut program(&[0x2101, 0x4048, 0xe7fd])), Ok(true));
}

#[test]
fn loops_that_may_end_are_not() {
    assert_eq!(stuck(&mut program(&[0x1c40, 0xe7fd])), Ok(false), "counts");
    assert_eq!(
        stuck(&mut program(&[0x4668, 0x3880, 0x6801, 0x1c49, 0x6001, 0xe7fb])),
        Ok(false),
        "counts in memory"
    );
    // ldr r0, [pc, #4]; ldr r1, [r0, #0x28]; b back: the timer's low word.
    assert_eq!(stuck(&mut program(&[0x4801, 0x6a81, 0xe7fd, 0xbf00, 0x4000, 0x4005])), Ok(false));
    // The same with GPIO_IN, which the outside may change.
    assert_eq!(stuck(&mut program(&[0x4801, 0x6841, 0xe7fd, 0xbf00, 0x0000, 0xd000])), Ok(false));
    // SysTick with its interrupt: r7 = 0xe000e010, RVR = 0xffff00, CSR = 7, b .
    let systick =
        [0x27e0, 0x063f, 0x20e0, 0x0200, 0x3010, 0x4307, 0x20ff, 0x0400, 0x6078, 0x2007, 0x6038, 0xe7fe];
    assert_eq!(stuck(&mut program(&systick)), Ok(false), "SysTick will interrupt it");
    let mut masked = systick.to_vec();
    masked.insert(0, 0xb672); // cpsid i
    assert_eq!(stuck(&mut program(&masked)), Ok(true), "SysTick cannot");
    // The watchdog would reset the chip: TICK = 0x201, LOAD = 0x7fff00, CTRL.ENABLE, then b .
    let watchdog = [0x4f03, 0x4804, 0x62f8, 0x4804, 0x6078, 0x4804, 0x6038, 0xe7fe];
    let literals = [0x8000, 0x4005, 0x0201, 0x0000, 0xff00, 0x007f, 0x0000, 0x4000];
    assert_eq!(stuck(&mut program(&[&watchdog[..], &literals].concat())), Ok(false));
}

#[test]
fn what_ends_the_run_meanwhile_is_told() {
    let mut sim = program(&[0xbf30, 0xe7fd]);
    assert_eq!(sim.stuck(2_000, Simulator::run), Err(Stop::Deadlock));
}
