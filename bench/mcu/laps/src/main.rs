//! Runs firmware.c on teff's simulator: `laps FILE.elf` prints the cycles of every lap (all, and those that waited for
//! flash), the answers and the deepest stack as one JSON object.

use std::path::Path;
use std::process::ExitCode;
use teff_rp2040::{Options, Simulator, Stop};

const PAINT: [u8; 4] = [0xa5; 4];
/// Two hours of the board's time, at the frequency it starts with.
const LIMIT: u64 = 50_000_000_000;

fn measure(file: &str) -> Result<String, String> {
    let image = Simulator::read_image(Path::new(file)).map_err(|e| e.to_string())?;
    let mut sim = Simulator::new(Options { stop_at_bkpt: true, stop_at_fault: true, ..Options::default() });
    sim.load(&image).map_err(|e| e.to_string())?;
    let free = image.address_of("bss_end").ok_or("no symbol bss_end")?;
    let (mut sp, mut started) = (0, (0, 0));
    let (mut laps, mut stalls, mut answers) = (vec![], vec![], vec![]);
    loop {
        let stop = sim.run(LIMIT);
        let Stop::Bkpt { imm, .. } = stop else { return Err(format!("stopped by {stop:?}")) };
        let now = (sim.core_cycles(0), sim.stalls(0).flash);
        match imm {
            1 => {
                if laps.is_empty() {
                    sp = sim.register(0, 13);
                    sim.write_bytes(free, &PAINT.repeat(((sp - free) / 4) as usize));
                }
                started = now;
            }
            2 => {
                stalls.push(now.1 - started.1);
                laps.push(now.0 - started.0 - (now.1 - started.1));
            }
            3 => answers.push(sim.register(0, 0)),
            _ => break,
        }
        sim.skip_bkpt(0);
    }
    let left = sim.read_bytes(free, (sp - free) as usize).ok_or("the stack is not in memory")?;
    let untouched = left.chunks_exact(4).take_while(|word| **word == PAINT).count() as u32;
    let stack = sp - free - 4 * untouched;
    Ok(format!(
        "{{\"laps\": {laps:?}, \"stalls\": {stalls:?}, \"answers\": {answers:?}, \"stack\": {stack}}}"
    ))
}

fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("usage: laps FILE.elf");
        return ExitCode::FAILURE;
    };
    match measure(&file) {
        Ok(json) => println!("{json}"),
        Err(problem) => {
            eprintln!("{file}: {problem}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
