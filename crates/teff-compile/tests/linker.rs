//! What the budget says is what the linker counts, to the byte, for a Cortex-M0+.

mod common;

use common::Rng;
use common::c::{STRICT, Scratch, has, run};
use common::nets::{cnn, graph, mlp};
use std::process::Command;
use teff_compile::{Budget, Options, Target, c, compile};
use teff_graph::{DType, Tensor};

/// Bytes of all symbols of the object file whose type letter, as nm prints it, is one of `kinds`.
fn symbols(scratch: &Scratch, object: &str, kinds: &str) -> usize {
    let listed = run(&scratch.0, Command::new("arm-none-eabi-nm").args(["-S", object]));
    assert!(listed.status.success());
    let text = String::from_utf8(listed.stdout).unwrap();
    let sizes = text.lines().filter_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [_, size, kind, _] if kinds.contains(kind) => usize::from_str_radix(size, 16).ok(),
        _ => None,
    });
    sizes.sum()
}

#[test]
fn flash_and_ram_are_those_of_the_object_file() {
    if !has("arm-none-eabi-gcc") || !has("arm-none-eabi-size") {
        return;
    }
    let rng = &mut Rng(1);
    for (name, (x, y)) in [("mlp", mlp(rng)), ("cnn", cnn(rng)), ("mixed", mixed())] {
        for target in Target::ALL {
            // The weights are the same bytes in another order; compiling a megabyte of them twice shows nothing new.
            if name == "mlp" && target != Target::CORTEX_M0PLUS {
                continue;
            }
            let g = graph(&x, &y);
            let program = compile(&g, &Options { name: name.into(), target, ..Options::default() }).unwrap();
            let budget = Budget::new(&program, &target);
            let files = c::print(&program, &c::Options::default());
            let scratch = Scratch::new();
            scratch.write(&format!("{name}.c"), &files.source);
            scratch.write(&format!("{name}.h"), &files.header);
            let mut gcc = Command::new("arm-none-eabi-gcc");
            gcc.args(STRICT).args(["-mcpu=cortex-m0plus", "-mthumb", "-O2", "-ffreestanding", "-c"]);
            let built = run(&scratch.0, gcc.arg(format!("{name}.c")));
            let said = String::from_utf8_lossy(&built.stderr).into_owned();
            // A compiler without a C library lacks the headers of the arithmetic that only `mixed` uses.
            if said.contains("math.h: No such file") {
                println!("skipped {name}: arm-none-eabi-gcc has no C library");
                continue;
            }
            assert!(built.status.success(), "{said}");
            let object = format!("{name}.o");
            assert_eq!(symbols(&scratch, &object, "rR"), budget.flash_weights, "{name} {}", target.name);
            assert_eq!(symbols(&scratch, &object, "bB"), budget.ram_arena, "{name} {}", target.name);
            assert_eq!(symbols(&scratch, &object, "dD"), 0, "initialised data would take both");
            let size = run(&scratch.0, Command::new("arm-none-eabi-size").arg(&object));
            println!(
                "{name} for {}: budget {} + {}\n{}",
                target.name,
                budget.flash_weights,
                budget.ram_arena,
                String::from_utf8_lossy(&size.stdout)
            );
        }
    }
}

/// Buffers of several element types, which C keeps apart.
fn mixed() -> (Tensor, Tensor) {
    let x = Tensor::input("x", DType::F32, &[3, 7]);
    let order = x.argsort(1, false);
    let sorted = x.take_along(&order, 1);
    let flags = sorted.less(&x).cast(DType::I16).sum(&[0]);
    let y = sorted.sum(&[0]) * flags.cast(DType::F32);
    (x, y)
}
