//! The calls of the API, one file a topic. Each handler is one method of the supervisor.

mod answer;
mod audit;
mod bundles;
mod classic;
mod commands;
mod config;
mod data;
mod events;
mod life;
mod logs;
mod permissions;
mod plugins;
mod probes;
mod schedule;

use crate::api::Api;

/// Every call there is.
pub(crate) fn api() -> Api {
    let topics = [
        classic::add,
        plugins::add,
        bundles::add,
        life::add,
        commands::add,
        config::add,
        permissions::add,
        data::add,
        schedule::add,
        events::add,
        logs::add,
        audit::add,
        probes::add,
    ];
    topics.into_iter().fold(Api::default(), |api, add| add(api))
}
