//! The configuration of a plugin: a form, what would change, and what it was before.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use palisade::{Coded, ConfigChange, PluginStatus, Supervisor, TransitionError};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Head;
use crate::caller::scope::{Manage, Read};
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;
use crate::token::Scope;
use crate::ui::difference::{Change, between};
use crate::ui::notice::Notice;
use crate::ui::schema::Field;
use crate::ui::shell::{Section, Shell, shown, shown_as};
use crate::ui::visitor::{Sent, Visitor};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// A configuration of the history, to begin with.
    from: Option<i64>,
}

/// A configuration of the history.
struct Past {
    number: i64,
    at: String,
    version: String,
    changes: Vec<Change>,
    is_current: bool,
}

/// The form, and what was found out about what it holds.
#[derive(Template)]
#[template(path = "config_form.html")]
struct ConfigForm {
    at: String,
    id: String,
    form_token: String,
    field: Field,
    has_schema: bool,
    lacks: Option<String>,
    notice: Option<Notice>,
    review: Option<ReviewedConfig>,
}

/// A configuration that would be accepted.
struct ReviewedConfig {
    changes: Vec<Change>,
    json: String,
    /// Which configuration it is meant to follow.
    tag: String,
}

#[derive(Template)]
#[template(path = "config.html")]
struct ConfigPage {
    shell: Shell,
    head: Head,
    form: ConfigForm,
    history: Vec<Past>,
}

pub(super) async fn page(
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Rejection> {
    let reader = visitor.caller::<Read>()?;
    let supervisor = reader.supervisor();
    let history = supervisor.shown_config_history(&id).await?;
    let past = asked
        .from
        .and_then(|number| history.iter().find(|past| past.number == number));
    let begin_with = match past {
        Some(past) => past.config.clone(),
        None => supervisor.shown_config(&id)?,
    };
    let status = supervisor.status(&id)?;
    let form = ConfigForm::of(&visitor, &status, &begin_with);
    shown(&whole_page(&visitor, &status, form, &history))
}

fn whole_page(visitor: &Visitor, status: &PluginStatus, form: ConfigForm, history: &[ConfigChange]) -> ConfigPage {
    ConfigPage {
        shell: visitor.shell(Section::Plugins, format!("Configuration of {}", status.manifest.name)),
        head: Head::of(visitor, status, "config"),
        history: told(history),
        form,
    }
}

/// Each configuration with what it changed in the one before.
fn told(history: &[ConfigChange]) -> Vec<Past> {
    let before = history
        .iter()
        .skip(1)
        .map(|past| past.config.clone())
        .chain([Map::new()]);
    let past = |(index, (past, before)): (usize, (&ConfigChange, Map<String, Value>))| Past {
        number: past.number,
        at: past.at.map(|at| at.to_string()).unwrap_or_default(),
        version: past.version.clone(),
        changes: between(&before, &past.config),
        is_current: index == 0,
    };
    history.iter().zip(before).enumerate().map(past).collect()
}

/// Looks at what was typed, and saves what was looked at.
pub(super) async fn change(
    State(service): State<Service>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Rejection> {
    let manager = sent.visitor.caller::<Manage>()?;
    let supervisor = manager.supervisor();
    let (visitor, status) = (&sent.visitor, supervisor.status(&id)?);
    let mut form = ConfigForm::of(visitor, &status, &supervisor.shown_config(&id)?);
    let saved = match sent.form.text("config") {
        Some(config) => {
            let reviewed = serde_json::from_str(config).map_err(|_| RequestError::NotAConfiguration.reject())?;
            form.field = Field::of(status.manifest.config_schema.as_ref(), Some(&Value::Object(reviewed)));
            form.save(&service, supervisor, sent.form.text("tag").unwrap_or_default(), config)
                .await?
        }
        None => {
            form.look_at(&service, supervisor, &sent)?;
            false
        }
    };
    if saved {
        return Ok(visitor.place.go_to(&format!("/plugins/{id}?done=config")));
    }
    let has_failed = form.notice.is_some();
    let code = if has_failed {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    match visitor.place.is_fragment {
        true => shown_as(code, &form),
        false => {
            let history = supervisor.shown_config_history(&id).await?;
            shown_as(code, &whole_page(visitor, &status, form, &history))
        }
    }
}

impl ConfigForm {
    fn of(visitor: &Visitor, status: &PluginStatus, config: &Map<String, Value>) -> Self {
        let schema = status.manifest.config_schema.as_ref();
        Self {
            at: visitor.place.at.clone(),
            id: status.id.clone(),
            form_token: visitor.shell(Section::Plugins, "").form_token().to_owned(),
            field: Field::of(schema, Some(&Value::Object(config.clone()))),
            has_schema: schema.is_some(),
            lacks: visitor.lacks(Scope::Manage),
            notice: None,
            review: None,
        }
    }

    /// Finds out what would change, and whether it would be accepted.
    fn look_at(&mut self, service: &Service, supervisor: &Supervisor, sent: &Sent) -> Result<(), Rejection> {
        let typed = match self.field.read(&sent.form) {
            Some(Value::Object(typed)) => typed,
            Some(_) => {
                self.notice = Some(Notice::of(&RequestError::NotAConfiguration.reject()));
                return Ok(());
            }
            None => {
                let mut notice = Notice::done("What was typed does not fit", "Look at the fields that are marked.");
                notice.tone = "bad";
                self.notice = Some(notice);
                return Ok(());
            }
        };
        let meant = supervisor.meant_config(&self.id, typed.clone())?;
        if let Err(error) = supervisor.check_config(&self.id, meant) {
            self.refuse(error);
            return Ok(());
        }
        let tag = service.config_tag(&supervisor.effective_config(&self.id)?);
        self.review = Some(ReviewedConfig {
            changes: between(&supervisor.shown_config(&self.id)?, &typed),
            json: Value::Object(typed).to_string(),
            tag: tag.to_str().unwrap_or_default().to_owned(),
        });
        Ok(())
    }

    /// Saves a configuration that was looked at, unless somebody was faster.
    async fn save(
        &mut self,
        service: &Service,
        supervisor: &Supervisor,
        tag: &str,
        config: &str,
    ) -> Result<bool, Rejection> {
        let config = serde_json::from_str(config).map_err(|_| RequestError::NotAConfiguration.reject())?;
        let meant = supervisor.meant_config(&self.id, config)?;
        let seen = supervisor.effective_config(&self.id)?;
        if service.config_tag(&seen).as_bytes() != tag.as_bytes() {
            self.notice = Some(Notice::of(&RequestError::Stale.reject()));
            return Ok(false);
        }
        match supervisor.replace_config(&self.id, seen, meant).await {
            Ok(_) => Ok(true),
            Err(TransitionError::ConfigChanged) => {
                self.notice = Some(Notice::of(&RequestError::Stale.reject()));
                Ok(false)
            }
            Err(error) => {
                self.refuse(error);
                Ok(false)
            }
        }
    }

    fn refuse(&mut self, error: TransitionError) {
        let details = error.details();
        let mut notice = Notice::of(&error.into());
        for wrong in details.get("errors").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| wrong.get(name).and_then(Value::as_str).unwrap_or_default();
            if !self.field.complain(text("pointer"), text("expected")) {
                notice.help.push(
                    format!("{} expected {}", text("pointer"), text("expected"))
                        .trim()
                        .to_owned(),
                );
            }
        }
        self.notice = Some(notice);
    }
}
