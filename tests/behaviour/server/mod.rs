//! The server as its users have it.

mod browser;
mod dashboard;
