//! The drive that a board in its boot loader is: where it is mounted, which board it is, and copying to it.

use crate::failure::{Failure, Result};
use crate::stop::Stop;
use crate::ui::{Ui, grouped};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The drive's label, and the board's id in the file that every UF2 boot loader shows: RP2040 datasheet 2.8.4.
const LABEL: &str = "RPI-RP2";
const INFO: &str = "INFO_UF2.TXT";
/// Bytes written before the system is made to pass them on: the boot loader programs flash as they come.
const PORTION: usize = 32 << 10;

/// A drive of a board's boot loader.
pub(super) struct Drive {
    pub(super) path: PathBuf,
}

impl Drive {
    /// The drive mounted at `path`.
    ///
    /// # Errors
    /// When it is not the boot loader of an RP2040.
    pub(super) fn at(path: &Path) -> Result<Drive> {
        let info = path.join(INFO);
        let text = std::fs::read_to_string(&info).map_err(|e| {
            let reason = match e.kind() {
                ErrorKind::NotFound => format!("it has no {INFO}"),
                _ => format!("{INFO} cannot be read: {e}"),
            };
            Failure::new(format!(
                "{} is not the drive of a board in its boot loader: {reason}; {}",
                path.display(),
                super::READY
            ))
        })?;
        match board_id(&text) {
            Some(LABEL) => Ok(Drive { path: path.into() }),
            id => Err(Failure::new(format!(
                "{} is the drive of another board: {INFO} says {}, an RP2040 says {LABEL}; unplug it, or name the right drive by --drive",
                path.display(),
                id.unwrap_or("no board id")
            ))),
        }
    }

    /// The only drive of a board there is, or none.
    ///
    /// # Errors
    /// When there are several, or one that is not mounted.
    pub(super) fn found() -> Result<Option<Drive>> {
        let places: BTreeSet<PathBuf> =
            candidates().into_iter().filter_map(|p| p.canonicalize().ok()).collect();
        let mut drives: Vec<Drive> = places.iter().filter_map(|p| Drive::at(p).ok()).collect();
        match drives.len() {
            0 => unmounted(),
            1 => Ok(drives.pop()),
            n => {
                let all: Vec<String> = drives.iter().map(|d| d.path.display().to_string()).collect();
                Err(Failure::new(format!(
                    "{n} boards are in their boot loader ({}); unplug all but one, or name its drive by --drive",
                    all.join(", ")
                )))
            }
        }
    }

    /// Copies a UF2 file, as `name`. The board restarts when it has the last block, so that the drive may go before the system has
    /// finished with it.
    ///
    /// # Errors
    /// When it cannot be written; what was written is removed then.
    pub(super) fn copy(&self, image: &[u8], name: &Path, stop: &Stop, ui: &Ui) -> Result<()> {
        let path = self.path.join(name);
        let result = self.write(image, &path, stop, ui);
        if result.is_err() {
            let _ = std::fs::remove_file(&path);
        }
        result
    }

    fn write(&self, image: &[u8], path: &Path, stop: &Stop, ui: &Ui) -> Result<()> {
        let fail = |done: usize, e: std::io::Error| {
            let remedy = match e.kind() {
                ErrorKind::StorageFull => {
                    "the drive is full, which a boot loader's is not: delete other files from it, or unplug the board and begin again"
                }
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    "mount it so that you may write to it, or run this as a user who may"
                }
                _ => {
                    "was the board unplugged? Plug it in again with BOOTSEL held, and run this again; nothing is lost"
                }
            };
            Failure::new(format!(
                "copying to {} stopped after {} of {} bytes: {e}; {remedy}",
                path.display(),
                grouped(done),
                grouped(image.len())
            ))
        };
        let mut file = std::fs::File::create(path).map_err(|e| fail(0, e))?;
        let mut bar = ui.bar("copying", image.len() as u64);
        let mut done = 0;
        for portion in image.chunks(PORTION) {
            if stop.is_asked() {
                return Err(Failure::stopped(
                    "stopped; the board has a part of the firmware, run this again to finish it",
                ));
            }
            let written = file.write_all(portion).and_then(|()| file.sync_data());
            let last = done + portion.len() == image.len();
            match written {
                Err(e) if !(last && self.is_gone(e.kind())) => return Err(fail(done, e)),
                Ok(()) | Err(_) => {}
            }
            done += portion.len();
            bar.at(done as u64, || "bytes".into());
        }
        bar.finish();
        Ok(())
    }

    /// Whether the board has left its boot loader, and an error of that kind is no wonder.
    fn is_gone(&self, kind: ErrorKind) -> bool {
        let own =
            matches!(kind, ErrorKind::StorageFull | ErrorKind::PermissionDenied | ErrorKind::InvalidInput);
        !own && !self.path.join(INFO).is_file()
    }
}

/// The board's id in the text of the boot loader's file.
fn board_id(info: &str) -> Option<&str> {
    info.lines().find_map(|l| l.strip_prefix("Board-ID:")).map(str::trim)
}

/// Where this system mounts such drives.
fn candidates() -> Vec<PathBuf> {
    if cfg!(windows) {
        return (b'A'..=b'Z').map(|letter| PathBuf::from(format!("{}:\\", letter as char))).collect();
    }
    if cfg!(target_os = "macos") {
        // A second drive of the same label gets a number.
        return inside("/Volumes").into_iter().filter(|p| labelled(p)).collect();
    }
    let mut places: Vec<PathBuf> = ["/media", "/run/media"]
        .iter()
        .flat_map(|d| [inside(d), inside(d).iter().flat_map(inside).collect()])
        .flatten()
        .collect();
    places.retain(|p| labelled(p));
    // Wherever it is mounted by hand: the boot loader's drive is FAT.
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    places.extend(mounts.lines().filter_map(mounted_fat));
    places
}

/// The mount point of a line of /proc/mounts, if its file system is FAT. Blanks are written as octal escapes there.
fn mounted_fat(line: &str) -> Option<PathBuf> {
    let mut words = line.split(' ').skip(1);
    let (place, kind) = (words.next()?, words.next()?);
    matches!(kind, "vfat" | "msdos")
        .then(|| place.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\").into())
}

fn inside(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|f| f.path()).collect()
}

fn labelled(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(LABEL))
}

/// An error when a board is plugged in whose drive the system has not mounted.
fn unmounted() -> Result<Option<Drive>> {
    let device = Path::new("/dev/disk/by-label").join(LABEL);
    if !device.exists() {
        return Ok(None);
    }
    Err(Failure::new(format!(
        "a board is in its boot loader, and its drive is not mounted: udisksctl mount -b {0}; or as root: mount {0} /mnt, and --drive /mnt",
        device.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_id_is_found_in_what_boot_loaders_say() {
        let rp2 = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n";
        assert_eq!(board_id(rp2), Some("RPI-RP2"));
        assert_eq!(
            board_id("UF2 Bootloader v1.0\nModel: Raspberry Pi RP2350\nBoard-ID: RP2350\n"),
            Some("RP2350")
        );
        assert_eq!(board_id("nothing"), None);
    }

    #[test]
    fn mounted_drives_are_those_of_fat() {
        assert_eq!(
            mounted_fat("/dev/sda1 /mnt/my\\040pico vfat rw,relatime 0 0"),
            Some("/mnt/my pico".into())
        );
        assert_eq!(mounted_fat("/dev/sda2 / ext4 rw 0 0"), None);
        assert_eq!(mounted_fat(""), None);
    }
}
