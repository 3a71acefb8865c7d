//! How every host call goes: counted, paid for, checked, done, and its result kept for the guest to fetch.

use std::sync::Arc;

use palisade_abi::{HostReply, IMPORT_MODULE};
use palisade_bundle::{Code, Permission};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use wasmtime::{AsContextMut, Caller, WasmTyList};

use super::super::host::{Host, PluginLinker};
use super::super::meter::settle;
use super::super::powers::Powers;
use super::super::tape::Taped;
use super::super::trap::ImportMisused;
use super::super::wasi::memory_of;
use super::HostCallError;
use crate::receipt::HostCall;
use crate::services::{ServiceFuture, Trail};

/// Where in guest memory an argument lies, as the guest says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    address: u32,
    length: u32,
}

impl Span {
    pub(super) fn new(address: i32, length: i32) -> Self {
        Self {
            address: address.cast_unsigned(),
            length: length.cast_unsigned(),
        }
    }
}

/// What a host call has to go by: copies of the guest's bytes, and who it is.
pub(super) struct Request<const N: usize, Rest> {
    pub(super) powers: Arc<Powers>,
    /// The plugins that led here; the last one is the caller.
    pub(super) trail: Trail,
    pub(super) bytes: [Vec<u8>; N],
    /// Arguments that are plain numbers.
    pub(super) rest: Rest,
}

/// What a host call answers with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sandbox) struct Answer {
    pub(in crate::sandbox) bytes: Vec<u8>,
    /// The answer to the call's question, if it asks one.
    pub(in crate::sandbox) yes: bool,
}

impl Answer {
    pub(super) fn yes(yes: bool) -> Self {
        Self { bytes: Vec::new(), yes }
    }

    pub(super) fn bytes(bytes: Vec<u8>) -> Self {
        Self { bytes, yes: true }
    }

    /// Bytes that may not be there.
    pub(super) fn found(bytes: Option<Vec<u8>>) -> Self {
        Self {
            yes: bytes.is_some(),
            bytes: bytes.unwrap_or_default(),
        }
    }
}

/// What came of a host call.
pub(in crate::sandbox) type Outcome = Result<Answer, HostCallError>;

/// A host call under way.
pub(super) type Work = ServiceFuture<'static, Outcome>;

/// A host call as plugins are offered it.
pub(super) struct Offered<Params, const N: usize, Rest> {
    pub(super) call: HostCall,
    /// What a plugin must have been granted. `None` when that depends on the arguments, or nothing is needed.
    pub(super) permission: Option<Permission>,
    /// Most bytes of arguments together that are looked at.
    pub(super) most_bytes: fn(&Powers) -> u64,
    /// Takes the parameters apart.
    pub(super) read: fn(Params) -> ([Span; N], Rest),
    /// Does it.
    pub(super) work: fn(Request<N, Rest>) -> Work,
}

