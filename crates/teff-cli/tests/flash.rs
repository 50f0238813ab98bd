//! `teff flash`, with a folder for the drive of a board.

#![cfg(unix)] // Stand-ins are shell scripts, and a full drive is /dev/full.

mod common;

use common::{Folder, exists, message};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

const RP2040: u32 = 0xe48b_ff56;
const INFO: &str = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n";

/// A UF2 file of `blocks` blocks for `family`.
fn uf2(family: u32, blocks: u32) -> Vec<u8> {
    let mut file = Vec::new();
    for i in 0..blocks {
        let start = file.len();
        for word in [0x0a32_4655, 0x9e5d_5157, 0x2000, 0x1000_0000 + 256 * i, 256, i, blocks, family] {
            file.extend(u32::to_le_bytes(word));
        }
        file.resize(start + 508, i as u8);
        file.extend(0x0ab1_6f30u32.to_le_bytes());
    }
    file
}

/// A folder with a file to flash and the drive of a board.
fn board(name: &str) -> (Folder, String, String) {
    let folder = Folder::new(&format!("flash-{name}"));
    std::fs::create_dir(folder.path("RPI-RP2")).unwrap();
    std::fs::create_dir(folder.path("bin")).unwrap();
    folder.write("RPI-RP2/INFO_UF2.TXT", INFO);
    let (file, drive) = (folder.write("fw.uf2", uf2(RP2040, 300)), folder.text("RPI-RP2"));
    (folder, file, drive)
}

/// `teff flash` where no tool is installed but those in the folder's `bin`.
fn flash(folder: &Folder, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_teff"));
    command.arg("flash").args(args).env("PATH", folder.path("bin")).output().unwrap()
}

fn refused(folder: &Folder, args: &[&str], wanted: &[&str]) {
    let said = message(&flash(folder, args), 1);
    wanted.iter().for_each(|w| assert!(said.contains(w), "{w:?} is not in\n{said}"));
    assert!(!exists(folder.path("RPI-RP2/fw.uf2")), "nothing is copied");
}

#[test]
fn the_file_is_copied_whole() {
    let (folder, file, drive) = board("copied");
    let out = flash(&folder, &[&file, "--drive", &drive, "--json"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8_lossy(&out.stdout).contains("\"blocks\":300"));
    assert_eq!(std::fs::read(folder.path("RPI-RP2/fw.uf2")).unwrap(), uf2(RP2040, 300));
}

#[test]
fn an_elf_file_is_converted() {
    let (folder, _, drive) = board("elf");
    let elf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-rp2040/tests/corpus/hello.elf");
    let out = flash(&folder, &[&elf.display().to_string(), "--drive", &drive]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let copied =
        teff_rp2040::Image::parse(&std::fs::read(folder.path("RPI-RP2/hello.uf2")).unwrap()).unwrap();
    assert_eq!(copied.segments[0].0, 0x1000_0000);
}

#[test]
fn files_for_something_else_are_refused() {
    let (folder, _, drive) = board("files");
    let with = |name: &str, bytes: &[u8], wanted: &[&str]| {
        let file = folder.write(name, bytes);
        refused(&folder, &[&file, "--drive", &drive], wanted);
    };
    with("other.uf2", &uf2(0xe48b_ff59, 2), &["another chip", "0xe48bff59", "0xe48bff56"]);
    with("text.uf2", b"hello, this is text", &["neither UF2 nor ELF"]);
    with("empty.uf2", b"", &["is an empty file"]);
    with("cut.uf2", &uf2(RP2040, 3)[..1024], &["damaged", "announces 3 blocks but holds 2"]);
    with("torn.uf2", &uf2(RP2040, 3)[..1030], &["damaged", "ends inside a UF2 block at offset 0x400"]);
    refused(&folder, &[&folder.text("none.uf2"), "--drive", &drive], &["cannot read"]);
}

#[test]
fn drives_of_something_else_are_refused() {
    let (folder, file, drive) = board("drives");
    folder.write("RPI-RP2/INFO_UF2.TXT", INFO.replace("RPI-RP2", "RP2350"));
    refused(&folder, &[&file, "--drive", &drive], &["another board", "RP2350"]);
    std::fs::remove_file(folder.path("RPI-RP2/INFO_UF2.TXT")).unwrap();
    refused(&folder, &[&file, "--drive", &drive], &["has no INFO_UF2.TXT", "BOOTSEL"]);
    refused(&folder, &[&file, "--drive", &folder.text("nowhere")], &["nowhere is not the drive"]);
}

#[test]
fn a_full_drive_is_said() {
    if !exists("/dev/full") {
        println!("skipped: no /dev/full");
        return;
    }
    let (folder, file, drive) = board("full");
    symlink("/dev/full", folder.path("RPI-RP2/fw.uf2")).unwrap();
    refused(&folder, &[&file, "--drive", &drive], &["stopped after 0 of 153 600 bytes", "the drive is full"]);
}

#[test]
fn a_board_that_comes_later_is_waited_for() {
    let (folder, file, drive) = board("later");
    let info = folder.path("RPI-RP2/INFO_UF2.TXT");
    std::fs::remove_file(&info).unwrap();
    let plugged = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(400));
        std::fs::write(info, INFO).unwrap();
    });
    let out = flash(&folder, &[&file, "--drive", &drive, "--wait", "30"]);
    plugged.join().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8_lossy(&out.stderr).contains("waiting up to 30 s"));
    assert!(exists(folder.path("RPI-RP2/fw.uf2")));
}

/// Puts a program called `name` before the command.
fn tool(folder: &Folder, name: &str, text: &str) {
    let file = folder.write(&format!("bin/{name}"), format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn without_a_drive_the_tools_are_tried_and_then_the_way_is_told() {
    if exists("/dev/disk/by-label/RPI-RP2") {
        println!("skipped: a board is plugged in");
        return;
    }
    let (folder, file, _) = board("tools");
    refused(&folder, &[&file], &["no board is found", "BOOTSEL", "--wait 60"]);
    tool(&folder, "picotool", "echo 'No accessible RP2040 devices in BOOTSEL mode were found.'; exit 1");
    refused(&folder, &[&file], &["no board is found", "picotool says: No accessible RP2040"]);
    tool(&folder, "picotool", &format!("echo \"$@\" > {}", folder.text("said")));
    let out = flash(&folder, &[&file]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(std::fs::read_to_string(folder.path("said")).unwrap(), format!("load -x {file}\n"));
}
