//! What the host calls beside commands: start, health, events, the end.

use palisade_sdk::__private::{Call, Plugin};
use palisade_sdk::{Host, Reject, data, json, plugin};

use crate::text;

#[derive(Debug)]
pub struct Built {
    word: String,
}

#[data]
pub struct Config {
    word: String,
}

#[plugin]
impl Built {
    #[init]
    fn build(host: &Host) -> Result<Self, Reject> {
        let Config { word } = host.config()?;
        Ok(Self { word })
    }

    #[health]
    fn is_well(&self) -> Result<&str, &str> {
        if self.word.is_empty() {
            Err("no word")
        } else {
            Ok("well")
        }
    }

    #[on_event]
    fn heard(&mut self, host: &Host, event: Config) {
        host.info(&event.word);
        self.word = event.word;
    }

    #[cleanup]
    fn end(&mut self, host: &Host) -> Result<(), String> {
        host.info("bye");
        Err("too early".into())
    }
}

#[derive(Default, PartialEq, Debug)]
pub struct SetUp(u8);

#[plugin]
impl SetUp {
    #[init]
    fn set_up(&mut self) -> Result<(), Reject> {
        self.0 += 1;
        Ok(())
    }
}

#[derive(Default)]
pub struct Bare;

#[plugin]
impl Bare {}

#[test]
fn init_makes_the_plugin_from_its_config() {
    assert_eq!(
        Built::start(&Host::fake().with_config(json!({"word": "a"})))
            .unwrap()
            .word,
        "a"
    );
    assert_eq!(Built::start(&Host::fake()).unwrap_err().code, "CONFIG_INVALID");
}

#[test]
fn init_with_self_sets_up_the_default() {
    assert_eq!(SetUp::start(&Host::fake()).unwrap(), SetUp(1));
}

#[test]
fn health_events_and_cleanup_reach_their_methods() {
    let host = Host::fake();
    let mut scratch = Vec::new();
    let mut built = Built { word: String::new() };
    let refused = built.health(&host, Call::new(&[], &mut scratch)).unwrap_err();
    assert_eq!(refused, Reject::from("no word"));
    built
        .on_event(&host, Call::new(br#"{"word": "b"}"#, &mut scratch))
        .unwrap();
    assert_eq!(
        text(&built.health(&host, Call::new(&[], &mut scratch)).unwrap()),
        r#""well""#
    );
    assert_eq!(Plugin::cleanup(&mut built, &host), Err(Reject::from("too early")));
    let lines: Vec<_> = host.logged().into_iter().map(|line| line.message).collect();
    assert_eq!(lines, ["b", "bye"]);
}

#[test]
fn a_plugin_without_marks_starts_and_is_well() {
    let host = Host::fake();
    let mut scratch = Vec::new();
    let mut bare = Bare::start(&host).unwrap();
    assert_eq!(text(&bare.health(&host, Call::new(&[], &mut scratch)).unwrap()), "");
    assert_eq!(Plugin::cleanup(&mut bare, &host), Ok(()));
    assert!(Bare::COMMANDS.is_empty());
}
