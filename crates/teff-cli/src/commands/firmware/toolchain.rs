//! The compilers for the board: which are here, and how cargo is told to use them. `scripts/setup-embedded` installs them in the same
//! order.

use crate::children;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The board's processor as Rust calls it.
pub(crate) const TARGET: &str = "thumbv6m-none-eabi";
/// The linker of Rust's own toolchains, and one that stands in for it: Debian's Rust comes without.
const LINKER: &str = "rust-lld";
const GNU_LINKER: &str = "arm-none-eabi-ld";
/// Where Debian's Rust is, whose sources are a package (rust-web-src).
const DEBIAN: &str = "/usr/bin/rustc";

/// How Rust's core library for the board comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rust {
    /// The compiler that cargo uses by itself has it.
    Installed,
    /// This compiler builds it from its sources, which stable compilers must be allowed to (`RUSTC_BOOTSTRAP`).
    Sources {
        /// The compiler.
        rustc: PathBuf,
        /// What links instead of the compiler's own linker, where it has none.
        linker: Option<PathBuf>,
    },
}

/// What is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A core library of Rust for the board.
    Core,
    /// A linker for a core library that is built from sources.
    Linker,
    /// A C compiler for it, with its library.
    C,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (what, how) = match self {
            Missing::Core => (
                format!("Rust has no core library for the board's processor ({TARGET})"),
                format!("rustup target add {TARGET}, or Debian's rustc-web and rust-web-src"),
            ),
            Missing::Linker => (
                "the Rust that has sources of a core library for the board has no linker for it".into(),
                "Debian's binutils-arm-none-eabi".into(),
            ),
            Missing::C => (
                "there is no C compiler for the board's processor (arm-none-eabi-gcc with newlib)".into(),
                "Debian's gcc-arm-none-eabi and libnewlib-arm-none-eabi; or --language rust".into(),
            ),
        };
        write!(f, "{what}; scripts/setup-embedded installs what it can, or by hand: {how}")
    }
}

impl std::error::Error for Missing {}

impl Rust {
    /// What cargo will use in `folder`, whose toolchain file counts.
    ///
    /// # Errors
    /// [`Missing::Core`], [`Missing::Linker`].
    pub(crate) fn find(folder: &Path) -> Result<Rust, Missing> {
        let rustc = std::env::var_os("RUSTC").map_or("rustc".into(), PathBuf::from);
        if let Some(library) = printed(&rustc, folder, &["--print", "target-libdir", "--target", TARGET])
            && holds_core(Path::new(&library))
        {
            return Ok(Rust::Installed);
        }
        let sysroot = |rustc: &Path| printed(rustc, folder, &["--print", "sysroot"]).map(PathBuf::from);
        let has_sources = |rustc: &PathBuf| {
            sysroot(rustc).is_some_and(|s| s.join("lib/rustlib/src/rust/library/core").is_dir())
        };
        let from_sources =
            [PathBuf::from(DEBIAN), rustc.clone()].into_iter().find(has_sources).ok_or(Missing::Core)?;
        if sysroot(&from_sources).and_then(|s| own_linker(&s)).is_some() {
            return Ok(Rust::Sources { rustc: from_sources, linker: None });
        }
        // That of another Rust will do, or GNU's.
        let gnu = || printed(Path::new(GNU_LINKER), folder, &["--version"]).map(|_| GNU_LINKER.into());
        let linker = sysroot(&rustc).and_then(|s| own_linker(&s)).or_else(gnu).ok_or(Missing::Linker)?;
        Ok(Rust::Sources { rustc: from_sources, linker: Some(linker) })
    }

    /// Tells cargo.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        match self {
            Rust::Installed => {}
            Rust::Sources { rustc, linker } => {
                cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
                linker.iter().for_each(|l| _ = cargo.env("CARGO_TARGET_THUMBV6M_NONE_EABI_LINKER", l));
            }
        }
    }
}

/// The C compiler for the board.
///
/// # Errors
/// [`Missing::C`].
pub(crate) fn find_c() -> Result<(), Missing> {
    // Without newlib, the compiler knows no path of its libc and repeats the name.
    let library = printed(
        Path::new("arm-none-eabi-gcc"),
        Path::new("."),
        &["-mcpu=cortex-m0plus", "-print-file-name=libc.a"],
    );
    library.filter(|path| Path::new(path).is_absolute()).map(|_| ()).ok_or(Missing::C)
}

/// The linker that a toolchain brings, in the folder of its host.
fn own_linker(sysroot: &Path) -> Option<PathBuf> {
    let hosts = std::fs::read_dir(sysroot.join("lib/rustlib")).into_iter().flatten().flatten();
    hosts.map(|host| host.path().join("bin").join(LINKER)).find(|path| path.is_file())
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
