//! What is installed around teff: that the packages exist, that the set-up runs unattended and once, and that the container calls it.

#![cfg(unix)] // Stand-ins are shell scripts.

mod common;

use common::Folder;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(repository(name)).unwrap()
}

/// The Debian packages that a script names: in lists `name=(a b)` and `name+=(a b)`, or behind `apt-get install`.
fn packages(script: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in script.lines().filter(|l| !l.trim_start().starts_with('#')) {
        let behind_install =
            line.split("apt-get install").nth(1).map(|rest| rest.split(['&', ';', '|', '>']).next().unwrap());
        let list = line.split_once("=(").and_then(|(_, rest)| rest.split(')').next());
        let words = behind_install.into_iter().chain(list).flat_map(str::split_whitespace);
        let plain = |w: &&str| {
            w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c))
                && !w.starts_with('-')
        };
        found.extend(words.filter(plain).map(String::from));
    }
    found
}

#[test]
fn every_debian_package_that_is_named_exists() {
    let files = ["Dockerfile", "scripts/setup-embedded", "scripts/setup-oracles"];
    let named: BTreeSet<String> = files.iter().flat_map(|f| packages(&text(f))).collect();
    for known in ["gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "clang"] {
        assert!(named.contains(known), "{known} is not seen in {named:?}");
    }
    if !std::fs::read_to_string("/etc/os-release").unwrap_or_default().contains("VERSION_CODENAME=bookworm") {
        println!("skipped: this is not Debian 12, which the packages are of");
        return;
    }
    // Lines of `name | version | source`.
    let out = Command::new("apt-cache").arg("madison").args(&named).arg("bash").output().unwrap();
    let listed = String::from_utf8_lossy(&out.stdout).into_owned();
    let listed: BTreeSet<&str> = listed.lines().filter_map(|l| l.split('|').next()).map(str::trim).collect();
    if !listed.contains("bash") {
        println!("skipped: apt-cache has no lists; apt-get update fetches them");
        return;
    }
    let missing: Vec<&String> = named.iter().filter(|n| !listed.contains(&***n)).collect();
    assert!(missing.is_empty(), "Debian 12 has no packages {missing:?}");
}

#[test]
fn the_container_is_three_commands_and_the_same_set_up() {
    let file = text("Dockerfile");
    let commands: Vec<&str> = file
        .lines()
        .filter(|l| l.starts_with(|c: char| c.is_ascii_uppercase()))
        .filter_map(|l| l.split(' ').next())
        .collect();
    assert_eq!(commands, ["FROM", "COPY", "RUN"]);
    for script in ["scripts/setup-embedded", "scripts/setup-oracles"] {
        assert!(file.contains(script), "the Dockerfile calls {script}");
        assert!(text("teff").contains(script) || text("scripts/test").contains(script), "so does ./teff");
        let mode = std::fs::metadata(repository(script)).unwrap().permissions().mode();
        assert_ne!(mode & 0o100, 0, "{script} is executable");
    }
    let json: serde_json::Value = serde_json::from_str(&text(".devcontainer/devcontainer.json")).unwrap();
    let named = json["build"]["dockerfile"].as_str().unwrap();
    assert!(repository(".devcontainer").join(named).is_file(), "{named}");
}

/// Runs the set-up with the programs of `folder`/bin before the others, nothing to read, and `id` saying root.
fn set_up(folder: &Folder) -> (Output, String) {
    let path = format!("{}:{}", folder.text("bin"), std::env::var("PATH").unwrap());
    let out = Command::new(repository("scripts/setup-embedded"))
        .env("PATH", path)
        .env("HOME", folder.path(""))
        .env_remove("RUSTC")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    (out, said)
}

#[test]
fn the_set_up_asks_nothing_installs_what_is_missing_and_then_is_silent() {
    let folder = Folder::new("setup");
    std::fs::create_dir(folder.path("bin")).unwrap();
    let tool = |name: &str, script: &str| {
        let file = folder.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let dir = folder.text("");
    tool("id", "echo 0");
    tool("rustc", &format!("case \"$*\" in *target-libdir*) echo {dir}/core ;; *) echo /nowhere ;; esac"));
    // Rustup cannot reach its servers; asking anything of its user would hang or fail.
    tool("rustup", &format!("echo rustup \"$@\" >>{dir}/calls; read x && exit 9; exit 1"));
    tool(
        "arm-none-eabi-gcc",
        &format!("if [ -e {dir}/newlib ]; then echo /lib/libc.a; else echo libc.a; fi"),
    );
    tool(
        "apt-get",
        &format!(
            "echo apt-get \"$@\" >>{dir}/calls; read x && exit 9; case \"$*\" in *libnewlib*) touch {dir}/newlib ;; esac; exit 0"
        ),
    );
    let calls = || std::fs::read_to_string(folder.path("calls")).unwrap_or_default();

    let (out, said) = set_up(&folder);
    assert!(
        said.contains("setup-embedded: installing gcc-arm-none-eabi libnewlib-arm-none-eabi\n"),
        "{said}"
    );
    assert!(
        calls().contains("install -q -y --no-install-recommends gcc-arm-none-eabi libnewlib-arm-none-eabi"),
        "{}",
        calls()
    );
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(
        calls().starts_with(
            "rustup target add thumbv6m-none-eabi
"
        ),
        "{}",
        calls()
    );
    assert!(said.contains("missing: Rust's core library for thumbv6m-none-eabi"), "{said}");
    // With a core library of rustup's, all is there, and nothing is done or said.
    std::fs::create_dir(folder.path("core")).unwrap();
    folder.write("core/libcore-0.rlib", "");
    let before = calls();
    let (out, said) = set_up(&folder);
    assert_eq!((out.status.code(), &*said), (Some(0), ""));
    assert_eq!(calls(), before);
}
