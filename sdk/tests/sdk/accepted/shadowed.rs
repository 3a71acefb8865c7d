//! Names of the plugin's own that the macro's code must not trip over.
#![deny(warnings)]

#[allow(non_camel_case_types, dead_code)]
mod names {
    pub type Result = ();
    pub struct Option;
    pub struct Vec;
    pub struct String;
    pub struct Ok;
    pub struct Err;
}

#[allow(unused_imports)]
use names::{Err, Ok, Option, String, Vec};

/// A plugin named like a type of the SDK.
#[derive(Default)]
pub struct Guest;

#[palisade_sdk::plugin]
impl Guest {
    #[command]
    pub fn command(&self, host: &palisade_sdk::Host) -> std::string::String {
        host.plugin_id().to_owned()
    }

    #[command]
    pub fn start(&mut self, input: u8) -> u8 {
        input
    }

    #[health]
    pub fn health(&self) {}

    #[cleanup]
    pub fn cleanup(&self) {}
}

fn main() {}
