//! The instance behind the exports: [`Guest`]. Safe code; what the host passes is looked up in the input buffer.

use palisade_abi::InitInput;

use crate::host::Host;
use crate::json;
use crate::plugin::{Answer, Call, Plugin};
use crate::reject::Reject;

/// The smallest input buffer: the name and arguments of most calls, so that the host asks once.
const INPUT_MINIMUM_BYTES: usize = 1024;

/// The most scratch room kept between calls: one large result must not occupy an idle instance for good.
const SCRATCH_KEPT_BYTES: usize = 64 * 1024;

/// One plugin instance with its buffers.
#[derive(Debug)]
pub struct Guest<P> {
    /// The host writes here. Its bytes are always initialised; its length is what was promised to the host.
    input: Vec<u8>,
    /// JSON results are written here, call after call.
    scratch: Vec<u8>,
    /// The last result that the plugin gave away, or the last error.
    kept: Vec<u8>,
    running: Option<(P, Host)>,
}

/// Bytes that stay valid until the next entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Returned<'a> {
    /// The result, or the JSON of an error.
    pub bytes: &'a [u8],
    /// Which of the two.
    pub is_error: bool,
}

/// Where the host says it put something.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Address of the first byte.
    pub address: usize,
    /// Number of bytes.
    pub len: usize,
}

impl<P: Plugin> Guest<P> {
    /// An instance before `plugin_init`.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            input: Vec::new(),
            scratch: Vec::new(),
            kept: Vec::new(),
            running: None,
        }
    }

    /// `plugin_buffer`: the address of at least `len` bytes, 0 when there is no memory.
    pub fn buffer(&mut self, len: usize) -> usize {
        if self.input.len() < len || self.input.is_empty() {
            let len = len.max(INPUT_MINIMUM_BYTES);
            self.input = Vec::new();
            if self.input.try_reserve_exact(len).is_err() {
                return 0;
            }
            self.input.resize(len, 0);
        }
        self.input.as_mut_ptr().expose_provenance()
    }

    /// `plugin_init`.
    pub fn init(&mut self, input: Span) -> Returned<'_> {
        let started = within(&self.input, input).and_then(|text| {
            let host = Host::introduced(json::read::<InitInput>(text, "init", "ABI_VIOLATION")?);
            P::start(&host).map(|plugin| (plugin, host))
        });
        let answer = started.map(|running| {
            self.running = Some(running);
            Answer::Nothing
        });
        keep(answer, &mut self.kept)
    }

    /// `plugin_command`.
    pub fn command(&mut self, name: Span, args: Span) -> Returned<'_> {
        self.enter(args, |plugin, host, input, call| {
            plugin.command(host, within(input, name)?, call)
        })
    }

    /// `plugin_health`.
    pub fn health(&mut self) -> Returned<'_> {
        self.enter(Span::NOTHING, |plugin, host, _, call| plugin.health(host, call))
    }

    /// `plugin_on_event`.
    pub fn on_event(&mut self, event: Span) -> Returned<'_> {
        self.enter(event, |plugin, host, _, call| plugin.on_event(host, call))
    }

    /// `plugin_cleanup`: the plugin's own, then its `Drop`.
    pub fn cleanup(&mut self) -> Returned<'_> {
        let answer = match self.running.take() {
            Some((mut plugin, host)) => plugin.cleanup(&host).map(|()| Answer::Nothing),
            None => Ok(Answer::Nothing),
        };
        keep(answer, &mut self.kept)
    }

    /// `palisade_describe`.
    #[cfg(feature = "describe")]
    pub fn describe(&mut self) -> Returned<'_> {
        let answer = serde_json::to_vec(&P::describe())
            .map(Answer::Owned)
            .map_err(Reject::from);
        keep(answer, &mut self.kept)
    }

    fn enter<'guest>(
        &'guest mut self,
        args: Span,
        run: impl FnOnce(&'guest mut P, &'guest Host, &'guest [u8], Call<'guest>) -> Result<Answer<'guest>, Reject>,
    ) -> Returned<'guest> {
        let Self {
            input,
            scratch,
            kept,
            running,
        } = self;
        scratch.clear();
        scratch.shrink_to(SCRATCH_KEPT_BYTES);
        *kept = Vec::new();
        let answer = match running {
            Some((plugin, host)) => {
                within(input, args).and_then(|args| run(plugin, host, input, Call::new(args, scratch)))
            }
            None => Err(Reject::new(
                "NOT_INITIALIZED",
                "the plugin was not started, or its start failed",
            )),
        };
        keep(answer, kept)
    }
}

