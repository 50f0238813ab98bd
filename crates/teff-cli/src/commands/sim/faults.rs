//! The faults of `--fault`, each at its time.

use crate::failure::{During, Result};
use clap::{Arg, ArgAction, ArgMatches};
use teff_rp2040::Simulator;
use teff_rp2040::board::BoardFault;

/// What happens at a time: a fault, or `None` for the repair of all.
type Happening = (u64, Option<BoardFault>);

/// What is still to happen, the earliest last.
pub(crate) struct Faults(Vec<Happening>);

/// The option.
pub(crate) fn option() -> Arg {
    let forms = BoardFault::FORMS.map(|(form, what)| format!("{form}: {what}")).join("; ");
    Arg::new("fault")
        .long("fault")
        .value_name("FAULT[@S]")
        .help("Let this go wrong, from power-on or after S seconds; may be given several times (docs/simulator.md)")
        .long_help(format!("Let this go wrong, from power-on or after S seconds; may be given several times. {forms}."))
        .action(ArgAction::Append)
        .value_parser(parse)
}

fn parse(text: &str) -> std::result::Result<Happening, String> {
    let (what, seconds) = text.split_once('@').unwrap_or((text, "0"));
    let at = match seconds.parse::<f64>() {
        Ok(s) if (0.0..=1e6).contains(&s) => (s * 1e9) as u64,
        _ => return Err(format!("\"{seconds}\" is not a number of seconds from 0 to 1000000")),
    };
    let fault = if what == "repair" { None } else { Some(what.parse().map_err(|e| format!("{e}"))?) };
    Ok((at, fault))
}

impl Faults {
    /// Those of the command line.
    pub(crate) fn given(args: &ArgMatches) -> Faults {
        let mut all: Vec<Happening> = args.get_many("fault").unwrap_or_default().copied().collect();
        all.sort_by_key(|(at, _)| *at);
        all.reverse();
        Faults(all)
    }

    /// The nanosecond of the next, if any is left.
    pub(crate) fn next(&self) -> Option<u64> {
        self.0.last().map(|(at, _)| *at)
    }

    /// Lets happen what is due.
    pub(crate) fn inject(&mut self, sim: &mut Simulator) -> Result<()> {
        while let Some((_, fault)) = self.0.pop_if(|(at, _)| *at <= sim.nanoseconds()) {
            match fault {
                Some(fault) => sim.inject(fault).during("--fault")?,
                None => sim.repair(),
            }
        }
        Ok(())
    }
}
