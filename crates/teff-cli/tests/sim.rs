//! `teff sim`: what it runs, prints, writes, and how it ends.

mod common;

use common::{Folder, exists, fail, message, succeed, teff};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use teff_rp2040::board::{Timed, read_gif};

/// A program that comes with the simulator's tests.
fn corpus(name: &str) -> String {
    format!("{}/../teff-rp2040/tests/corpus/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The contents of a flash: a vector table, and Thumb code that starts behind it.
fn flash(code: &[u16]) -> Vec<u8> {
    let mut bytes = [0x2004_0000u32, 0x1000_0009].map(u32::to_le_bytes).concat();
    bytes.extend(code.iter().flat_map(|half| half.to_le_bytes()));
    bytes
}

/// The same as UF2 for the family `family`.
fn uf2(family: u32, code: &[u16]) -> Vec<u8> {
    let mut block = Vec::new();
    for word in [0x0a32_4655, 0x9e5d_5157, 0x2000, 0x1000_0000, 256, 0, 1, family] {
        block.extend(u32::to_le_bytes(word));
    }
    block.extend(flash(code));
    block.resize(508, 0);
    block.extend(0x0ab1_6f30u32.to_le_bytes());
    block
}

/// The number that follows `key` in a JSON text.
fn number(json: &str, key: &str) -> f64 {
    let at =
        json.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key} in {json}")) + key.len() + 3;
    json[at..].split([',', '}']).next().unwrap().parse().unwrap()
}

#[test]
fn a_program_talks_on_the_terminal_and_ends_with_its_own_status() {
    let folder = Folder::new("sim-hello");
    let input = folder.write("input", "abc xyz\n");
    let out = teff(&["sim", &corpus("hello.elf"), "--input", &input]).output().unwrap();
    assert_eq!(out.status.code(), Some(7), "the letters that it was sent");
    assert_eq!(String::from_utf8_lossy(&out.stdout), "hello from the RP2040\nABC XYZ\n");
    let notes = String::from_utf8_lossy(&out.stderr);
    assert!(notes.contains("ended with status 7 after 0.00") && notes.contains("now at 12.0 MHz"), "{notes}");
    assert!(!notes.contains("error"), "{notes}");

    let out = teff(&["sim", &corpus("hello.elf"), "--input", &input, "--json"]).output().unwrap();
    assert_eq!(out.status.code(), Some(7));
    let json = String::from_utf8(out.stdout).unwrap();
    assert!(
        json.contains(r#""ended":"exit""#) && json.contains(r#""uart0":"hello from the RP2040\nABC XYZ\n""#)
    );
    assert_eq!((number(&json, "status"), number(&json, "clock_hz")), (7.0, 12e6));
    assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));

    let log = folder.text("log");
    let out = teff(&["sim", &corpus("hello.elf"), "--input", &input, "--uart", &log, "-q"]).output().unwrap();
    assert_eq!((out.stdout.len(), out.stderr.len()), (0, 0));
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "hello from the RP2040\nABC XYZ\n");
    assert_eq!(folder.files(), ["input", "log"]);
}

