//! A migration that is added changes no file the compiler reads: cargo has to be told.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
