//! The compilers for the board: which are here. `scripts/setup-embedded` installs them.

use crate::children;
use std::fmt;
use std::path::Path;
use std::process::Command;

/// The board's processor as Rust calls it.
pub(crate) const TARGET: &str = "thumbv6m-none-eabi";

/// What is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A core library of Rust for the board.
    Core,
    /// A C compiler for it, with its library.
    C,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Missing::Core => {
                "Rust has no core library for the board's processor; scripts/setup-embedded installs it, or by hand: \
                 rustup target add thumbv6m-none-eabi"
            }
            Missing::C => {
                "there is no C compiler for the board's processor (arm-none-eabi-gcc with newlib); scripts/setup-embedded installs \
                 what it can, or by hand: Debian's gcc-arm-none-eabi and libnewlib-arm-none-eabi; or --language rust"
            }
        })
    }
}

impl std::error::Error for Missing {}

/// Whether the Rust that cargo uses in `folder`, whose toolchain file counts, has a core library for the board.
///
/// # Errors
/// [`Missing::Core`].
pub(crate) fn find_rust(folder: &Path) -> Result<(), Missing> {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let library = printed(Path::new(&rustc), folder, &["--print", "target-libdir", "--target", TARGET]);
    library.filter(|path| holds_core(Path::new(path))).map(|_| ()).ok_or(Missing::Core)
}

/// Whether there is a C compiler for the board.
///
/// # Errors
/// [`Missing::C`].
pub(crate) fn find_c() -> Result<(), Missing> {
    // Without newlib, the compiler knows no path of its libc and repeats the name.
    let asked = ["-mcpu=cortex-m0plus", "-print-file-name=libc.a"];
    let library = printed(Path::new("arm-none-eabi-gcc"), Path::new("."), &asked);
    library.filter(|path| Path::new(path).is_absolute()).map(|_| ()).ok_or(Missing::C)
}

/// Whether rustc's core library is in a folder.
fn holds_core(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.into_iter().any(|f| {
        let name = f.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}

/// What a program prints, if it is there and content.
fn printed(program: &Path, folder: &Path, args: &[&str]) -> Option<String> {
    let out = children::output(Command::new(program).args(args).current_dir(folder)).ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    out.status.success().then(|| text.trim().to_string())
}
