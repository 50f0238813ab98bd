//! Layers of 8-bit numbers on machines with one 32-bit multiplier: operands packed into words, several to one (SIMD within a register).
//!
//! `lanes` says what a word holds; `conv`, `depthwise` and `dense` are the loops around the micro-kernels of such machines, `gather` puts
//! the words of a convolution together.

mod conv;
mod dense;
mod depthwise;
mod gather;
mod lanes;
