//! The boundary: the import, the exports, and the end of a panic. The only file with `unsafe`.
//!
//! There is no raw pointer to be read here: what the host passes is looked up in the input buffer by
//! [`Guest`](crate::guest::Guest), and what it reads are the addresses of slices that live in a static.

#[cfg(target_family = "wasm")]
pub(crate) use wasm::log;
#[cfg(target_family = "wasm")]
pub use wasm::{bury, initialize, pack};

#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "the host's functions are foreign")]
mod wasm {
    use std::panic::PanicHookInfo;

    use palisade_abi::{Level, Reply};

    use crate::guest::Returned;

    /// What a host hears instead of a result whose length does not fit a reply.
    const TOO_LONG: &[u8] = b"the result is longer than 2 GiB";

    mod import {
        #[link(wasm_import_module = "palisade_v1")]
        unsafe extern "C" {
            pub(super) fn log(level: i32, ptr: *const u8, len: usize);
        }
    }

    unsafe extern "C" {
        /// Made by the linker.
        fn __wasm_call_ctors();
    }

    /// Runs the constructors of the module.
    ///
    /// rustc links no `_initialize` into a `cdylib`, and a linker that sees nobody call the constructors wraps every
    /// export in code that runs constructors and destructors around each call, as if it were a whole program.
    pub fn initialize() {
        // SAFETY: `_initialize` alone calls this, and the host enters that once, before anything else.
        unsafe { __wasm_call_ctors() }
    }

    /// Writes a line into the plugin's log.
    pub(crate) fn log(level: Level, message: &str) {
        // SAFETY: pointer and length are those of one live `str`; the host reads it before it returns, keeps nothing
        // and writes nothing.
        unsafe { import::log(level.into(), message.as_ptr(), message.len()) }
    }

    /// Makes a panic's message the last words of the instance, then traps.
    pub fn bury() {
        std::panic::set_hook(Box::new(last_words));
    }

    fn last_words(panic: &PanicHookInfo<'_>) {
        let message = panic.payload_as_str().unwrap_or("the plugin panicked");
        match panic.location() {
            Some(location) => log(Level::Fatal, &format!("{message}, at {location}")),
            None => log(Level::Fatal, message),
        }
        std::process::abort();
    }

    /// The `i64` of a result that stays where it is until the next entry.
    #[must_use]
    pub fn pack(returned: &Returned<'_>) -> i64 {
        if returned.bytes.is_empty() && !returned.is_error {
            return 0;
        }
        reply(returned.bytes, returned.is_error)
            .or_else(|| reply(TOO_LONG, true))
            .unwrap_or_else(|| std::process::abort())
    }

    fn reply(bytes: &[u8], is_error: bool) -> Option<i64> {
        let address = u32::try_from(bytes.as_ptr().expose_provenance()).ok()?;
        let len = u32::try_from(bytes.len()).ok()?;
        Reply { address, len, is_error }.pack()
    }
}

/// Off the sandbox a real host is only met by the tests of this crate.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn log(level: palisade_abi::Level, message: &str) {
    eprintln!("{}: {message}", level.as_str());
}

/// The exports of ABI 1, for one plugin type a module.
///
/// The instance lives in a thread-local, which is a plain static in a module without threads. The host enters a guest once
/// at a time and never from a host call, so the borrow always succeeds.
///
/// SAFETY of each `no_mangle`: the names belong to the ABI, and a second plugin in a module is refused as a duplicate.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty, $($optional:ident)*) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            ::std::thread_local! {
                static GUEST: ::std::cell::RefCell<$crate::__private::Guest<$plugin>> =
                    const { ::std::cell::RefCell::new($crate::__private::Guest::new()) };
            }

            #[unsafe(no_mangle)]
            extern "C" fn palisade_abi_v1() {}

            #[unsafe(no_mangle)]
            extern "C" fn _initialize() {
                $crate::__private::initialize();
            }

            #[unsafe(no_mangle)]
            extern "C" fn plugin_buffer(len: usize) -> usize {
                GUEST.with_borrow_mut(|guest| guest.buffer(len))
            }

            #[unsafe(no_mangle)]
            extern "C" fn plugin_init(address: usize, len: usize) -> i64 {
                $crate::__private::bury();
                GUEST.with_borrow_mut(|guest| {
                    $crate::__private::pack(&guest.init($crate::__private::Span { address, len }))
                })
            }

            #[unsafe(no_mangle)]
            extern "C" fn plugin_command(
                name_address: usize,
                name_len: usize,
                args_address: usize,
                args_len: usize,
            ) -> i64 {
                let name = $crate::__private::Span { address: name_address, len: name_len };
                let args = $crate::__private::Span { address: args_address, len: args_len };
                GUEST.with_borrow_mut(|guest| $crate::__private::pack(&guest.command(name, args)))
            }

            #[unsafe(no_mangle)]
            extern "C" fn plugin_cleanup() -> i64 {
                GUEST.with_borrow_mut(|guest| $crate::__private::pack(&guest.cleanup()))
            }

            $($crate::__export_optional! { $optional })*
            $crate::__export_describe! { $plugin }
        };
    };
}

/// The exports a module has only when its plugin has the method.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_optional {
    (health) => {
        #[unsafe(no_mangle)]
        extern "C" fn plugin_health() -> i64 {
            GUEST.with_borrow_mut(|guest| $crate::__private::pack(&guest.health()))
        }
    };
    (on_event) => {
        #[unsafe(no_mangle)]
        extern "C" fn plugin_on_event(address: usize, len: usize) -> i64 {
            GUEST.with_borrow_mut(|guest| {
                $crate::__private::pack(&guest.on_event($crate::__private::Span { address, len }))
            })
        }
    };
}

/// The export that lists the commands: only while a plugin is built.
#[cfg(feature = "describe")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_describe {
    ($plugin:ty) => {
        #[unsafe(no_mangle)]
        extern "C" fn palisade_describe() -> i64 {
            $crate::__private::bury();
            GUEST.with_borrow_mut(|guest| $crate::__private::pack(&guest.describe()))
        }
    };
}

/// Nothing: this build is what is shipped.
#[cfg(not(feature = "describe"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_describe {
    ($plugin:ty) => {};
}
