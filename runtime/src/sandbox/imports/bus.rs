//! `publish`, `message_send` and `plugin_call`: one plugin to another; `emit`: a plugin to the host's events.

use palisade_bundle::{Code, Permission};

use super::super::host::PluginLinker;
use super::super::powers::denied;
use super::HostCallError;
use super::offer::{Answer, Offered, Outcome, Request, Span, json, text};
use crate::event::{EventKind, Json};
use crate::receipt::HostCall;
use crate::services::{BusError, Peer};

/// Most bytes of something published, sent or emitted, its name included: a queue holds hundreds of them.
const DATA_BYTES: u64 = 64 * 1024;

/// Longest name of a command and of a plugin together (manifest rules).
const NAMES_BYTES: u64 = 64 + 128;

/// Longest name of an event of the plugin's own, as of a topic.
const TOPIC_BYTES: usize = 128;

pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    let two = |(name, name_len, data, data_len): (i32, i32, i32, i32)| {
        ([Span::new(name, name_len), Span::new(data, data_len)], ())
    };
    Offered {
        call: HostCall::Publish,
        permission: Some(Permission::EventsPublish),
        most_bytes: |_| DATA_BYTES,
        read: two,
        work: |request| Box::pin(std::future::ready(publish(request))),
    }
    .link(linker)?;
    Offered {
        call: HostCall::MessageSend,
        permission: Some(Permission::MessageSend),
        most_bytes: |_| DATA_BYTES,
        read: two,
        work: |request| Box::pin(std::future::ready(send(request))),
    }
    .link(linker)?;
    Offered {
        call: HostCall::Emit,
        permission: None,
        most_bytes: |_| DATA_BYTES,
        read: two,
        work: |request| Box::pin(std::future::ready(emit(request))),
    }
    .link(linker)?;
    Offered {
        call: HostCall::PluginCall,
        permission: Some(Permission::PluginCall),
        most_bytes: |powers| powers.limits.args_bytes.saturating_add(NAMES_BYTES),
        read: |(plugin, plugin_len, command, command_len, args, args_len): (i32, i32, i32, i32, i32, i32)| {
            let spans = [
                Span::new(plugin, plugin_len),
                Span::new(command, command_len),
                Span::new(args, args_len),
            ];
            (spans, ())
        },
        work: |request| Box::pin(call(request)),
    }
    .link(linker)
}

fn publish(request: Request<2, ()>) -> Outcome {
    let [topic, data] = request.bytes;
    let topic = text(topic, "topic")?;
    if !request.powers.topics.iter().any(|named| named.as_str() == topic) {
        return Err(HostCallError {
            message: format!("the manifest does not name the topic `{topic}`"),
            ..denied(&Permission::EventsPublish)
        });
    }
    let receivers = request
        .powers
        .services
        .bus
        .publish(&request.trail, &topic, &json(data, "data")?)
        .map_err(failed)?;
    Ok(Answer::yes(receivers > 0))
}

fn send(request: Request<2, ()>) -> Outcome {
    let [to, data] = request.bytes;
    let to = text(to, "plugin")?;
    let bus = &request.powers.services.bus;
    bus.send(&request.trail, &to, &json(data, "data")?).map_err(failed)?;
    Ok(Answer::default())
}

fn emit(request: Request<2, ()>) -> Outcome {
    let [name, data] = request.bytes;
    let topic = text(name, "name")?;
    if topic.is_empty() || topic.len() > TOPIC_BYTES {
        return Err(HostCallError::argument(format!("a name has 1 to {TOPIC_BYTES} bytes")));
    }
    if !request
        .powers
        .shares
        .event_rate
        .is_on_time(request.powers.services.clock.now())
    {
        return Err(
            HostCallError::new(Code::RateLimitExceeded, "too many events; try again later").with("retry_after_ms", 10),
        );
    }
    let data = Json(json(data, "data")?);
    let topic = palisade_bundle::printable(&topic);
    request.powers.tell(EventKind::Custom { topic, data });
    Ok(Answer::default())
}

async fn call(request: Request<3, ()>) -> Outcome {
    let powers = &request.powers;
    let [plugin, command, args] = request.bytes;
    let plugin_id = text(plugin, "plugin")?;
    let command = text(command, "command")?;
    let Some(version) = powers.dependencies.get(&plugin_id) else {
        return Err(HostCallError {
            message: format!("the manifest does not name the dependency `{plugin_id}`"),
            ..denied(&Permission::PluginCall)
        });
    };
    let peer = Peer {
        plugin_id,
        version: version.clone(),
    };
    let bus = &powers.services.bus;
    let reply = bus.call(&request.trail, &peer, &command, &args).await;
    Ok(Answer::bytes(reply.map_err(failed)?))
}

fn failed(error: BusError) -> HostCallError {
    match error {
        BusError::Failed(answer) => HostCallError::foreign(answer),
        error => HostCallError {
            violation: error.violation(),
            ..HostCallError::from(error)
        },
    }
}
