//! The C decoders give what the Rust ones give: on every test picture, and on thousands of damaged ones, under sanitisers.

#[allow(dead_code)]
mod common;

use common::{decoded, pictures};
use std::io::Write;
use std::process::{Command, Stdio};
use teff_picture::{Colours, Format, Formats, Picture, c_source, memory};

const FLAGS: [&str; 8] =
    ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"];

/// Decodes records from standard input: sizes of file, height, width, colours, words, bytes, then the file. Gives a byte and pixels.
const MAIN: &str = r#"
static uint32_t number(void)
{
    uint8_t b[4];
    if (fread(b, 1, 4, stdin) != 4) {
        exit(0);
    }
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

int main(void)
{
    for (;;) {
        size_t size = number(), height = number(), width = number();
        int colours = (int)number();
        size_t words = number(), bytes = number();
        uint8_t *file = malloc(size ? size : 1);
        size_t count = height * width * (colours == PICTURE_GREY ? 1 : 3);
        uint8_t *pixels = malloc(count);
        int32_t *word = malloc(4 * words + 1);
        uint8_t *byte = malloc(bytes + 1);
        if (fread(file, 1, size, stdin) != size) {
            return 1;
        }
        memset(word, 0x55, 4 * words);
        memset(byte, 0xaa, bytes);
        memset(pixels, 7, count);
        putchar(picture_decode(file, size, height, width, colours, pixels, word, byte));
        fwrite(pixels, 1, count, stdout);
        free(file);
        free(pixels);
        free(word);
        free(byte);
    }
}
"#;

struct Case {
    about: String,
    file: Vec<u8>,
    height: usize,
    width: usize,
    colours: Colours,
}

/// Whole and damaged files. Equal from run to run.
fn cases(damaged: usize) -> Vec<Case> {
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut all = Vec::new();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut below = move |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % n
    };
    for p in pictures().iter().filter(|p| p.name.contains(&only)) {
        for colours in [Colours::Rgb, Colours::Bgr, Colours::Grey] {
            let (file, about) = (p.file.clone(), p.name.clone());
            all.push(Case { about, file, height: p.height, width: p.width, colours });
        }
        for n in 0..damaged {
            let mut file = p.file.clone();
            // Headers are short and matter most.
            let reach = if n % 2 == 0 { file.len() } else { file.len().min(256) };
            match n % 5 {
                0 => file.truncate(below(reach)),
                1 => drop(file.remove(below(reach))),
                _ => {
                    for _ in 0..=below(4) {
                        let at = below(reach);
                        file[at] = [file[at] ^ 1 << below(8), below(256) as u8, 0, 0xff][below(4)];
                    }
                }
            }
            let about = format!("{} damaged, number {n}", p.name);
            all.push(Case { about, file, height: p.height, width: p.width, colours: Colours::Rgb });
        }
    }
    all
}

fn has(compiler: &str) -> bool {
    let found = Command::new(compiler).arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        println!("skipped: {compiler} is not installed");
    }
    found
}

fn c_gives_what_rust_gives(compiler: &str, extra: &[&str], damaged: usize) {
    if !has(compiler) {
        return;
    }
    let dir = std::env::temp_dir().join(format!("teff-picture-{}-{compiler}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let source = format!(
        "#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n{}{MAIN}",
        c_source(Formats::ALL)
    );
    std::fs::write(dir.join("all.c"), source).unwrap();
    let mut built = Command::new(compiler);
    let built = built
        .args(FLAGS)
        .args(extra)
        .args(std::env::var("EXTRA_CFLAGS"))
        .args(["all.c", "-o", "all"])
        .current_dir(&dir)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let cases = cases(damaged);
    let mut input = Vec::new();
    for c in &cases {
        let (words, bytes) = memory(&Picture::new(c.height, c.width, c.colours));
        let colours =
            [Colours::Rgb, Colours::Bgr, Colours::Grey].iter().position(|x| *x == c.colours).unwrap();
        for n in [c.file.len(), c.height, c.width, colours, words, bytes] {
            input.extend((n as u32).to_le_bytes());
        }
        input.extend(&c.file);
    }
    let mut child = Command::new(dir.join("all"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let mut rest = &output.stdout[..];
    let mut decodable = 0;
    for c in &cases {
        let count = 1 + c.height * c.width * c.colours.channels();
        assert!(rest.len() >= count, "{}: {}", c.about, String::from_utf8_lossy(&output.stderr));
        let (ok, pixels) = decoded(&c.file, c.height, c.width, c.colours);
        assert!((rest[0] == 1, &rest[1..count]) == (ok, &pixels[..]), "{}: not what Rust gives", c.about);
        decodable += usize::from(ok);
        rest = &rest[count..];
    }
    println!("{compiler}: {} files, {decodable} of them decoded", cases.len());
    assert!(rest.is_empty() && output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn with_gcc_and_sanitisers() {
    let damaged = std::env::var("DAMAGED").map_or(200, |n| n.parse().unwrap());
    c_gives_what_rust_gives("gcc", &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"], damaged);
}

#[test]
fn with_clang() {
    c_gives_what_rust_gives("clang", &[], 20);
}

/// Networks are printed with the formats they want: no warning of what nothing uses, and the others refused.
#[test]
fn each_format_by_itself() {
    for compiler in ["gcc", "clang"].into_iter().filter(|c| has(c)) {
        let dir = std::env::temp_dir().join(format!("teff-picture-{}-one-{compiler}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for format in Format::ALL {
            let text = c_source(Formats::of(&[format]));
            let head = "#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n\nint use(uint8_t *p, int32_t *w);\n\n";
            let call = "\nint use(uint8_t *p, int32_t *w)\n{\n    return picture_decode(p, 9, 1, 1, 0, p + 9, w, p + 99);\n}\n";
            std::fs::write(dir.join("one.c"), format!("{head}{text}{call}")).unwrap();
            let mut built = Command::new(compiler);
            let built = built.args(FLAGS).args(["-c", "one.c"]).current_dir(&dir).output().unwrap();
            assert!(built.status.success(), "{format:?}: {}", String::from_utf8_lossy(&built.stderr));
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
