//! What a plugin does by the clock.

use axum::extract::Path;
use axum::response::Response;

use crate::caller::scope::Manage;
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::ui::visitor::Sent;

/// Pauses, resumes or runs an entry.
pub(super) async fn change(Path(id): Path<String>, sent: Sent) -> Result<Response, Rejection> {
    let manager = sent.visitor.caller::<Manage>()?;
    let (supervisor, form) = (manager.supervisor(), &sent.form);
    let name = form
        .filled("name")
        .ok_or_else(|| RequestError::Missing { name: "name" }.reject())?;
    let change = form.text("change").unwrap_or_default();
    match change {
        "pause" => drop(supervisor.pause_schedule(&id, name).await?),
        "resume" => drop(supervisor.resume_schedule(&id, name).await?),
        "run" => drop(supervisor.run_schedule(&id, name).await?),
        _ => return Err(RequestError::Missing { name: "change" }.reject()),
    }
    Ok(sent.visitor.place.go_to(&format!("/plugins/{id}?done={change}")))
}
