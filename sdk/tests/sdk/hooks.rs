//! What the host calls beside commands: start, health, events, the end.

use palisade_sdk::__private::{Call, Plugin};
use palisade_sdk::{Delivery, DeliveryKind, Host, Reject, data, json, plugin};

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
    fn heard(&mut self, host: &Host, event: Delivery<Config>) {
        host.info(&event.data.word);
        self.word = event.data.word;
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

/// Hears everything, and looks at what it is.
#[derive(Default)]
pub struct Listener {
    heard: Vec<String>,
}

#[plugin]
impl Listener {
    #[on_event]
    fn on_event(&mut self, _host: &Host, event: Delivery) -> Result<(), Reject> {
        let words = match (event.kind, event.topic.as_deref()) {
            (DeliveryKind::Topic, Some("words.spoken")) => event.read::<Vec<String>>()?,
            (DeliveryKind::Topic, topic) => vec![topic.unwrap_or_default().to_owned()],
            (DeliveryKind::Message, _) => vec![event.from],
        };
        self.heard.extend(words);
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
        .on_event(
            &host,
            Call::new(
                br#"{"kind": "message", "from": "a.b", "data": {"word": "b"}}"#,
                &mut scratch,
            ),
        )
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
fn an_event_arrives_as_the_host_delivers_it() {
    let host = Host::fake();
    let mut listener = Listener::default();
    let mut scratch = Vec::new();
    for delivered in [
        r#"{"kind": "topic", "topic": "words.spoken", "from": "a.b", "data": ["one", "two"]}"#,
        r#"{"kind": "topic", "topic": "other", "from": "a.b", "data": null}"#,
        r#"{"kind": "message", "from": "c.d", "data": {"later": "more"}, "new": "member"}"#,
    ] {
        Plugin::on_event(&mut listener, &host, Call::new(delivered.as_bytes(), &mut scratch)).unwrap();
    }
    assert_eq!(listener.heard, ["one", "two", "other", "c.d"]);
}

#[test]
fn an_event_of_another_shape_never_enters_the_method() {
    let host = Host::fake();
    let mut built = Built { word: "a".into() };
    let mut scratch = Vec::new();
    for (delivered, pointer) in [
        (
            r#"{"kind": "message", "from": "a.b", "data": {"word": 5}}"#,
            "/data/word",
        ),
        (r#"{"kind": "rumour", "from": "a.b", "data": {"word": "b"}}"#, "/kind"),
        (r#"{"kind": "message", "data": {"word": "b"}}"#, ""),
    ] {
        let refused = built.on_event(&host, Call::new(delivered.as_bytes(), &mut scratch));
        let reject = refused.unwrap_err();
        assert_eq!(
            (reject.code.as_str(), &reject.details["pointer"]),
            ("INVALID_ARGUMENT", &json!(pointer))
        );
    }
    assert_eq!((built.word.as_str(), host.logged().len()), ("a", 0));
    let refused = Listener::default().on_event(&host, Delivery::published("words.spoken", "a.b", json!([1])));
    assert_eq!(refused.unwrap_err().code, Reject::INVALID_ARGUMENT);
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
