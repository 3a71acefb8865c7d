#![allow(unused)]

use palisade_sdk::plugin;

#[derive(Default)]
pub struct Greeter;

#[plugin]
impl Greeter {
    #[command(idempotnet)]
    pub fn typo(&self) {}

    #[command(name = "two words")]
    pub fn spaced(&self) {}

    #[command(name = "")]
    pub fn nameless(&self) {}

    #[command(name = 5)]
    pub fn numbered(&self) {}

    #[command]
    pub fn first(&self) {}

    #[command(name = "first")]
    pub fn second(&self) {}

    #[cfg(unix)]
    #[command]
    pub fn sometimes(&self) {}

    #[command]
    #[health]
    pub fn both(&self) {}
}

fn main() {}
