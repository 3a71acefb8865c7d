//! Running commands from forms made of their schemas.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use palisade::manifest::{Command, Encoding};
use palisade::{CallError, Coded, CommandError, Manifest, Output, Receipt};
use serde_json::Value;

use super::Head;
use crate::caller::scope::{Execute, Read};
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::token::Scope;
use crate::ui::form::Form;
use crate::ui::notice::Notice;
use crate::ui::schema::{Field, Kind};
use crate::ui::shell::{Section, Shell, shown, shown_as};
use crate::ui::visitor::{Sent, Visitor};
use crate::ui::words;

/// The longest answer that a page shows. The API gives all of it.
const MAX_SHOWN_BYTES: usize = 64 * 1024;

/// One command with its form and what came of it.
#[derive(Template)]
#[template(path = "command.html")]
struct CommandForm {
    at: String,
    id: String,
    form_token: String,
    name: String,
    description: String,
    is_idempotent: bool,
    field: Field,
    lacks: Option<String>,
    outcome: Option<Outcome>,
    is_open: bool,
}

/// What came of a command.
struct Outcome {
    notice: Option<Notice>,
    answer: String,
    bill: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "commands.html")]
struct CommandsPage {
    shell: Shell,
    head: Head,
    commands: Vec<CommandForm>,
    lists_commands: bool,
}

pub(super) async fn page(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Rejection> {
    let status = visitor.caller::<Read>()?.supervisor().status(&id)?;
    show_page(&visitor, &status, None)
}

fn show_page(
    visitor: &Visitor,
    status: &palisade::PluginStatus,
    ran: Option<CommandForm>,
) -> Result<Response, Rejection> {
    let manifest = &status.manifest;
    let shell = visitor.shell(Section::Plugins, format!("Commands of {}", manifest.name));
    let is_only_one = manifest.commands.len() == 1;
    let mut commands: Vec<_> = manifest
        .commands
        .iter()
        .map(|command| CommandForm::of(visitor, manifest, command))
        .collect();
    commands.iter_mut().for_each(|command| command.is_open = is_only_one);
    if let Some(ran) = ran
        && let Some(place) = commands.iter_mut().find(|command| command.name == ran.name)
    {
        *place = ran;
    }
    shown(&CommandsPage {
        head: Head::of(visitor, status, "commands"),
        lists_commands: !manifest.commands.is_empty(),
        shell,
        commands,
    })
}

/// Runs a command on what was typed.
pub(super) async fn run(Path((id, command)): Path<(String, String)>, sent: Sent) -> Result<Response, Rejection> {
    let visitor = &sent.visitor;
    let caller = visitor.caller::<Execute>()?;
    let status = caller.supervisor().status(&id)?;
    let declared = status.manifest.commands.iter().find(|known| known.name == command);
    let declared = declared.ok_or_else(|| RequestError::NoRoute.reject())?;
    let mut form = CommandForm::of(visitor, &status.manifest, declared);
    form.is_open = true;
    form.outcome = match form.arguments(&sent.form, declared.encoding) {
        Some(arguments) => {
            let called = caller.supervisor().call(&id, &command, &arguments).await;
            Some(form.outcome_of(called))
        }
        None => Some(Outcome::refused(
            "What was typed does not fit",
            "Look at the fields that are marked.",
        )),
    };
    match visitor.place.is_fragment {
        true => shown_as(axum::http::StatusCode::OK, &form),
        // Everything as it was, for whoever has no scripts.
        false => show_page(visitor, &status, Some(form)),
    }
}

impl CommandForm {
    fn of(visitor: &Visitor, manifest: &Manifest, command: &Command) -> Self {
        let mut field = Field::of(command.input_schema.as_ref(), None);
        if command.encoding == Encoding::Bytes {
            field.kind = Kind::Text;
        }
        if command.input_schema.is_none() {
            field.is_required = false;
            field.help = "nothing, or what the command takes".to_owned();
        }
        Self {
            at: visitor.place.at.clone(),
            id: manifest.id.to_string(),
            form_token: visitor.shell(Section::Plugins, "").form_token().to_owned(),
            name: command.name.clone(),
            description: command.description.clone(),
            is_idempotent: command.idempotent,
            lacks: visitor.lacks(Scope::Execute),
            outcome: None,
            is_open: false,
            field,
        }
    }

    /// What was typed, as the plugin gets it; `None` when it is not what the fields are for.
    fn arguments(&mut self, form: &Form, encoding: Encoding) -> Option<Vec<u8>> {
        let value = self.field.read(form)?;
        Some(match (encoding, value) {
            (_, Value::Null) if !self.field.is_required => Vec::new(),
            (Encoding::Bytes, Value::String(text)) => text.into_bytes(),
            (_, value) => value.to_string().into_bytes(),
        })
    }

    fn outcome_of(&mut self, called: Result<Output, CommandError>) -> Outcome {
        let error = match called {
            Ok(output) => return Outcome::answered(&output),
            Err(error) => error,
        };
        let details = error.details();
        let text = |name: &str| details.get(name).and_then(Value::as_str);
        if let (Some(pointer), Some(expected)) = (text("pointer"), text("expected")) {
            self.field.complain(pointer, expected);
        }
        let bill = match &error {
            CommandError::Call(CallError::Guest { receipt, .. }) => bill_of(receipt),
            _ => Vec::new(),
        };
        Outcome {
            notice: Some(Notice::of(&error.into())),
            answer: String::new(),
            bill,
        }
    }
}

impl Outcome {
    fn refused(title: &str, message: &str) -> Self {
        let mut notice = Notice::done(title, message);
        notice.tone = "bad";
        Self {
            notice: Some(notice),
            answer: String::new(),
            bill: Vec::new(),
        }
    }

    fn answered(output: &Output) -> Self {
        Self {
            notice: None,
            answer: shown_answer(output.bytes()),
            bill: bill_of(output.receipt()),
        }
    }
}

/// JSON laid out, text as it is, and of anything else how long it is.
fn shown_answer(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "(nothing)".to_owned();
    }
    if bytes.len() > MAX_SHOWN_BYTES {
        return format!("({}, too long to be shown here)", words::bytes(bytes.len() as u64));
    }
    let json = serde_json::from_slice::<Value>(bytes).and_then(|value| serde_json::to_string_pretty(&value));
    json.unwrap_or_else(|_| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("({} that are no text)", words::bytes(bytes.len() as u64)),
    })
}

fn bill_of(receipt: &Receipt) -> Vec<(&'static str, String)> {
    let calls = receipt
        .host_calls
        .iter()
        .map(|(name, count)| format!("{name} × {count}"));
    let calls = calls.collect::<Vec<_>>().join(", ");
    vec![
        ("took", format!("{:.3} ms", receipt.duration.as_secs_f64() * 1_000.0)),
        ("fuel", words::count(receipt.fuel)),
        ("memory", words::bytes(receipt.peak_memory_bytes)),
        (
            "in, out",
            format!(
                "{}, {}",
                words::bytes(receipt.bytes_in),
                words::bytes(receipt.bytes_out)
            ),
        ),
        ("generation", receipt.generation.to_string()),
        ("host calls", if calls.is_empty() { "none".to_owned() } else { calls }),
    ]
}
