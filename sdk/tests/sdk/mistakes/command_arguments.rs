#![allow(unused)]

use palisade_sdk::{Host, data, plugin};

#[derive(Default)]
pub struct Greeter;

#[data]
pub struct Input {
    name: String,
}

#[plugin]
impl Greeter {
    #[command]
    pub fn two_inputs(&self, host: &Host, first: u8, second: u8) {}

    #[command]
    pub fn host_last(&self, input: Input, host: &Host) {}

    #[command]
    pub fn exclusive_host(&self, host: &mut Host) {}

    #[command]
    pub fn borrowed_text(&self, input: &str) {}

    #[command]
    pub fn writable_input(&self, input: &mut [u8]) {}

    #[command]
    pub fn some_input(&self, input: impl Into<u8>) {}

    #[command]
    pub fn by_value(self) {}

    #[command]
    pub async fn later(&self) {}

    #[command]
    pub fn generic<T>(&self, input: T) {}

    #[command]
    pub fn unknown_result(&self) -> std::fmt::Result {
        Ok(())
    }
}

fn main() {}
