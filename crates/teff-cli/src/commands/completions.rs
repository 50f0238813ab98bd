//! `teff completions`, and `teff man` for those who package the command.

use crate::args::one;
use crate::failure::Result;
use crate::ui::Ui;
use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

pub(crate) fn command() -> Command {
    Command::new("completions")
        .about("Print what completes commands and options in a shell")
        .arg(Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell)))
        .after_help(
            "Examples:\n  teff completions bash > ~/.local/share/bash-completion/completions/teff\n  \
             teff completions zsh > ~/.zfunc/_teff\n  teff completions fish > ~/.config/fish/completions/teff.fish",
        )
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(one::<Shell>(args, "shell"), &mut super::command(), "teff", &mut script);
    let script = String::from_utf8_lossy(&script);
    ui.result(&script, &serde_json::json!({ "script": script }));
    Ok(())
}

#[cfg(any(test, feature = "man"))]
pub(crate) mod man {
    use crate::args::path_of;
    use crate::failure::{During, Result};
    use crate::files::make_folder;
    use crate::ui::Ui;
    use clap::{ArgMatches, Command};

    pub(crate) fn command() -> Command {
        Command::new("man").about("Write the manual pages, one for each command").arg(
            crate::args::path("out", "DIR", "The folder for teff.1, teff-compile.1 and the others")
                .short('o')
                .required(true),
        )
    }

    pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
        let folder = path_of(args, "out");
        make_folder(folder)?;
        let pages =
            clap_mangen::generate_to(crate::commands::command().disable_help_subcommand(true), folder);
        pages.during(format_args!("cannot write manual pages to {}", folder.display()))?;
        ui.result(
            &format!("wrote manual pages to {}", folder.display()),
            &serde_json::json!({ "folder": folder }),
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_has_a_manual_page() {
        let folder = crate::files::Scratch::new("man").unwrap();
        let out = folder.path().to_str().unwrap();
        let args = super::man::command().get_matches_from(["man", "-o", out]);
        super::man::run(&args, &crate::ui::Ui::new(true, false)).unwrap();
        let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(page("teff.1").contains("teff\\-quantize(1)"));
        for command in crate::commands::command().get_subcommands() {
            let page = page(&format!("teff-{}.1", command.get_name()));
            let long = command.get_arguments().filter_map(|a| a.get_long()).map(|l| l.replace('-', "\\-"));
            long.for_each(|option| assert!(page.contains(&option), "{}: {option}", command.get_name()));
        }
    }
}
