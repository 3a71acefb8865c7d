//! What happened to plugins, asked for and followed.

use axum::body::{Body, HttpBody as _};
use axum::http::Method;
use palisade_server::ServiceSettings;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Api, ID, request};
use crate::lifecycle::{guest, on_one_thread};

/// A stream of events that is being read.
struct Following(Body);

impl Following {
    async fn of(api: &Api, path: &str, last: Option<&str>) -> Self {
        let mut request = request(Method::GET, path, "all", "");
        request
            .headers_mut()
            .insert("accept", "text/event-stream".parse().unwrap());
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", last.parse().unwrap());
        }
        let response = api.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response.into_body())
    }

    /// The next piece, which is one event here.
    async fn next(&mut self) -> Option<String> {
        let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut self.0).poll_frame(context)).await?;
        Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
    }
}

fn field<'a>(event: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    event
        .lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .unwrap_or_default()
}

#[test]
fn a_stream_tells_what_happens_and_goes_on_where_it_broke_off() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        let mut stream = Following::of(&api, "/plugins/events", None).await;
        api.house.supervisor.reload(ID).await.unwrap();
        let first = stream.next().await.unwrap();
        assert_eq!(field(&first, "event"), "plugin:reloading");
        let event: serde_json::Value = serde_json::from_str(field(&first, "data")).unwrap();
        assert_eq!(
            (event["plugin_id"].as_str(), event["event"].as_str()),
            (Some(ID), Some("plugin:reloading"))
        );
        drop(stream);
        let mut resumed = Following::of(&api, "/plugins/events", Some(field(&first, "id"))).await;
        let second = resumed.next().await.unwrap();
        let second: serde_json::Value = serde_json::from_str(field(&second, "data")).unwrap();
        assert_eq!(second["seq"].as_u64(), event["seq"].as_u64().map(|seq| seq + 1));
    });
}

#[test]
fn a_listing_can_be_narrowed() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        let count = |body: serde_json::Value| body["events"].as_array().unwrap().len();
        let all = api.get("/plugins/events").await.ok();
        assert!(count(all.clone()) > 4);
        assert_eq!(count(api.get("/plugins/events?type=plugin:enabled").await.ok()), 1);
        assert_eq!(count(api.get("/plugins/events?plugin=other").await.ok()), 0);
        let third = all["events"][2]["event_id"].as_str().unwrap();
        assert_eq!(
            count(api.get(&format!("/plugins/events?since={third}")).await.ok()),
            count(all.clone()) - 3
        );
        assert_eq!(
            count(api.get("/plugins/events?since=2027-01-15T08:00:01Z").await.ok()),
            0
        );
        assert_eq!(
            count(api.get("/plugins/events?since=2027-01-15T08:00:00Z").await.ok()),
            count(all)
        );
        api.get("/plugins/events?since=yesterday")
            .await
            .fails(400, "INVALID_ARGUMENT");
    });
}

#[test]
fn a_server_that_stops_ends_its_streams_and_is_not_ready() {
    on_one_thread(async {
        let ending = CancellationToken::new();
        let api = Api::with(|settings: ServiceSettings| settings.ending(ending.clone()));
        api.get("/readyz").await.ok();
        let mut stream = Following::of(&api, "/plugins/events", None).await;
        ending.cancel();
        assert_eq!(stream.next().await, None);
        assert_eq!(api.get("/readyz").await.status, 503);
        assert_eq!(api.get("/livez").await.status, 200);
    });
}
