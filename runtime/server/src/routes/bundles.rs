//! `install`, `upgrade` and `verify`, and the bundle of a plugin.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use palisade::{
    Approval, Bundle, Code, Coded, Digest, Downgrade, InstallOptions, Manifest, PluginStatus, Supervisor, TrustStore,
    UpgradeOptions, VerifiedBundle,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer as Answered, Done};
use crate::api::Api;
use crate::body;
use crate::caller::Caller;
use crate::caller::scope::{Install, Manage, Read};
use crate::endpoint::{Endpoint, Schema};
use crate::idempotency::{Answer, Turn};
use crate::params::Params;
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Installed {
    /// As `GET /plugins/{id}` tells it.
    #[serde(flatten)]
    #[schemars(with = "Map<String, Value>")]
    status: PluginStatus,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Upgraded {
    old_version: String,
    new_version: String,
    #[serde(flatten)]
    #[schemars(with = "Map<String, Value>")]
    status: PluginStatus,
}

#[derive(Serialize, JsonSchema)]
struct Verified {
    valid: bool,
    /// The first trusted key that signed it.
    key_id: Option<String>,
    #[schemars(with = "Option<Map<String, Value>>")]
    manifest: Option<Manifest>,
    /// What it asks for.
    permissions: Vec<String>,
    errors: Vec<VerifyProblem>,
}

#[derive(Serialize, JsonSchema)]
struct VerifyProblem {
    code: &'static str,
    message: String,
    details: Map<String, Value>,
}

pub(super) fn add(api: Api) -> Api {
    let install = Endpoint::post("install", "/plugins/install", "Install a plugin");
    let upgrade = Endpoint::post(
        "upgrade",
        "/plugins/upgrade",
        "Replace a plugin by another version; no command is lost",
    );
    let verify = Endpoint::post("verify", "/plugins/verify", "Check a bundle, and install nothing");
    let bundle = Endpoint::get(
        "bundle",
        "/plugins/bundle",
        "The bundle of a plugin, as it was installed",
    );
    let flag = || json!({"type": "boolean"});
    api.call(
        install
            .needs::<Install>()
            .takes("enable", flag(), "Start it as well")
            .takes(
                "grant",
                json!({"type": "array", "items": {"type": "string"}}),
                "A permission it is granted; as often as needed",
            )
            .takes(
                "config",
                json!({"type": "string"}),
                "Its configuration as JSON, instead of its manifest's",
            )
            .bundle()
            .answers::<Done<Installed>>(201),
        install_plugin,
    )
    .call(
        upgrade
            .needs::<Install>()
            .about_plugin()
            .takes(
                "approve",
                flag(),
                "Grant what the new version asks for beyond the old one",
            )
            .takes("allow_downgrade", flag(), "Also to an older version")
            .takes("dry_run", flag(), "Check everything, and change nothing")
            .bundle()
            .answers::<Map<String, Value>>(200),
        upgrade_plugin,
    )
    .call(verify.needs::<Read>().bundle().answers::<Verified>(200), verify_bundle)
    .call(
        bundle
            .needs::<Read>()
            .about_plugin()
            .answers_with(200, "application/zip", Schema::bytes()),
        bundle_of,
    )
}

async fn install_plugin(
    State(service): State<Service>,
    caller: Caller<Install>,
    mut params: Params,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Rejection> {
    let (enable, grants) = (params.flag("enable")?, params.all("grant"));
    let config = params.text("config")?;
    params.end(&["enable", "grant", "config"])?;
    let as_object = |text: &String| serde_json::from_str(text).map_err(|_| RequestError::NotAConfiguration.reject());
    let options = InstallOptions {
        config: config.as_ref().map(as_object).transpose()?,
        grants,
    };
    let bundle = body::bundle(&headers, sent).await?;
    let asked = json!([
        "install",
        enable,
        options.grants,
        options.config,
        Digest::of(&bundle).to_string()
    ]);
    let (on_behalf, of) = (service.clone(), caller.supervisor().clone());
    let install = async move {
        let mut status = of.install(bundle, options).await?;
        if enable {
            status = of.enable(&status.id).await?;
        }
        let done = Done::new(&on_behalf, status.id.clone(), "Plugin installed", Installed { status });
        answer_of(StatusCode::CREATED, &done)
    };
    once(&service, &caller, &headers, &asked, install).await
}

async fn upgrade_plugin(
    State(service): State<Service>,
    caller: Caller<Install>,
    mut params: Params,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Rejection> {
    let id = params.plugin()?;
    let (approve, allow_downgrade, dry_run) = (
        params.flag("approve")?,
        params.flag("allow_downgrade")?,
        params.flag("dry_run")?,
    );
    params.end(&["plugin", "approve", "allow_downgrade", "dry_run"])?;
    if approve || allow_downgrade {
        // Granting and going back are what `plugin:manage` is for.
        Caller::<Manage>::of(&service, caller.identity())?;
    }
    // Unknown ones are known to be before 50 MiB are read.
    let old_version = caller.supervisor().status(&id)?.version;
    let bundle = body::bundle(&headers, sent).await?;
    let options = UpgradeOptions {
        approval: if approve { Approval::Given } else { Approval::Ask },
        downgrade: if allow_downgrade {
            Downgrade::ToSeen
        } else {
            Downgrade::Refuse
        },
    };
    if dry_run {
        let preview = caller
            .supervisor()
            .preview_upgrade(&id, bundle, options.downgrade)
            .await?;
        return Ok(Json(preview).into_response());
    }
    let asked = json!(["upgrade", id, approve, allow_downgrade, Digest::of(&bundle).to_string()]);
    let (on_behalf, of) = (service.clone(), caller.supervisor().clone());
    let upgrade = async move {
        let status = of.upgrade(&id, bundle, options).await?;
        let new_version = status.version.clone();
        let more = Upgraded {
            old_version,
            new_version,
            status,
        };
        answer_of(StatusCode::OK, &Done::new(&on_behalf, id, "Plugin upgraded", more))
    };
    once(&service, &caller, &headers, &asked, upgrade).await
}

/// Carries a request out unless it was already. It comes to its end, whoever stops waiting: who asks again is told.
async fn once(
    service: &Service,
    caller: &Caller<Install>,
    headers: &HeaderMap,
    asked: &Value,
    work: impl Future<Output = Result<Answer, Rejection>> + Send + 'static,
) -> Result<Response, Rejection> {
    let request = || Digest::of(asked.to_string().as_bytes());
    let running = match service.installs().turn(caller.identity().digest, headers, request)? {
        Turn::Again(answer) => return Ok(answer.into_response()),
        Turn::First(running) => running,
    };
    let carried_out = tokio::spawn(async move {
        let answer = work.await?;
        running.done(&answer);
        Ok::<_, Rejection>(answer)
    });
    let answer = carried_out.await.map_err(|_| RequestError::Panicked.reject())??;
    Ok(answer.into_response())
}

fn answer_of(status: StatusCode, body: &impl Serialize) -> Result<Answer, Rejection> {
    let body = serde_json::to_vec(body).map_err(|_| RequestError::Panicked.reject())?;
    Ok(Answer {
        status,
        body: Bytes::from(body),
    })
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, [(CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}

async fn verify_bundle(caller: Caller<Read>, params: Params, headers: HeaderMap, sent: Body) -> Answered<Verified> {
    params.end(&[])?;
    let bundle = body::bundle(&headers, sent).await?;
    Ok(Json(verified(caller.supervisor(), bundle).await?))
}

/// What a host thinks of a bundle. Hashing and inflating 50 MiB takes a tenth of a second, so it is done aside.
async fn verified(supervisor: &Supervisor, bundle: Vec<u8>) -> Result<Verified, Rejection> {
    let (trust, now) = (supervisor.trust(), supervisor.clock().wall());
    let work = move || Verified::of(&trust, bundle, now);
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| RequestError::Panicked.reject())
}

impl Verified {
    fn of(trust: &TrustStore, bytes: Vec<u8>, now: std::time::SystemTime) -> Self {
        let bundle = match Bundle::open(bytes) {
            Ok(bundle) => bundle,
            Err(error) => return Self::refused(&error),
        };
        match trust.verify(bundle, now) {
            Ok(bundle) => Self::valid(&bundle),
            Err(error) => Self::refused(&error),
        }
    }

    fn valid(bundle: &VerifiedBundle) -> Self {
        let manifest = bundle.manifest();
        let trusted = bundle.signatures().iter().find(|signature| signature.trusted);
        Self {
            valid: true,
            key_id: trusted.map(|signature| signature.key_id.to_string()),
            permissions: manifest
                .permissions
                .iter()
                .map(|asked| asked.name.to_string())
                .collect(),
            manifest: Some(manifest.clone()),
            errors: Vec::new(),
        }
    }

    fn refused(error: &dyn Coded) -> Self {
        let code: Code = error.code();
        Self {
            valid: false,
            key_id: None,
            manifest: None,
            permissions: Vec::new(),
            errors: vec![VerifyProblem {
                code: code.as_str(),
                message: error.to_string(),
                details: error.details(),
            }],
        }
    }
}

async fn bundle_of(caller: Caller<Read>, mut params: Params) -> Result<Response, Rejection> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let bundle = caller.supervisor().bundle(&id).await?;
    Ok(([(CONTENT_TYPE, "application/zip")], bundle).into_response())
}
