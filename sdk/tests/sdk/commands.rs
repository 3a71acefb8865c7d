//! Commands by name: every kind of input, result and error.

use palisade_sdk::__private::Plugin;
use palisade_sdk::serde::{Deserialize, Serialize};
use palisade_sdk::{Host, Level, Reject, data, json, plugin};

use crate::call;

#[derive(Default)]
pub struct Sampler {
    total: i64,
    label: Vec<u8>,
}

#[data]
#[derive(Debug, Default)]
pub struct Pair {
    left: i64,
    #[serde(default)]
    right: i64,
}

/// Derives of its own, and borrows from the input.
#[derive(Serialize, Deserialize)]
#[serde(crate = "palisade_sdk::serde")]
pub struct Word<'a> {
    word: &'a str,
}

pub enum Trouble {
    Odd(i64),
}

impl From<Trouble> for Reject {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Odd(number) => Reject::new("ODD", "the number is odd").with_detail("number", number),
        }
    }
}

#[plugin]
impl Sampler {
    /// Adds two numbers
    /// and keeps the sum.
    ///
    /// Twice is more than once.
    #[command]
    pub fn add(&mut self, host: &Host, input: Pair) -> Result<Pair, Reject> {
        self.total += input.left + input.right;
        host.debug(format_args!("{} so far", self.total));
        Ok(Pair {
            left: self.total,
            right: 0,
        })
    }

    #[command(name = "total-value", idempotent)]
    pub fn total(&self) -> i64 {
        self.total
    }

    #[command]
    pub fn half(input: i64) -> Result<i64, Trouble> {
        if input % 2 == 0 {
            Ok(input / 2)
        } else {
            Err(Trouble::Odd(input))
        }
    }

    #[command]
    pub fn shout(&self, input: &[u8]) -> Vec<u8> {
        input.to_ascii_uppercase()
    }

    #[command]
    pub fn echo<'a>(&self, _host: &Host, input: &'a [u8]) -> &'a [u8] {
        input
    }

    #[command]
    pub fn label(&mut self, input: Vec<u8>) -> Result<&[u8], std::str::Utf8Error> {
        std::str::from_utf8(&input)?;
        self.label = input;
        Ok(&self.label)
    }

    #[command]
    pub fn reset(&mut self) {
        self.total = 0;
    }

    #[command]
    pub fn first<'a>(&self, input: Word<'a>) -> Option<Word<'a>> {
        input.word.split(' ').next().map(|word| Word { word })
    }

    #[command]
    pub fn r#loop(&self, times: Option<u32>) -> Result<(), String> {
        times.map(|_| ()).ok_or_else(|| "how often?".into())
    }

    #[command]
    pub fn health_of(&self) -> std::collections::BTreeMap<(u8, u8), u8> {
        [((1, 2), 3)].into()
    }

    fn not_a_command(&self) {}
}

#[track_caller]
fn check(name: &str, args: &str, expected: &str) {
    let mut sampler = Sampler {
        total: 5,
        label: Vec::new(),
    };
    sampler.not_a_command();
    let answer = call(&mut sampler, &Host::fake(), name, args);
    assert_eq!(answer.as_deref(), Ok(expected));
}

#[track_caller]
fn check_refused(name: &str, args: &str, expected: Reject) {
    let answer = call(&mut Sampler::default(), &Host::fake(), name, args);
    assert_eq!(answer, Err(expected));
}

