//! What a plugin does by the clock.

use axum::Json;
use axum::response::Response;
use palisade::ScheduleStatus;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::commands::bytes_of;
use crate::api::Api;
use crate::caller::Caller;
use crate::caller::scope::{Manage, Read};
use crate::endpoint::{Endpoint, Schema};
use crate::params::Params;
use crate::rejection::Rejection;

#[derive(Serialize, JsonSchema)]
struct Entries {
    plugin: String,
    #[schemars(with = "Vec<Map<String, Value>>")]
    schedule: Vec<ScheduleStatus>,
}

pub(super) fn add(api: Api) -> Api {
    let get = Endpoint::get("schedule", "/plugins/schedule", "What a plugin does by the clock");
    let entry = |name, path, summary| {
        Endpoint::post(name, path, summary)
            .needs::<Manage>()
            .about_plugin()
            .requires(
                "name",
                json!({"type": "string", "minLength": 1}),
                "The entry of the schedule",
            )
    };
    let change = |name, path, summary| entry(name, path, summary).answers::<Map<String, Value>>(200);
    api.call(get.needs::<Read>().about_plugin().answers::<Entries>(200), schedule)
        .call(
            change(
                "pause_schedule",
                "/plugins/schedule/pause",
                "Keep an entry from beginning",
            ),
            pause,
        )
        .call(
            change(
                "resume_schedule",
                "/plugins/schedule/resume",
                "Let an entry begin again",
            ),
            resume,
        )
        .call(
            entry(
                "run_schedule",
                "/plugins/schedule/run",
                "Run the command of an entry now",
            )
            .answers::<Value>(200)
            .answers_with(200, "application/octet-stream", Schema::bytes()),
            run,
        )
}

async fn schedule(caller: Caller<Read>, mut params: Params) -> Answer<Entries> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let schedule = caller.supervisor().schedule(&id)?;
    Ok(Json(Entries { plugin: id, schedule }))
}

async fn pause(caller: Caller<Manage>, params: Params) -> Answer<ScheduleStatus> {
    let (id, name) = named(params)?;
    Ok(Json(caller.supervisor().pause_schedule(&id, &name).await?))
}

async fn resume(caller: Caller<Manage>, params: Params) -> Answer<ScheduleStatus> {
    let (id, name) = named(params)?;
    Ok(Json(caller.supervisor().resume_schedule(&id, &name).await?))
}

async fn run(caller: Caller<Manage>, params: Params) -> Result<Response, Rejection> {
    let (id, name) = named(params)?;
    Ok(bytes_of(caller.supervisor().run_schedule(&id, &name).await?))
}

fn named(mut params: Params) -> Result<(String, String), Rejection> {
    let named = (params.plugin()?, params.required("name")?);
    params.end(&["plugin", "name"])?;
    Ok(named)
}
