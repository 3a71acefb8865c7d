//! The locks of the gate. Its model test compiles the same source with the locks of a scheduler instead.

pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
