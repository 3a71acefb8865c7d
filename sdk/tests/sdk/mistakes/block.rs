#![allow(unused)]

use palisade_sdk::plugin;

pub struct Greeter;

#[plugin]
impl Clone for Greeter {
    fn clone(&self) -> Self {
        Self
    }
}

pub struct Boxed<T>(T);

#[plugin]
impl<T> Boxed<T> {}

#[plugin]
pub struct Plain {
    name: String,
}

#[plugin(fast)]
impl Plain {}

fn main() {}
