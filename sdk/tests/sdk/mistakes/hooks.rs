#![allow(unused)]

use palisade_sdk::{Host, plugin};

#[derive(Default)]
pub struct Greeter;

#[plugin]
impl Greeter {
    fn init(&mut self) {}

    fn on_event(&mut self) {}

    #[init]
    fn look(&self) {}

    #[init]
    fn make() {}

    #[init]
    fn set_up(&mut self, host: &Host) -> u8 {
        0
    }

    #[init]
    fn ask(name: String) -> Self {
        Self
    }

    #[cleanup]
    fn end(&mut self) -> u8 {
        0
    }

    #[cleanup(now)]
    fn end_now(&mut self) {}

    #[health]
    fn first(&self) {}

    #[health]
    fn second(&self) {}
}

fn main() {}
