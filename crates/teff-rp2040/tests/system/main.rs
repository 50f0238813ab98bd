//! The system control space, special registers, priorities and returns of a core, driven from outside an instruction at a time.
//! What is expected is the text of the ARMv6-M Architecture (Arm DDI 0419): sections are named where they are used.

#[path = "../common/mod.rs"]
mod common;
mod exceptions;
mod machine;
mod registers;
mod sleep;
