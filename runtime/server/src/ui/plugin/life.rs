//! What is done to a plugin by a button.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use palisade::{DisableOptions, PluginData, PluginStatus};

use super::Head;
use crate::caller::scope::{Manage, Read};
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::ui::form::Form;
use crate::ui::notice::Notice;
use crate::ui::shell::{Section, Shell, shown};
use crate::ui::visitor::{Sent, Visitor};

/// A button that asks first: its word, the question, what will happen, and what its own button says.
struct Question {
    operation: &'static str,
    title: &'static str,
    consequence: &'static str,
    yes: &'static str,
    /// Whether something is gone afterwards.
    is_grave: bool,
}

const QUESTIONS: [Question; 5] = [
    Question {
        operation: "restart",
        title: "Restart it?",
        consequence: "It stops and starts. Commands that arrive meanwhile are refused; a reload loses none.",
        yes: "Restart",
        is_grave: false,
    },
    Question {
        operation: "rollback",
        title: "Roll back?",
        consequence: "The version before takes its place, with the configuration it had. No command is lost.",
        yes: "Roll back",
        is_grave: false,
    },
    Question {
        operation: "disable",
        title: "Disable it?",
        consequence: "Running commands are waited for, then it stops and stays stopped. Its configuration and data are kept.",
        yes: "Disable",
        is_grave: false,
    },
    Question {
        operation: "release",
        title: "Release it from quarantine?",
        consequence: "It may be started again, although it crashed too often. It is not started yet.",
        yes: "Release",
        is_grave: false,
    },
    Question {
        operation: "uninstall",
        title: "Uninstall it?",
        consequence: "It stops, and its versions, configuration and history are removed.",
        yes: "Uninstall",
        is_grave: true,
    },
];

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    shell: Shell,
    head: Head,
    question: &'static Question,
}

/// The same question, in a dialog.
#[derive(Template)]
#[template(path = "confirm_form.html")]
struct ConfirmForm {
    shell: Shell,
    head: Head,
    question: &'static Question,
}

/// Asks whether it is meant.
pub(super) async fn confirm(
    visitor: Visitor,
    Path((id, operation)): Path<(String, String)>,
) -> Result<Response, Rejection> {
    let question = QUESTIONS.iter().find(|question| question.operation == operation);
    let question = question.ok_or_else(|| RequestError::NoRoute.reject())?;
    let status = visitor.caller::<Read>()?.supervisor().status(&id)?;
    let (shell, head) = (
        visitor.shell(Section::Plugins, question.title),
        Head::of(&visitor, &status, ""),
    );
    match visitor.place.is_fragment {
        true => shown(&ConfirmForm { shell, head, question }),
        false => shown(&ConfirmPage { shell, head, question }),
    }
}

/// Does it, and shows the plugin afterwards.
pub(super) async fn carry_out(
    Path((id, operation)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Rejection> {
    let manager = sent.visitor.caller::<Manage>()?;
    let supervisor = manager.supervisor();
    let place = &sent.visitor.place;
    match operation.as_str() {
        "enable" => drop(supervisor.enable(&id).await?),
        "reload" => {
            let status = supervisor.reload(&id).await?;
            if place.is_fragment {
                return shown(&reloaded(&status));
            }
        }
        "restart" => drop(supervisor.restart(&id).await?),
        "rollback" => drop(supervisor.rollback(&id).await?),
        "release" => drop(supervisor.release(&id).await?),
        "disable" => drop(supervisor.disable(&id, DisableOptions::default()).await?),
        "uninstall" => {
            supervisor.uninstall(&id, data_of(&sent.form)).await?;
            return Ok(place.go_to("/plugins?done=uninstall"));
        }
        _ => return Err(RequestError::NoRoute.reject()),
    }
    Ok(place.go_to(&format!("/plugins/{id}?done={operation}")))
}

fn data_of(form: &Form) -> PluginData {
    match form.text("data") {
        Some("preserve") => PluginData::Preserve,
        Some("discard") => PluginData::Discard,
        _ => PluginData::Archive,
    }
}

fn reloaded(status: &PluginStatus) -> Notice {
    let generation = status.generation.map_or_else(String::new, |generation| {
        format!("Generation {generation} serves now. ")
    });
    Notice::done("Reloaded", format!("{generation}No command was lost."))
}

/// What a page says about an operation that brought its visitor there.
pub(super) fn done(operation: &str) -> Option<Notice> {
    let (title, message) = match operation {
        "install" => ("Installed", "Everything it may do is under Permissions."),
        "enable" => ("Enabled", "It takes commands, now and whenever the host runs."),
        "reload" => ("Reloaded", "A new generation serves. No command was lost."),
        "restart" => ("Restarted", "It stopped and started."),
        "rollback" => (
            "Rolled back",
            "The version before serves again, with the configuration it had.",
        ),
        "release" => ("Released", "It may be enabled again."),
        "disable" => ("Disabled", "It takes no commands. Its configuration and data are kept."),
        "upgrade" => ("Upgraded", "The new version serves. No command was lost."),
        "config" => ("Configuration saved", "It is in use, and is the newest under History."),
        "grant" => ("Granted", "It is in effect."),
        "revoke" => ("Revoked", "It is in effect."),
        "pause" => ("Paused", "The entry does not begin until it is resumed."),
        "resume" => ("Resumed", "The entry begins again at its next time."),
        "run" => ("Run", "The command of the entry has ended well."),
        _ => return None,
    };
    Some(Notice::done(title, message))
}
