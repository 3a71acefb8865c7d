#![allow(unused)]

use palisade_sdk::plugin;

pub struct Opaque;

pub struct Greeter;

#[plugin]
impl Greeter {
    #[command]
    pub fn input(&self, input: Opaque) {}

    #[command]
    pub fn output(&self) -> Opaque {
        Opaque
    }

    #[command]
    pub fn error(&self) -> Result<(), Opaque> {
        Ok(())
    }
}

fn main() {}