#[test]
fn json_goes_in_and_out() {
    check("add", r#"{"left": 1, "right": 2}"#, r#"{"left":8,"right":0}"#);
    check("add", r#"{"left": 1}"#, r#"{"left":6,"right":0}"#);
    check("half", "14", "7");
    check("first", r#"{"word": "one two"}"#, r#"{"word":"one"}"#);
}

#[test]
fn bytes_go_in_and_out_untouched() {
    check("shout", "{not json", "{NOT JSON");
    check("echo", "\0\u{1}", "\0\u{1}");
    check("label", "blue", "blue");
    check("echo", "", "");
}

#[test]
fn a_command_without_input_takes_whatever_comes() {
    check("total-value", "", "5");
    check("total-value", "ignored", "5");
}

#[test]
fn a_command_without_a_result_answers_nothing() {
    check("reset", "", "");
    check("loop", "3", "");
}

#[test]
fn no_arguments_count_as_null() {
    check_refused("loop", "", Reject::new("REJECTED", "how often?"));
    let expected = Reject::invalid("arguments: invalid type: null, expected struct Pair");
    let expected = expected
        .with_detail("pointer", "")
        .with_detail("expected", "struct Pair");
    check_refused("add", "", expected);
}

#[test]
fn errors_of_every_kind_become_a_reject() {
    check_refused(
        "half",
        "3",
        Reject::new("ODD", "the number is odd").with_detail("number", 3),
    );
    let mut sampler = Sampler::default();
    let reject = sampler.label(vec![0xff]).map_err(Reject::from).unwrap_err();
    assert_eq!(reject.code, Reject::INVALID_ARGUMENT);
}

#[test]
fn arguments_that_do_not_fit_never_enter_the_command() {
    let host = Host::fake();
    let reject = call(&mut Sampler::default(), &host, "add", r#"{"left": "one"}"#).unwrap_err();
    assert_eq!(reject.code, "INVALID_ARGUMENT");
    assert_eq!(
        reject.message,
        "arguments at /left: invalid type: string \"one\", expected i64"
    );
    assert_eq!(reject.details["pointer"], "/left");
    assert_eq!(reject.details["expected"], "i64");
    assert!(host.logged().is_empty());
}

#[test]
fn a_result_that_is_no_json_is_an_answer_not_a_panic() {
    let reject = call(&mut Sampler::default(), &Host::fake(), "health_of", "").unwrap_err();
    assert_eq!(reject.code, "INVALID_RESULT");
}

#[test]
fn an_unknown_command_is_answered_with_the_known_ones() {
    for name in ["Add", "ad", "add ", "", "total", "not_a_command"] {
        let reject = call(&mut Sampler::default(), &Host::fake(), name, "").unwrap_err();
        assert_eq!(
            (reject.code.as_str(), &reject.details["command"]),
            ("INVALID_COMMAND", &json!(name))
        );
        assert_eq!(reject.details["available"], json!(Sampler::COMMANDS));
    }
    let expected = [
        "add",
        "total-value",
        "half",
        "shout",
        "echo",
        "label",
        "reset",
        "first",
        "loop",
        "health_of",
    ];
    assert_eq!(Sampler::COMMANDS, expected);
}

#[test]
fn a_fake_host_serves_config_and_keeps_the_log() {
    let host = Host::fake()
        .with_config(json!({"left": 3}))
        .with_permissions(["storage:read"]);
    assert_eq!(host.config::<Pair>().unwrap().left, 3);
    assert!(host.is_granted("storage:read") && !host.is_granted("storage"));
    Sampler::default().add(&host, Pair { left: 1, right: 1 }).unwrap();
    host.error("bad");
    let lines: Vec<_> = host
        .logged()
        .into_iter()
        .map(|line| (line.level, line.message))
        .collect();
    assert_eq!(
        lines,
        [(Level::Debug, "2 so far".to_owned()), (Level::Error, "bad".to_owned())]
    );
}

#[test]
fn a_config_that_does_not_fit_is_refused_with_a_pointer() {
    let reject = Host::fake()
        .with_config(json!({"left": 3, "right": []}))
        .config::<Pair>()
        .unwrap_err();
    assert_eq!(
        (reject.code.as_str(), &reject.details["pointer"]),
        ("CONFIG_INVALID", &json!("/right"))
    );
    assert!(
        Host::fake()
            .config::<Pair>()
            .unwrap_err()
            .message
            .starts_with("config: missing field `left`")
    );
}
