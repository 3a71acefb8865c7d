//! The boundary: the imports, the exports, and the end of a panic. The only file with `unsafe`.
//!
//! There is no raw pointer to be read here: what the host passes is looked up in the input buffer by
//! [`Guest`](crate::guest::Guest), and what it reads are the addresses of live slices: a call's arguments, or a
//! result that stays in a static until the next entry.

#[cfg(target_family = "wasm")]
pub(crate) use wasm::Sandbox;
#[cfg(target_family = "wasm")]
pub use wasm::{bury, initialize, pack};

/// One row a host call, as in the ABI's table: its texts and bytes, which cross as address and length, then its numbers.
#[cfg(any(target_family = "wasm", test))]
macro_rules! every_host_call {
    ($with:ident) => {
        $with! {
            state_get();
            state_set(json: &[u8]);
            storage_get(key: &str);
            storage_put(key: &str, value: &[u8]; ttl_ms: i64);
            storage_delete(key: &str);
            storage_cas(key: &str, expected: Option<&[u8]>, value: &[u8]; ttl_ms: i64);
            storage_list(prefix: &str, after: &str; limit: u32);
            http_request(head: &[u8], body: &[u8]);
            asset_get(path: &str);
            publish(topic: &str, data: &[u8]);
            message_send(to: &str, data: &[u8]);
            plugin_call(plugin: &str, command: &str, args: &[u8]);
            emit(name: &str, data: &[u8]);
            system_info();
            host_call(name: &str, input: &[u8]);
        }
    };
}

#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "the host's functions are foreign")]
mod wasm {
    use std::panic::PanicHookInfo;

    use palisade_abi::{HostReply, Level, Reply};

    use crate::calls::{HostAnswer, HostCalls, HostResult};
    use crate::guest::Returned;
    use crate::host::HostError;

    /// What a host hears instead of a result whose length does not fit a reply.
    const TOO_LONG: &[u8] = b"the result is longer than 2 GiB";

    /// The host around this module. Each method names its own import and no other, so that the linker leaves out those
    /// that the plugin never calls.
    #[derive(Debug, Default)]
    pub(crate) struct Sandbox;

    macro_rules! import {
        ($($name:ident($($bytes:ident: $lent:ty),* $(; $number:ident: $numeric:ty)?);)*) => {
            mod import {
                #[link(wasm_import_module = "palisade_v1")]
                unsafe extern "C" {
                    pub(super) fn log(level: i32, ptr: *const u8, len: usize);
                    pub(super) fn result_take(ptr: *mut u8, cap: usize) -> i32;
                    $(pub(super) fn $name($($bytes: *const u8, _: usize,)* $($number: $numeric)?) -> i64;)*
                }
            }

            impl HostCalls for Sandbox {
                $(fn $name(&self, $($bytes: $lent,)* $($number: $numeric)?) -> HostResult {
                    // SAFETY: each address and length come from `Lent`, whose are those of one slice that lives until this
                    // function ends; the host reads it before it returns, keeps nothing and writes nothing.
                    take(unsafe { import::$name($($bytes.address(), $bytes.length(),)* $($number)?) })
                })*
            }
        };
    }

    every_host_call!(import);

    /// What the host gets to read.
    trait Lent {
        fn address(&self) -> *const u8;
        fn length(&self) -> usize;
    }

    impl Lent for &[u8] {
        fn address(&self) -> *const u8 {
            self.as_ptr()
        }

        fn length(&self) -> usize {
            self.len()
        }
    }

    impl Lent for &str {
        fn address(&self) -> *const u8 {
            self.as_ptr()
        }

        fn length(&self) -> usize {
            self.len()
        }
    }

    /// Nothing at all is the length −1, of which the host reads nothing.
    impl Lent for Option<&[u8]> {
        fn address(&self) -> *const u8 {
            self.map_or(std::ptr::null(), <[u8]>::as_ptr)
        }

        fn length(&self) -> usize {
            self.map_or(usize::MAX, <[u8]>::len)
        }
    }

    /// Fetches what a host call answered with, in exactly the length that was announced.
    fn take(answer: i64) -> HostResult {
        let HostReply { len, is_error, yes } = HostReply::unpack(answer);
        let mut bytes = vec![0; len as usize];
        if len > 0 {
            // SAFETY: address and capacity are those of one live, initialised vector that nobody else sees; the host writes
            // no more than the capacity, before it returns, and keeps nothing.
            let taken = unsafe { import::result_take(bytes.as_mut_ptr(), bytes.len()) };
            if u32::try_from(taken) != Ok(len) {
                return Err(cut_off(taken, len));
            }
        }
        if is_error {
            return Err(HostError::from_bytes(&bytes));
        }
        Ok(HostAnswer { bytes, yes })
    }

    #[cold]
    fn cut_off(taken: i32, announced: u32) -> HostError {
        let message = format!("the host announced {announced} bytes and gave {taken}");
        HostError::new(HostError::UNEXPECTED_DATA, message)
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

    impl Sandbox {
        /// Writes a line into the plugin's log.
        pub(crate) fn log(&self, level: Level, message: &str) {
            log(level, message);
        }
    }

    fn log(level: Level, message: &str) {
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

#[cfg(test)]
mod tests {
    use palisade_abi::{IMPORTS, ValueType};

    /// Name and parameters of every row.
    fn declared() -> Vec<(&'static str, Vec<ValueType>)> {
        macro_rules! list {
            ($($name:ident($($bytes:ident: $lent:ty),* $(; $number:ident: $numeric:ty)?);)*) => {
                vec![$((stringify!($name), {
                    let slices = [$(stringify!($bytes)),*] as [&str; _];
                    let numbers = [$(if stringify!($numeric) == "i64" { ValueType::I64 } else { ValueType::I32 })?];
                    let slices = vec![ValueType::I32; slices.len() * 2];
                    slices.into_iter().chain(numbers).collect()
                })),*]
            };
        }
        every_host_call!(list)
    }

    #[test]
    fn every_import_of_the_abi_is_declared_with_its_types() {
        let offered: Vec<_> = IMPORTS
            .iter()
            .filter(|import| !matches!(import.name, "log" | "result_take"))
            .inspect(|import| assert_eq!(import.signature.result, Some(ValueType::I64), "{}", import.name))
            .map(|import| {
                let parameters = import.signature.parameters.iter();
                (import.name, parameters.map(|(_, value)| *value).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(declared(), offered);
    }
}
