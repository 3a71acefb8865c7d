#![allow(unused)]

use palisade_sdk::data;

#[data]
pub fn input() {}

#[data(strict)]
pub struct Input;

fn main() {}
