//! A failure as people and programs read it: [`Problem`].

use std::error::Error;
use std::fmt::Write as _;

use jiff::Timestamp;
use palisade_bundle::{Code, Coded};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::failure::Report;
use crate::json;
use crate::style;
use palisade_bundle::Visible;

/// The problem object of errors.md, the same as the management API's.
#[derive(Debug, Serialize)]
pub struct Problem<'a> {
    code: &'static str,
    message: String,
    details: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'a str>,
    operation: &'a str,
    operation_id: String,
    timestamp: String,
    severity: &'static str,
    recoverable: bool,
    #[serde(skip)]
    report: &'a Report,
}

impl<'a> Problem<'a> {
    /// `report` as it came out of `operation`, such as `key generate`.
    pub fn new(report: &'a Report, operation: &'a str, operation_id: String, timestamp: Timestamp) -> Self {
        let code: Code = report.error.code();
        Self {
            code: code.as_str(),
            message: message_of(&*report.error),
            details: report.details(),
            plugin: report.plugin.as_deref(),
            operation,
            operation_id,
            // Milliseconds are what a log can use.
            timestamp: format!("{timestamp:.3}"),
            severity: code.severity().as_str(),
            recoverable: code.is_recoverable(),
            report,
        }
    }

    /// One JSON object on one line.
    pub(crate) fn for_programs(&self) -> String {
        let line = json::to_vec(self).unwrap_or_default();
        format!("{}\n", String::from_utf8_lossy(&line))
    }

    /// `error[CODE]: what`, the place or the facts, then `help:` lines.
    pub(crate) fn for_people(&self) -> String {
        let mut text = String::new();
        if let Some(excerpt) = &self.report.excerpt {
            let _ = writeln!(text, "{}", excerpt.render(self.code));
        } else {
            let _ = writeln!(
                text,
                "{}: {}",
                style::error(format_args!("error[{}]", self.code)),
                style::heading(Visible(&self.message))
            );
            self.write_facts(&mut text);
        }
        let help = self.report.error.help();
        let excerpt = self.report.excerpt.as_ref();
        let is_news = |line: &&String| excerpt.is_none_or(|excerpt| !excerpt.says(line));
        for line in help.iter().chain(&self.report.help).filter(is_news) {
            let _ = writeln!(text, "{}: {}", style::help("help"), Visible(line));
        }
        text
    }

    fn write_facts(&self, text: &mut String) {
        let plugin = self.plugin.map(|plugin| ("plugin", plugin.to_owned()));
        let details = self
            .details
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), shown(value)?)));
        let help = self.report.error.help();
        // What the message or the help says already is no news.
        let is_news = |value: &str| !self.message.contains(value) && !help.iter().any(|line| line.contains(value));
        let facts: Vec<_> = plugin
            .into_iter()
            .chain(details)
            .filter(|(_, value)| is_news(value))
            .collect();
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in facts {
            if value.contains('\n') {
                let _ = writeln!(text, "  {name}");
                value
                    .lines()
                    .for_each(|line| _ = writeln!(text, "    {}", Visible(line)));
            } else {
                let _ = writeln!(text, "  {name:width$}  {}", Visible(value));
            }
        }
    }
}

/// The error and its causes, joined as one sentence.
fn message_of(error: &(dyn Coded + Send + Sync)) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(message, ": {cause}");
        source = <dyn Error>::source(cause);
    }
    message
}

/// A fact on one line; `None` for one that says nothing.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(items.iter().filter_map(shown).collect::<Vec<_>>().join(", ")),
        Value::Object(members) if members.is_empty() => None,
        other => Some(other.to_string()),
    }
}
