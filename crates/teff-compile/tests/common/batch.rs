//! Many networks in one C program that reads inputs from a file and writes outputs to another, every buffer between guard bytes.

use super::c::{STRICT, Scratch, c_type, run, text};
use std::collections::HashMap;
use std::fmt::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use teff_compile::{Program, c};
use teff_graph::{DType, Value};

/// A network and the inputs it runs on.
pub struct Net {
    /// Its name is that of no other network in the batch.
    pub program: Program,
    pub inputs: Vec<Value>,
}

/// A compiler and how it is called.
#[derive(Clone, Copy)]
pub struct Compiler<'a> {
    pub name: &'a str,
    pub flags: &'a [&'a str],
    pub arena: c::ArenaOwner,
}

/// What each network gives, or what went wrong: a warning, a crash, a sanitizer's report, a byte written outside, no end.
pub fn outputs(nets: &[Net], compiler: Compiler) -> Vec<Result<Vec<Value>, String>> {
    let scratch = Scratch::new();
    let inputs: Vec<u8> = nets.iter().flat_map(|n| &n.inputs).flat_map(Value::to_le_bytes).collect();
    std::fs::write(scratch.0.join("inputs"), inputs).unwrap();
    write_sources(&scratch, nets, compiler.arena);
    let mut command = Command::new(compiler.name);
    command.args(STRICT).args(compiler.flags).args(["-pipe", "-o", "run", "main.c", "-lm"]);
    let built = run(&scratch.0, &mut command);
    if !built.status.success() {
        return match nets {
            [_] => vec![Err(text(&built))],
            // The others of the batch are none the worse for it.
            _ => nets.chunks(nets.len().div_ceil(2)).flat_map(|half| outputs(half, compiler)).collect(),
        };
    }
    run_all(&scratch.0, nets)
}

/// One translation unit with every network's text, which takes half as long to compile as many, and those of the same text once. It is
/// not included: in what is, clang does not miss the users of a function. What a network defines for itself gets the network's name in
/// front, so that two may use a name.
fn write_sources(scratch: &Scratch, nets: &[Net], arena: c::ArenaOwner) {
    let mut main = String::from(HARNESS);
    let mut written: HashMap<String, &str> = HashMap::new();
    let mut called = Vec::new();
    for net in nets {
        let name = &*net.program.name;
        let files = c::print(&net.program, &c::Options { arena, ..Default::default() });
        let unnamed = files.source.replace(name, "net");
        called.push(*written.entry(unnamed).or_insert(name));
        if called.last() != Some(&name) {
            continue;
        }
        let own = own_names(&files.source);
        scratch.write(&format!("{name}.h"), &files.header);
        own.iter().for_each(|n| main += &format!("#define {n} {name}_own_{n}\n"));
        main += &files.source;
        own.iter().for_each(|n| main += &format!("#undef {n}\n"));
        main += &wrapper(net, arena);
    }
    main += &table(nets, &called);
    scratch.write("main.c", &main);
}

