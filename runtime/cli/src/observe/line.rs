//! A log line and an event as a person reads them: one line each. Everything in them may come from a plugin.

use std::fmt::Write as _;

use palisade::{EventLine, Level, LogLine, LogSource};
use palisade_bundle::Visible;
use palisade_signer::style;
use serde_json::Value;

/// `TIME LEVEL PLUGIN VERSION text`, and where it came from unless the plugin logged it.
pub(crate) fn log(line: &LogLine) -> String {
    let level = format!("{:>5}", line.level.as_str());
    let level = match line.level {
        Level::Trace | Level::Debug | Level::Info => level,
        Level::Warn => style::warning(level).to_string(),
        Level::Error | Level::Fatal => style::error(level).to_string(),
    };
    let version = line.version.as_deref().unwrap_or("-");
    let source = match line.source {
        LogSource::Stdout => " [stdout]",
        LogSource::Stderr => " [stderr]",
        LogSource::Host => " [host]",
        // A source of a later version is not worth refusing the line.
        _ => "",
    };
    format!(
        "{} {level} {} {}{source} {}",
        Visible(&line.time),
        Visible(&line.plugin_id),
        Visible(version),
        Visible(&line.text)
    )
}

/// `TIME PLUGIN VERSION #SEQ event fact=value …`.
pub(crate) fn event(line: &EventLine) -> String {
    let mut text = match &line.timestamp {
        Some(timestamp) => timestamp.to_string(),
        None => "-".to_owned(),
    };
    for part in [&line.plugin_id, &line.version].into_iter().flatten() {
        let _ = write!(text, " {}", Visible(part));
    }
    if let Some(seq) = line.seq {
        let _ = write!(text, " #{seq}");
    }
    let _ = write!(text, " {}", kind(&line.event, line.facts.get("status")));
    for (name, value) in &line.facts {
        let _ = write!(text, " {}={}", Visible(name), Visible(word(value)));
    }
    text
}

/// The name of an event without what all have in common, in the colour of how bad it is.
fn kind(event: &str, status: Option<&Value>) -> String {
    let name = event.strip_prefix("plugin:").unwrap_or(event);
    let shown = Visible(name);
    match name {
        "error" | "quarantined" | "security:violation" | "resource:exceeded" => style::error(shown).to_string(),
        "warning" | "rollback" | "permission:denied" | "resource:threshold" | "journal:dropped" => {
            style::warning(shown).to_string()
        }
        "executed" if status.is_some_and(|status| status != "ok") => style::warning(shown).to_string(),
        "installed" | "enabled" | "reloaded" => style::good(shown).to_string(),
        _ => shown.to_string(),
    }
}

/// A value in one word where it is one, else as JSON.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '=', '"']) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use palisade::JournalLine;

    use super::*;

    fn shown(json: &str) -> String {
        event(&EventLine::parse(json).unwrap())
    }

    #[test]
    fn an_event_is_one_line_with_its_facts() {
        let json = r#"{"event_id":"a-1","seq":3,"plugin_id":"com.acme.echo","version":"1.2.3",
            "timestamp":"2026-11-25T08:00:00Z","operation_id":null,"event":"plugin:drained","interrupted":2}"#;
        assert_eq!(
            shown(json),
            "2026-11-25T08:00:00Z com.acme.echo 1.2.3 #3 drained interrupted=2"
        );
        assert_eq!(
            shown(r#"{"event":"journal:dropped","timestamp":"2026-11-25T08:00:00Z","count":5}"#),
            format!("2026-11-25T08:00:00Z {} count=5", style::warning("journal:dropped"))
        );
    }

    #[test]
    fn no_plugin_paints_the_screen_or_makes_a_second_line() {
        let json = r#"{"event":"plugin:custom","plugin_id":"a\u001b[2J\nb","topic":"\u001b[31m\n",
            "data":{"\u202e":"\u009b"},"timestamp":null}"#;
        let text = shown(json);
        assert!(
            !text.contains(|char: char| palisade_bundle::is_unsafe_to_show(char)),
            "{text:?}"
        );
        let line = LogLine::parse(
            r#"{"time":"\u001b","level":"info","plugin_id":"\n","version":"\r","source":"stdout","text":"\u001b[2J"}"#,
        );
        let text = log(&line.unwrap());
        assert!(
            !text.contains(|char: char| palisade_bundle::is_unsafe_to_show(char)),
            "{text:?}"
        );
    }
}