impl<P: Plugin> Default for Guest<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl Span {
    /// No bytes.
    pub const NOTHING: Self = Self { address: 0, len: 0 };
}

/// The bytes at `span`, which must lie in the input buffer.
fn within(input: &[u8], span: Span) -> Result<&[u8], Reject> {
    if span.len == 0 {
        return Ok(&[]);
    }
    let start = span.address.checked_sub(input.as_ptr().addr());
    let end = start.and_then(|start| start.checked_add(span.len));
    let bytes = start.zip(end).and_then(|(start, end)| input.get(start..end));
    bytes.ok_or_else(|| Reject::new("ABI_VIOLATION", "the input does not lie in the input buffer"))
}

/// Keeps what would be dropped on return.
fn keep<'guest>(answer: Result<Answer<'guest>, Reject>, kept: &'guest mut Vec<u8>) -> Returned<'guest> {
    let is_error = answer.is_err();
    let bytes = match answer {
        Ok(Answer::Nothing) => &[],
        Ok(Answer::Borrowed(bytes)) => bytes,
        Ok(Answer::Owned(bytes)) => {
            *kept = bytes;
            kept
        }
        Err(reject) => {
            *kept = reject.into_bytes();
            kept
        }
    };
    Returned { bytes, is_error }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with what it was asked for, in the way the name of the command says.
    struct Echo {
        greeting: String,
    }

    impl Plugin for Echo {
        const COMMANDS: &'static [&'static str] = &[];

        fn start(host: &Host) -> Result<Self, Reject> {
            host.config().map(|greeting| Self { greeting })
        }

        fn command<'call>(
            &'call mut self,
            _: &'call Host,
            name: &'call [u8],
            call: Call<'call>,
        ) -> Result<Answer<'call>, Reject> {
            match name {
                b"input" => Ok(Answer::Borrowed(call.bytes())),
                b"plugin" => Ok(Answer::Borrowed(self.greeting.as_bytes())),
                b"owned" => Ok(Answer::Owned(call.bytes().to_vec())),
                b"json" => {
                    let len = call.bytes().len();
                    call.answer_json(&len)
                }
                b"nothing" => Ok(Answer::Nothing),
                _ => Err("no".into()),
            }
        }

        fn cleanup(&mut self, _: &Host) -> Result<(), Reject> {
            Err("not now".into())
        }

        #[cfg(feature = "describe")]
        fn describe() -> palisade_abi::Description {
            palisade_abi::Description::default()
        }
    }

    impl Guest<Echo> {
        /// Does what a host does: asks for room and puts the parts there, one after another.
        fn put<const N: usize>(&mut self, parts: [&[u8]; N]) -> [Span; N] {
            let mut address = self.buffer(parts.iter().map(|part| part.len()).sum());
            let bytes = parts.concat();
            self.input[..bytes.len()].copy_from_slice(&bytes);
            parts.map(|part| {
                let span = Span {
                    address,
                    len: part.len(),
                };
                address += part.len();
                span
            })
        }

        fn call(&mut self, name: &str, args: &[u8]) -> Returned<'_> {
            let [name, args] = self.put([name.as_bytes(), args]);
            self.command(name, args)
        }

        fn started() -> Self {
            let mut guest = Self::new();
            let [init] = guest.put([br#"{"plugin_id": "a.b", "version": "1.0.0", "config": "moin"}"#]);
            assert_eq!(
                guest.init(init),
                Returned {
                    bytes: b"",
                    is_error: false
                }
            );
            guest
        }
    }

    #[track_caller]
    fn check(returned: &Returned<'_>, is_error: bool, text: &str) {
        assert_eq!(
            (returned.is_error, std::str::from_utf8(returned.bytes).unwrap()),
            (is_error, text)
        );
    }

    #[test]
    fn every_kind_of_answer_reaches_the_host() {
        let mut guest = Guest::started();
        for _ in 0..2 {
            check(&guest.call("input", b"abc"), false, "abc");
            check(&guest.call("plugin", b""), false, "moin");
            check(&guest.call("owned", b"abc"), false, "abc");
            check(&guest.call("json", b"abc"), false, "3");
            check(&guest.call("nothing", b"abc"), false, "");
            check(
                &guest.call("else", b"abc"),
                true,
                r#"{"code":"REJECTED","message":"no"}"#,
            );
        }
    }

    #[test]
    fn borrowed_input_is_answered_where_it_lies() {
        let mut guest = Guest::started();
        let [name, args] = guest.put([b"input", &[7; 64]]);
        assert_eq!(guest.command(name, args).bytes.as_ptr().addr(), args.address);
    }

    #[test]
    fn a_command_before_init_or_after_cleanup_is_refused() {
        let refused = r#"{"code":"NOT_INITIALIZED","message":"the plugin was not started, or its start failed"}"#;
        let mut guest = Guest::<Echo>::new();
        check(&guest.call("nothing", b""), true, refused);
        let mut guest = Guest::started();
        check(&guest.cleanup(), true, r#"{"code":"REJECTED","message":"not now"}"#);
        check(&guest.call("nothing", b""), true, refused);
        check(&guest.cleanup(), false, "");
    }

    #[test]
    fn an_init_that_does_not_fit_is_an_answer() {
        for (init, code) in [
            ("", "ABI_VIOLATION"),
            (r#"{"plugin_id": "a", "version": "1"}"#, "CONFIG_INVALID"),
        ] {
            let mut guest = Guest::<Echo>::new();
            let [init] = guest.put([init.as_bytes()]);
            let returned = guest.init(init);
            let error: palisade_abi::GuestError = serde_json::from_slice(returned.bytes).unwrap();
            assert_eq!((returned.is_error, error.code.as_str()), (true, code));
        }
    }

    #[test]
    fn bytes_outside_the_input_buffer_are_never_read() {
        let mut guest = Guest::started();
        let start = guest.buffer(0);
        let end = start + guest.input.len();
        for (address, len) in [
            (start - 1, 2),
            (end, 1),
            (end - 1, 2),
            (start, usize::MAX),
            (0, 1),
            (usize::MAX, 1),
        ] {
            let [name, _] = guest.put([b"input", b""]);
            let error = guest.command(name, Span { address, len });
            assert!(error.is_error, "{address} {len}");
            assert!(error.bytes.starts_with(br#"{"code":"ABI_VIOLATION""#));
        }
        let [name, _] = guest.put([b"input", b""]);
        assert!(
            !guest
                .command(
                    name,
                    Span {
                        address: end - 1,
                        len: 1
                    }
                )
                .is_error
        );
    }

    #[test]
    fn a_buffer_stays_where_it_is_until_more_is_asked_for() {
        let mut guest = Guest::<Echo>::new();
        let address = guest.buffer(1);
        assert_eq!(guest.buffer(INPUT_MINIMUM_BYTES), address);
        assert_ne!(guest.buffer(INPUT_MINIMUM_BYTES + 1), 0);
        assert_eq!(guest.input.len(), INPUT_MINIMUM_BYTES + 1);
        assert_eq!(guest.buffer(usize::MAX), 0);
        assert_ne!(guest.buffer(1), 0);
    }

    #[test]
    fn one_large_result_does_not_occupy_the_instance() {
        let mut guest = Guest::started();
        guest.scratch = Vec::with_capacity(SCRATCH_KEPT_BYTES * 4);
        guest.call("owned", &[0; SCRATCH_KEPT_BYTES]);
        assert!(guest.scratch.capacity() <= SCRATCH_KEPT_BYTES);
        assert!(guest.kept.capacity() >= SCRATCH_KEPT_BYTES);
        guest.call("nothing", b"");
        assert_eq!(guest.kept.capacity(), 0);
    }
}