/// Names of static functions and objects.
fn own_names(source: &str) -> Vec<&str> {
    let statics = source.lines().filter(|l| l.starts_with("static ") && !l.starts_with("static union"));
    let mut names: Vec<&str> = statics
        .filter_map(|l| l.split(['(', '[']).next()?.rsplit([' ', '*']).next())
        .chain(source.contains("\n} arena;").then_some("arena"))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Runs the program, again from the next network on when one ends it.
fn run_all(dir: &Path, nets: &[Net]) -> Vec<Result<Vec<Value>, String>> {
    let mut results = Vec::new();
    while results.len() < nets.len() {
        let ran = run(dir, Command::new("./run").arg(results.len().to_string()));
        let bytes = std::fs::read(dir.join("outputs")).unwrap_or_default();
        let mut rest = &bytes[..];
        let before = results.len();
        for net in &nets[before..] {
            let Some(result) = result(net, &mut rest) else { break };
            results.push(result);
        }
        if ran.status.success() && results.len() == nets.len() {
            break;
        }
        // What ended the program is the network that follows the last that was written, or, after the last, a leak.
        let said: String = text(&ran).chars().take(2000).collect();
        let why = match ran.status.signal() {
            Some(14) => "did not end within 20 s".into(),
            _ => format!("{}\n{said}", ran.status),
        };
        match results.len() < nets.len() {
            true => results.push(Err(why)),
            false => *results.last_mut().expect("no batch is empty") = Err(why),
        }
    }
    results
}

/// The next network's status byte and outputs; `None` when they are not all there.
fn result(net: &Net, rest: &mut &[u8]) -> Option<Result<Vec<Value>, String>> {
    let (&status, mut at) = rest.split_first()?;
    let mut values = Vec::new();
    for port in &net.program.outputs {
        let (bytes, after) = at.split_at_checked(port.ty.bytes())?;
        at = after;
        let is_element = port.ty.dtype != DType::Bool || bytes.iter().all(|&b| b <= 1);
        values.push(Value::from_le_bytes(&port.ty, bytes).filter(|_| is_element));
    }
    *rest = at;
    if status != 0 {
        return Some(Err(format!("wrote outside buffer {}", status - 1)));
    }
    match values.into_iter().collect() {
        Some(values) => Some(Ok(values)),
        None => Some(Err("an output holds bytes that are no element of its type".into())),
    }
}

/// `static void call_NAME(void **b)`, which gives the buffers their types.
fn wrapper(net: &Net, arena: c::ArenaOwner) -> String {
    let name = &net.program.name;
    let ports = net.program.inputs.iter().chain(&net.program.outputs);
    let mut arguments: Vec<String> =
        ports.enumerate().map(|(i, p)| format!("({} *)b[{i}]", c_type(p.ty.dtype))).collect();
    if arena == c::ArenaOwner::Caller {
        arguments.push(format!("b[{}]", arguments.len()));
    }
    let unused = if arguments.is_empty() { "    (void)b;\n" } else { "" };
    format!("static void call_{name}(void **b)\n{{\n{unused}    {name}({});\n}}\n", arguments.join(", "))
}

/// The table of networks: the function `called`, number of inputs, number of buffers, their sizes in bytes, the arena last.
fn table(nets: &[Net], called: &[&str]) -> String {
    let mut sizes = String::new();
    let mut rows = String::new();
    for (net, called) in nets.iter().zip(called) {
        let (p, name) = (&net.program, &net.program.name);
        let mut bytes: Vec<String> =
            p.inputs.iter().chain(&p.outputs).map(|p| p.ty.bytes().to_string()).collect();
        bytes.push(p.arena.bytes.to_string());
        let _ = writeln!(sizes, "static const size_t sizes_{name}[] = {{ {} }};", bytes.join(", "));
        let _ = writeln!(
            rows,
            "    {{ call_{called}, {}, {}, sizes_{name} }},",
            p.inputs.len(),
            p.inputs.len() + p.outputs.len()
        );
    }
    format!("{sizes}\nstatic const struct net nets[] = {{\n{rows}}};\n{MAIN}")
}

const HARNESS: &str = r#"#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

/* Bytes kept free before and behind every buffer. */
enum { GUARD = 64, GUARDING = 0xa5, MOST_BUFFERS = 256 };

struct net {
    void (*call)(void **b);
    size_t inputs, buffers;
    const size_t *sizes;
};

static unsigned char *guarded(size_t size)
{
    unsigned char *all = malloc(size + 2 * GUARD);
    if (all == NULL) {
        abort();
    }
    memset(all, GUARDING, size + 2 * GUARD);
    /* What is read before it is written is NaN, and no bool. */
    memset(all + GUARD, 0xff, size);
    ASAN_POISON_MEMORY_REGION(all, GUARD);
    ASAN_POISON_MEMORY_REGION(all + GUARD + size, GUARD);
    return all + GUARD;
}

static int is_whole(unsigned char *at, size_t size)
{
    int whole = 1;
    ASAN_UNPOISON_MEMORY_REGION(at - GUARD, GUARD);
    ASAN_UNPOISON_MEMORY_REGION(at + size, GUARD);
    for (size_t i = 0; i < GUARD; i++) {
        whole = whole && at[-1 - (ptrdiff_t)i] == GUARDING && at[size + i] == GUARDING;
    }
    return whole;
}

"#;

const MAIN: &str = r#"
static void run(const struct net *net, FILE *in, FILE *out)
{
    void *b[MOST_BUFFERS + 1];
    int status = 0;
    for (size_t i = 0; i <= net->buffers; i++) {
        b[i] = guarded(net->sizes[i]);
        if (i < net->inputs && fread(b[i], 1, net->sizes[i], in) != net->sizes[i]) {
            abort();
        }
    }
    alarm(20);
    net->call(b);
    alarm(0);
    for (size_t i = 0; i <= net->buffers; i++) {
        if (!is_whole(b[i], net->sizes[i]) && status == 0) {
            status = 1 + (int)i;
        }
    }
    fputc(status, out);
    for (size_t i = net->inputs; i < net->buffers; i++) {
        fwrite(b[i], 1, net->sizes[i], out);
    }
    fflush(out);
    for (size_t i = 0; i <= net->buffers; i++) {
        free((unsigned char *)b[i] - GUARD);
    }
}

int main(int count, char **arguments)
{
    const size_t first = count > 1 ? strtoul(arguments[1], NULL, 10) : 0;
    FILE *in = fopen("inputs", "rb"), *out = fopen("outputs", "wb");
    if (in == NULL || out == NULL) {
        return 1;
    }
    for (size_t n = 0; n < sizeof nets / sizeof nets[0]; n++) {
        if (n >= first) {
            run(&nets[n], in, out);
            continue;
        }
        for (size_t i = 0; i < nets[n].inputs; i++) {
            fseek(in, (long)nets[n].sizes[i], SEEK_CUR);
        }
    }
    fclose(in);
    return fclose(out);
}
"#;
