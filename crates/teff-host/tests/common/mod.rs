//! What the tests share.

#![allow(missing_docs, unreachable_pub)]

#[path = "../../../teff-graph/tests/random/mod.rs"]
pub mod random;