impl<Params, const N: usize, Rest> Offered<Params, N, Rest>
where
    Params: WasmTyList + Send + 'static,
    Rest: Send + 'static,
{
    /// Adds it to what plugins are linked against.
    pub(super) fn link(self, linker: &mut PluginLinker) -> wasmtime::Result<()> {
        let offered = Arc::new(self);
        linker.func_wrap_async(
            IMPORT_MODULE,
            offered.call.name(),
            move |mut caller: Caller<'_, Host>, params: Params| {
                let offered = Arc::clone(&offered);
                Box::new(async move { offered.perform(&mut caller, params).await })
            },
        )?;
        Ok(())
    }

    async fn perform(&self, caller: &mut Caller<'_, Host>, params: Params) -> wasmtime::Result<i64> {
        let (spans, rest) = (self.read)(params);
        let lengths = spans.map(|span| u64::from(span.length));
        let total = lengths.iter().sum::<u64>();
        let host = caller.data_mut();
        host.result = None;
        host.calls.count(self.call, 0);
        host.meter.owe_host_call();
        let powers = Arc::clone(&host.powers);
        let trail = host.trail.clone();
        let most_bytes = (self.most_bytes)(&powers);
        if let Err(refused) = self.refusal(&powers, total, most_bytes) {
            return Ok(self.refuse(caller, refused));
        }
        // Paid before a byte is copied: a guest that cannot pay makes no work and no side effects.
        caller.data_mut().meter.owe_bytes(total);
        caller.data_mut().calls.count_bytes(self.call, total);
        settle(&mut caller.as_context_mut())?;
        let bytes = self.copy(caller, spans)?;
        let taped = caller.data_mut().tape.play(self.call, &bytes)?;
        let outcome = match taped {
            Taped::Outcome(outcome) => outcome,
            Taped::Blank => {
                let Some(under_way) = powers.shares.enter_host_call(powers.limits.host_calls_in_flight) else {
                    return Ok(self.refuse(caller, too_many(powers.limits.host_calls_in_flight)));
                };
                let inputs = caller.data().tape.wants_inputs().then(|| bytes.clone());
                let outside = caller.data().outside.clone();
                let (counting, start) = (Arc::clone(&powers), powers.services.clock.now());
                let work = (self.work)(Request {
                    powers,
                    trail,
                    bytes,
                    rest,
                });
                let outcome = outside.around(work).await;
                drop(under_way);
                let took = counting.services.clock.now().duration_since(start);
                counting.shares.counted.add_host_call(self.call, took);
                if let Some(inputs) = inputs {
                    caller.data_mut().tape.record(self.call, &inputs, &outcome);
                }
                outcome
            }
        };
        Ok(match outcome {
            Ok(answer) => keep(caller, self.call, answer),
            Err(refused) => self.refuse(caller, refused),
        })
    }

    fn refusal(&self, powers: &Powers, actual_bytes: u64, limit_bytes: u64) -> Result<(), HostCallError> {
        if let Some(permission) = &self.permission {
            powers.check(permission)?;
        }
        if actual_bytes > limit_bytes {
            return Err(HostCallError::new(
                Code::PayloadTooLarge,
                format!("{actual_bytes} bytes, and {limit_bytes} are allowed"),
            )
            .with("actual_bytes", actual_bytes)
            .with("limit_bytes", limit_bytes));
        }
        Ok(())
    }

    fn copy(&self, caller: &mut Caller<'_, Host>, spans: [Span; N]) -> wasmtime::Result<[Vec<u8>; N]> {
        let memory = memory_of(caller)?;
        let mut copies = [const { Vec::new() }; N];
        for (copy, span) in copies.iter_mut().zip(spans) {
            let bytes = memory
                .read(&*caller, span.address, span.length)
                .map_err(|range| ImportMisused {
                    import: self.call.name(),
                    breach: range.into(),
                })?;
            copy.extend_from_slice(bytes);
        }
        Ok(copies)
    }

    /// Answers with an error value, and tells the host when it is one that an operator wants to know of.
    fn refuse(&self, caller: &mut Caller<'_, Host>, refused: HostCallError) -> i64 {
        let json = refused.to_json();
        let host = caller.data_mut();
        host.tell_refused(&refused, self.call.name());
        let reply = HostReply {
            len: length_of(&json),
            is_error: true,
            yes: false,
        };
        host.meter.owe_bytes(reply.len.into());
        host.result = Some(json);
        reply.pack()
    }
}

/// Keeps a result until the guest fetches it.
fn keep(caller: &mut Caller<'_, Host>, call: HostCall, answer: Answer) -> i64 {
    let reply = HostReply {
        len: length_of(&answer.bytes),
        is_error: false,
        yes: answer.yes,
    };
    let host = caller.data_mut();
    host.calls.count_bytes(call, reply.len.into());
    host.meter.owe_bytes(reply.len.into());
    host.result = Some(answer.bytes).filter(|bytes| !bytes.is_empty());
    reply.pack()
}

/// Every result is bounded by a limit far below 2 GiB.
fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn too_many(limit: u32) -> HostCallError {
    HostCallError::new(
        Code::ResourceExhausted,
        format!("{limit} host calls of this plugin are under way, and no more are allowed"),
    )
    .with("resource", "host_calls")
    .with("limit", limit)
}

/// An argument that has to be text.
pub(super) fn text(bytes: Vec<u8>, what: &str) -> Result<String, HostCallError> {
    String::from_utf8(bytes).map_err(|_| HostCallError::argument(format!("the {what} is not UTF-8")))
}

/// Refuses an argument that is no JSON. It stays text: parsed it would take many times the memory that was paid for.
pub(super) fn check_json(bytes: &[u8], what: &str) -> Result<(), HostCallError> {
    let checked = serde_json::from_slice::<IgnoredAny>(bytes).map(drop);
    checked.map_err(|error| HostCallError::argument(format!("the {what} is not JSON: {error}")))
}

/// An argument that has to be JSON, as text.
pub(super) fn json(bytes: Vec<u8>, what: &str) -> Result<Box<RawValue>, HostCallError> {
    RawValue::from_string(text(bytes, what)?)
        .map_err(|error| HostCallError::argument(format!("the {what} is not JSON: {error}")))
}