#[test]
fn what_is_typed_reaches_a_program_that_polls_and_one_that_sleeps() {
    for program in ["hello.elf", "hello_sleep.elf"] {
        let mut child = teff(&["sim", &corpus(program), "--input", "-", "-q"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 22];
        child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        child.stdin.as_mut().unwrap().write_all(b"typed\n").unwrap();
        let out = child.wait_with_output().unwrap();
        assert_eq!((out.status.code(), &out.stdout[..]), (Some(5), &b"TYPED\n"[..]), "{program}");
    }
    let folder = Folder::new("sim-sleep");
    let input = folder.write("input", "four\n");
    let out = teff(&["sim", &corpus("hello_sleep.elf"), "--input", &input, "-q"]).output().unwrap();
    assert_eq!(out.status.code(), Some(4));
    // Nothing is typed, and nothing can be: it sleeps for good.
    let said = message(
        &teff(&["sim", &corpus("hello_sleep.elf"), "--input", "-"]).stdin(Stdio::null()).output().unwrap(),
        1,
    );
    assert!(said.starts_with("the program has come to rest after 0.0"), "{said}");
}

#[test]
fn a_run_ends_at_a_text_or_a_time() {
    let hello = corpus("hello.elf");
    let json = succeed(&["sim", &hello, "--until", "RP2040", "--json"]);
    assert!(json.contains(r#""ended":"printed""#));
    // 22 letters of 10 bits at 115200 baud.
    assert!((0.0019..0.005).contains(&number(&json, "seconds")), "{json}");
    let json = succeed(&["sim", &hello, "--seconds", "0.25", "--json"]);
    assert!(json.contains(r#""ended":"time""#) && (number(&json, "seconds") - 0.25).abs() < 1e-5, "{json}");
    let said = fail(&["sim", &hello, "--seconds", "0.1", "--until", "good-bye"], 1);
    assert!(said.starts_with("the time is over after 0.1000"), "{said}");
    assert!(said.contains("\"good-bye\" was not printed") && said.contains("(main+0x"), "{said}");
    // The crystal is the board's: twice as fast, the same program takes half the time.
    let json = succeed(&["sim", &hello, "--until", "RP2040", "--json", "--clock", "24"]);
    assert_eq!(number(&json, "clock_hz"), 24e6);
    assert!((0.0009..0.003).contains(&number(&json, "seconds")), "{json}");
}

#[test]
fn ctrl_c_ends_a_run_and_its_files_are_written() {
    let folder = Folder::new("sim-stop");
    let (lcd, log) = (folder.text("screen.png"), folder.text("log"));
    let child = teff(&["sim", &corpus("hello.elf"), "--lcd", &lcd, "--uart", &log])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let said = message(&child.wait_with_output().unwrap(), 130);
    assert!(said.starts_with("stopped after "), "{said}");
    assert_eq!(folder.files(), ["log", "screen.png"]);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "hello from the RP2040\n");
}

#[test]
fn the_display_becomes_a_picture_or_a_film() {
    let folder = Folder::new("sim-lcd");
    let (film, last) = (folder.text("a.GIF"), folder.text("a.png"));
    succeed(&["sim", &corpus("screen.elf"), "--lcd", &film, "-q"]);
    succeed(&["sim", &corpus("screen.elf"), "--lcd", &last, "-q"]);
    // Black, red and green, as grey levels, and some pictures in which one runs down over the other.
    let frames = read_gif(&std::fs::read(&film).unwrap()).unwrap();
    let whole = |level: u8| {
        let same = |(image, _): &&Timed| image.pixels.iter().all(|&p| p == level);
        frames.iter().find(same).map(|(image, shown)| (image.width, image.height, shown / 1_000_000))
    };
    assert!(whole(0).is_some_and(|(w, h, _)| (w, h) == (80, 160)));
    for level in [76, 150] {
        let shown = whole(level).unwrap_or_else(|| panic!("no picture all of {level}")).2;
        // 185 ms, seen every 50.
        assert!((100..260).contains(&shown), "{level} for {shown} ms");
    }
    assert!(frames.len() > 5 && frames[frames.len() - 1].0.pixels[0] == 150);
    let last = teff_data::Picture::open(last.as_ref()).unwrap();
    assert!(last.pixels.chunks_exact(3).all(|p| p[0] == 0 && p[1] > 250 && p[2] == 0));
    let said = fail(&["sim", &corpus("hello.elf"), "--lcd", &folder.text("a.jpg")], 1);
    assert!(said.contains(".png (a picture) or .gif (a film)"), "{said}");
    let said = fail(&["sim", &corpus("hello.elf"), "--lcd", &folder.text("b.png"), "--board", "pico"], 1);
    assert!(said.contains("this board has no display"), "{said}");
    assert!(!exists(folder.path("b.png")));
}

#[test]
fn pictures_for_the_camera_are_checked() {
    let folder = Folder::new("sim-camera");
    let hello = corpus("hello.elf");
    let camera = |path: &str, more: &[&str]| {
        let args = [&["sim", &hello, "--seconds", "0.01", "-q", "--camera", path][..], more].concat();
        teff(&args).output().unwrap()
    };
    assert!(message(&camera(&folder.text("none.png"), &[]), 1).starts_with("cannot read "));
    assert!(
        message(&camera(&folder.write("a.png", "no"), &[]), 1).contains("neither PNG nor JPEG, PGM or PPM")
    );
    assert!(
        message(&camera(&folder.write("b.pgm", "P5 9 9 255\n12"), &[]), 1)
            .contains("b.pgm: damaged: 9x9 pixels")
    );
    assert!(message(&camera(&folder.write("c.gif", "GIF89a\x01"), &[]), 1).contains("c.gif: picture: GIF: "));
    std::fs::create_dir(folder.path("empty")).unwrap();
    assert!(message(&camera(&folder.text("empty"), &[]), 1).contains("no picture in this folder"));
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-data/tests/data/halved.jpg");
    assert!(camera(&photo.display().to_string(), &[]).status.success());
    let good = folder.write("good.pgm", "P5 2 2 255\n0@PX");
    assert!(camera(&good, &[]).status.success());
    assert!(message(&camera(&good, &["--board", "pico"]), 1).contains("this board has no camera"));
    std::fs::create_dir(folder.path("two")).unwrap();
    for name in ["two/1.pgm", "two/2.PGM"] {
        folder.write(name, "P5 1 1 255\nx");
    }
    assert!(camera(&folder.text("two"), &["--camera-seconds", "0.5"]).status.success());
}

#[test]
fn recordings_for_the_sensors_are_checked() {
    let folder = Folder::new("sim-sensors");
    let run = |option: &str, path: &str, board: &str| {
        teff(&["sim", &corpus("hello.elf"), "--seconds", "0.01", "-q", option, path, "--board", board])
            .output()
            .unwrap()
    };
    let motion = folder.write("motion.csv", "t,ax,ay,az\n0,0,0,1\n1,0.5,0,0.5\n");
    assert!(run("--imu", &motion, "pico4ml").status.success());
    assert!(message(&run("--imu", &motion, "pico"), 1).contains("--imu: this board has no motion sensor"));
    let said = message(&run("--imu", &folder.write("bad.csv", "0,1\n"), "pico4ml"), 1);
    assert!(said.contains("bad.csv: recording, line 1: not 4, 7 or 10 numbers"), "{said}");
    let said = message(&run("--microphone", &motion, "pico4ml"), 1);
    assert!(said.contains("motion.csv: recording: WAV: the file does not begin with RIFF"), "{said}");
}

#[test]
fn a_profile_names_functions_and_a_trace_is_the_same_each_time() {
    let folder = Folder::new("sim-profile");
    let busy = corpus("busy2.elf");
    let run = |more: &[&str]| {
        succeed(&[&["sim", &busy, "--seconds", "0.05", "-q", "--keep-going"][..], more].concat());
    };
    run(&["--profile", &folder.text("all")]);
    run(&["--profile", &folder.text("one.svg")]);
    assert_eq!(folder.files(), ["all.folded", "all.svg", "all.txt", "one.svg"]);
    let text = std::fs::read_to_string(folder.path("all.txt")).unwrap();
    assert!(text.contains("core 1: ") && text.contains("flash stall") && text.contains("  work"), "{text}");
    let folded = std::fs::read_to_string(folder.path("all.folded")).unwrap();
    assert!(folded.contains("core 0;reset;main;work.constprop.0;[flash stall] "), "{folded}");
    assert!(std::fs::read_to_string(folder.path("one.svg")).unwrap().starts_with("<svg "));

    let (a, b) = (folder.text("a.trace"), folder.text("b.trace"));
    run(&["--trace", &a, "--trace-lines", "5000"]);
    run(&["--trace", &b, "--trace-lines", "5000"]);
    let trace = std::fs::read_to_string(&a).unwrap();
    assert_eq!(trace.lines().count(), 5000);
    assert!(trace.contains(" core0 ") && trace.contains(" main+0x"), "{}", &trace[..400]);
    assert!(trace == std::fs::read_to_string(&b).unwrap());
    assert!(fail(&["sim", &busy, "--trace", "a", "--profile", "b"], 2).contains("cannot be used with"));
}

#[test]
fn gdb_can_attach_stop_and_let_go() {
    let port = 40_000 + (std::process::id() % 20_000) as u16;
    let child =
        teff(&["sim", &corpus("hello.elf"), "--gdb", &port.to_string(), "--until", "RP2040", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
    let mut gdb = (0..100)
        .find_map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .expect("the command listens");
    let mut ask = |packet: &str| {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        write!(gdb, "${packet}#{sum:02x}").unwrap();
        let (mut reply, mut byte) = (String::new(), [0]);
        while !reply.contains('#') {
            gdb.read_exact(&mut byte).unwrap();
            reply.push(char::from(byte[0]));
        }
        gdb.read_exact(&mut [0; 2]).unwrap();
        reply
    };
    assert!(ask("m10000000,4").contains("$00200420#"), "the stack pointer of the vector table");
    assert!(ask("D").contains("OK"));
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    assert!(String::from_utf8_lossy(&out.stdout).contains(r#""ended":"printed""#));
}

#[test]
fn boards_are_names_or_files() {
    let folder = Folder::new("sim-board");
    let board = |name: &str| {
        teff(&["sim", &corpus("hello.elf"), "--seconds", "0.01", "--board", name]).output().unwrap()
    };
    let said = message(&board("arduino"), 1);
    assert!(said.contains("called \"arduino\"; the boards are pico4ml, pico, bare"), "{said}");
    assert!(
        board(&folder.write("good", "name = mine\nflash = 4194304\ncrystal = 12000000\n")).status.success()
    );
    let said = message(&board(&folder.write("bad", "led = 77\n")), 1);
    assert!(said.contains("bad: board description, line 1: led must be a whole number below 30"), "{said}");
}

#[test]
fn files_for_another_chip_or_cut_short_are_refused() {
    let folder = Folder::new("sim-files");
    let sim = |name: &str, bytes: &[u8]| {
        let said = fail(&["sim", &folder.write(name, bytes)], 1);
        assert!(said.contains(name) && !said.contains('\n'), "{said}");
        said
    };
    let mut elf = std::fs::read(corpus("hello.elf")).unwrap();
    assert!(sim("cut.elf", &elf[..elf.len() / 2]).contains("the file ends inside "));
    elf[18] = 243;
    assert!(sim("riscv.elf", &elf).contains("an ELF file for RISC-V"));
    let other = sim("pico2.uf2", &uf2(0xe48b_ff59, &[0xe7fe]));
    assert!(other.contains("is for family 0xe48bff59 (RP2350 Arm), not for the RP2040"), "{other}");
    assert!(sim("cut.uf2", &uf2(0xe48b_ff56, &[0xe7fe])[..300]).contains("512 bytes needed, 300 left"));
    assert!(
        sim("notes.txt", b"buy milk, bread and cheese\n")
            .contains("not an ELF, UF2, Intel HEX or raw flash image")
    );
    assert!(sim("empty.bin", b"").contains("is an empty file"));
    assert!(sim("zero.bin", &[0; 512]).contains("no program to start"));
    assert!(fail(&["sim", &folder.text("none.elf")], 1).starts_with("cannot read "));
}

#[test]
fn programs_that_go_wrong_are_told_where() {
    let folder = Folder::new("sim-faults");
    let sim = |name: &str, code: &[u16], more: &[&str]| {
        let file = folder.write(name, uf2(0xe48b_ff56, code));
        fail(&[&["sim", &file][..], more].concat(), 1)
    };
    // movs r0, #3; lsls r0, #28; adds r0, #1; bx r0
    let nowhere = [0x2003, 0x0700, 0x3001, 0x4700];
    let said = sim("nowhere.uf2", &nowhere, &[]);
    assert!(said.starts_with("core 0 took a hard fault after 0.0"), "{said}");
    assert!(said.contains("instruction fetch from 0x30000000, where there is no code"), "{said}");
    // With the program's own handler, of which there is none, the core locks up.
    let said = sim("lockup.uf2", &nowhere, &["--keep-going"]);
    assert!(said.starts_with("core 0 is locked up after ") && said.contains("0x30000000"), "{said}");
    assert!(
        said.contains("\n  core 0: locked up at ") && said.contains("\n  core 1: asleep in WFE"),
        "{said}"
    );
    assert!(sim("bkpt.uf2", &[0xbe2a], &[]).contains("BKPT #42 without a debugger at 0x10000008"));
    let json = teff(&["sim", &folder.text("bkpt.uf2"), "--json"]).output().unwrap();
    assert_eq!(json.status.code(), Some(1));
    let json = String::from_utf8(json.stdout).unwrap();
    assert!(
        json.contains(r#""ended":"fault""#) && json.contains(r#""error":"core 0 took a hard fault"#),
        "{json}"
    );
    assert_eq!(json.lines().count(), 1);
}

#[test]
fn stores_to_the_rom_do_nothing_but_are_told() {
    let folder = Folder::new("sim-rom");
    // movs r0, #16; str r0, [r0]; then exit by semihosting with status 0: r0 = 0x18, r1 = 0x20026.
    let code = [0x2010, 0x6000, 0x2018, 0x4900, 0xbeab, 0xbf00, 0x0026, 0x0002];
    let mut bytes = flash(&code);
    bytes[8 + 6] = 0x01; // ldr r1, [pc, #4]
    let out = teff(&["sim", &folder.write("rom.bin", bytes)]).output().unwrap();
    let notes = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{notes}");
    assert!(
        notes.contains("stores to the boot ROM: 1, the first to 0x00000010: ignored as on the chip"),
        "{notes}"
    );
}

#[test]
fn both_cores_dead_locked_is_an_end_that_says_where_each_stands() {
    for more in [&[][..], &["--seconds", "60"]] {
        let said = fail(&[&["sim", &corpus("dead_lock.elf"), "-q"][..], more].concat(), 1);
        assert!(said.starts_with("dead-lock after 0.1"), "{said}");
        assert!(said.contains("\n  core 0: running at ") && said.contains("(main+0x"), "{said}");
        assert!(said.contains("\n  core 1: running at ") && said.contains("(core1+0x"), "{said}");
    }
    let folder = Folder::new("sim-rest");
    // One core at rest has done its work when it was to run for a time, and hangs when not.
    let rest = folder.write("rest.bin", flash(&[0xbf20, 0xe7fd]));
    let json = succeed(&["sim", &rest, "--seconds", "5", "--json"]);
    assert!(json.contains(r#""ended":"stuck""#), "{json}");
    assert!(fail(&["sim", &rest], 1).starts_with("the program has come to rest after "));
    assert!(fail(&["sim", &rest, "--seconds", "5", "--until", "x"], 1).contains("\"x\" was not printed"));
}

#[test]
fn a_trace_that_fills_the_disk_ends_the_run() {
    if !exists("/dev/full") {
        eprintln!("skipped: this system has no /dev/full");
        return;
    }
    let said =
        fail(&["sim", &corpus("busy2.elf"), "--trace", "/dev/full", "--seconds", "1", "--keep-going"], 1);
    assert!(
        said.starts_with("cannot write /dev/full: No space left") && said.contains("make room"),
        "{said}"
    );
}

#[test]
fn places_that_cannot_be_written_are_refused_before_the_run() {
    let folder = Folder::new("sim-places");
    for option in ["--lcd", "--profile", "--trace", "--uart"] {
        let said = fail(&["sim", &corpus("hello.elf"), option, &folder.text("no/where.png")], 1);
        assert!(said.starts_with("cannot write ") && said.contains("where.png"), "{said}");
    }
    assert!(folder.files().is_empty());
    for option in ["--lcd", "--profile", "--trace", "--uart"] {
        let said = fail(&["sim", &corpus("hello.elf"), option, &folder.text("")], 1);
        assert!(said.contains("it is a folder; name a file in it"), "{option}: {said}");
    }
    assert!(folder.files().is_empty());
    assert!(fail(&["sim", &corpus("hello.elf"), "--seconds", "-1"], 2).contains("a number above 0"));
    assert!(fail(&["sim", &corpus("hello.elf"), "--gdb", "0"], 2).contains("--gdb"));
}

#[test]
fn faults_happen_at_their_time() {
    let screen = corpus("screen.elf");
    let whole = succeed(&["sim", &screen, "--json"]);
    let none = succeed(&["sim", &screen, "--json", "--fault", "display-unplugged"]);
    assert_eq!(number(&none, "cycles"), number(&whole, "cycles"));
    assert_eq!(number(&none, "lcd_pixels"), 0.0);
    let half = format!("display-unplugged@{}", number(&whole, "seconds") / 2.0);
    let pixels = number(&succeed(&["sim", &screen, "--json", "--fault", &half]), "lcd_pixels");
    assert_eq!(pixels, 0.0, "the display that is gone counts no more");
    let back = succeed(&["sim", &screen, "--json", "--fault", &half, "--fault", "repair@1000"]);
    assert_eq!(number(&back, "cycles"), number(&whole, "cycles"));

    for (fault, wanted) in [
        ("flood", "the faults are camera-unplugged, "),
        ("short-frame:1", "short-frame:FRAME:LINES[:BYTES]"),
        ("camera-stops@soon", "not a number of seconds"),
    ] {
        let said = fail(&["sim", &screen, "--fault", fault], 2);
        assert!(said.contains(wanted), "{said}");
    }
    let said = fail(&["sim", &screen, "--board", "pico", "--fault", "camera-stops"], 1);
    assert!(said.contains("--fault: this board has no camera"), "{said}");
}
