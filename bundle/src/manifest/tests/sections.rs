//! The nested objects of bundle.md, row by row.

use super::fields::row;
use super::*;

#[test]
fn resource_limits() {
    row(
        "resource_limits",
        &[
            json!({}),
            json!({ "memory": 1, "fuel": 1, "execution_time": 0.001 }),
            json!({ "fuel": 9_007_199_254_740_991_u64, "memory": "1.5 GB" }),
        ],
        &[
            (json!({ "memory": 0 }), "/memory"),
            (json!({ "memory": "lots" }), "/memory"),
            (json!({ "memory": "64 MiBi" }), "/memory"),
            (json!({ "memory": -1 }), "/memory"),
            (json!({ "memory": 1.5 }), "/memory"),
            (json!({ "storage": true }), "/storage"),
            (json!({ "output": null }), "/output"),
            (json!({ "fuel": "1000" }), "/fuel"),
            (json!({ "fuel": 0 }), "/fuel"),
            (json!({ "fuel": 9_007_199_254_740_992_u64 }), "/fuel"),
            (json!({ "execution_time": "0s" }), "/execution_time"),
            (json!({ "execution_time": "1 week" }), "/execution_time"),
            (json!({ "execution_time": -1 }), "/execution_time"),
            (json!({ "network": { "timeout": "x" } }), "/network/timeout"),
            (json!({ "network": { "requests": 1 } }), "/network/requests"),
            (
                json!({ "network": { "requests_per_minute": 0 } }),
                "/network/requests_per_minute",
            ),
            (json!({ "cpu": 1 }), "/cpu"),
        ],
    );
    let limits =
        accepted(json!({ "resource_limits": { "memory": "100MB", "execution_time": "250ms" } })).resource_limits;
    assert_eq!(limits.memory.map(crate::ByteSize::as_bytes), Some(100 << 20));
    assert_eq!(limits.execution_time.map(|time| time.as_millis()), Some(250));
}

#[test]
fn network() {
    row(
        "network",
        &[
            json!({}),
            json!({ "hosts": ["a.example", "*.b.example", "192.0.2.1", "[2001:db8::1]"], "methods": [], "ports": [1, 65_535] }),
        ],
        &[
            (json!({ "hosts": "a.example" }), "/hosts"),
            (json!({ "hosts": ["*"] }), "/hosts/0"),
            (json!({ "hosts": ["*.example"] }), "/hosts/0"),
            (json!({ "hosts": ["https://a.example/x"] }), "/hosts/0"),
            (json!({ "hosts": ["a.example", "a.example"] }), "/hosts/1"),
            (json!({ "methods": ["get"] }), "/methods/0"),
            (json!({ "methods": ["CONNECT"] }), "/methods/0"),
            (json!({ "ports": [0] }), "/ports/0"),
            (json!({ "ports": [65_536] }), "/ports/0"),
            (json!({ "ports": 443 }), "/ports"),
            (json!({ "max_concurrent": 0 }), "/max_concurrent"),
        ],
    );
    let credential = json!({ "name": "key", "hosts": ["a.example"] });
    row(
        "network",
        &[
            json!({ "credentials": [] }),
            json!({ "credentials": [credential, { "name": "k2", "header": "x-api-key", "hosts": ["*.b.example"] }] }),
        ],
        &[
            (json!({ "credentials": {} }), "/credentials"),
            (json!({ "credentials": [{ "hosts": ["a.example"] }] }), "/credentials/0"),
            (json!({ "credentials": [{ "name": "key" }] }), "/credentials/0"),
            (
                json!({ "credentials": [{ "name": "key", "hosts": [] }] }),
                "/credentials/0/hosts",
            ),
            (
                json!({ "credentials": [{ "name": "my key", "hosts": ["a.example"] }] }),
                "/credentials/0/name",
            ),
            (
                json!({ "credentials": [{ "name": "key", "header": "host", "hosts": ["a.example"] }] }),
                "/credentials/0/header",
            ),
            (
                json!({ "credentials": [{ "name": "key", "value": "s3cret", "hosts": ["a.example"] }] }),
                "/credentials/0/value",
            ),
            (json!({ "credentials": [credential, credential] }), "/credentials/1"),
        ],
    );
    assert_eq!(
        refused(json!({ "network": { "hosts": ["https://A.example:8080/x"] } })).suggestion(),
        Some("a.example")
    );
    assert_eq!(
        refused(json!({ "network": { "methods": ["get"] } })).suggestion(),
        Some("GET")
    );
    let network = accepted(json!({ "network": { "credentials": [credential] } }))
        .network
        .unwrap();
    assert_eq!(network.credentials[0].header.as_str(), "authorization");
}

#[test]
fn config() {
    let schema =
        json!({ "required": ["key"], "properties": { "port": { "type": "integer" }, "key": { "type": "string" } } });
    row(
        "config",
        &[json!({}), json!({ "any": ["thing"] })],
        &[(json!([]), ""), (json!("x"), ""), (json!(null), "")],
    );
    row(
        "config_schema",
        &[json!(true), schema.clone()],
        &[
            (json!("object"), ""),
            (json!({ "type": 1 }), "/type"),
            (
                json!({ "properties": { "a": { "$ref": "#/x" } } }),
                "/properties/a/$ref",
            ),
        ],
    );
    let manifest = accepted(json!({ "config": { "port": 1 }, "config_schema": schema.clone() }));
    refused_at(
        json!({ "config": { "port": "1" }, "config_schema": schema }),
        "/config/port",
    );

    assert!(manifest.check_config(&json!({ "key": "k" })).is_ok());
    let error = manifest.check_config(&json!({ "port": "1" })).unwrap_err();
    assert_eq!(error.code(), Code::ConfigInvalid);
    insta::assert_snapshot!(error, @"the configuration does not fit: expected the key `key`, and 1 more problem");
    insta::assert_json_snapshot!(error.details(), @r#"
    {
      "errors": [
        {
          "expected": "the key `key`",
          "pointer": ""
        },
        {
          "expected": "a whole number",
          "pointer": "/port"
        }
      ]
    }
    "#);
    assert!(
        accepted(json!({})).check_config(&json!([])).is_err(),
        "a configuration is an object"
    );
}

#[test]
fn dependencies() {
    row(
        "dependencies",
        &[
            json!([]),
            json!([{ "id": "a", "version": ">=1.2, <3", "kind": "optional" }]),
        ],
        &[
            (json!([{ "id": "a" }]), "/0"),
            (json!([{ "id": "A", "version": "1" }]), "/0/id"),
            (json!([{ "id": "a", "version": "one" }]), "/0/version"),
            (json!([{ "id": "a", "version": "1", "kind": "needed" }]), "/0/kind"),
            (
                json!([{ "id": "a", "version": "1" }, { "id": "a", "version": "2" }]),
                "/1",
            ),
            (json!([{ "id": "com.acme.weather", "version": "1" }]), "/0/id"),
            (json!({ "a": "1" }), ""),
        ],
    );
}

#[test]
fn events() {
    row(
        "events",
        &[
            json!({}),
            json!({ "publish": ["a", "a.b-c.d_1"], "subscribe": ["a.*", "*.b", "*"] }),
        ],
        &[
            (json!({ "publish": ["a.*"] }), "/publish/0"),
            (json!({ "publish": ["Orders.Created"] }), "/publish/0"),
            (json!({ "publish": ["a..b"] }), "/publish/0"),
            (json!({ "publish": ["a", "a"] }), "/publish/1"),
            (json!({ "publish": ["a".repeat(129)] }), "/publish/0"),
            (json!({ "subscribe": ["a.b*"] }), "/subscribe/0"),
            (json!({ "subscribe": [""] }), "/subscribe/0"),
            (json!(["a"]), ""),
        ],
    );
    assert_eq!(
        refused(json!({ "events": { "publish": ["orders:Created"] } })).suggestion(),
        Some("orders.created")
    );
}

#[test]
fn schedule() {
    row(
        "schedule",
        &[
            json!([{ "name": "a", "cron": "*/5 * * * *", "command": "tick" }, { "name": "b", "every": 60, "command": "tick" }]),
        ],
        &[
            (json!([{ "name": "a", "command": "tick" }]), "/0"),
            (
                json!([{ "name": "a", "cron": "* * * * *", "every": "1m", "command": "tick" }]),
                "/0",
            ),
            (
                json!([{ "name": "a", "cron": "* * * *", "command": "tick" }]),
                "/0/cron",
            ),
            (json!([{ "name": "a", "every": "0s", "command": "tick" }]), "/0/every"),
            (json!([{ "name": "a", "every": "1m" }]), "/0"),
            (json!([{ "name": "A", "every": "1m", "command": "tick" }]), "/0/name"),
            (
                json!([{ "name": "a", "every": "1m", "command": "t" }, { "name": "a", "every": "2m", "command": "t" }]),
                "/1",
            ),
        ],
    );
    assert_eq!(
        refused(json!({ "schedule": [{ "name": "a", "cron": "@daily", "command": "t" }] })).suggestion(),
        Some("0 0 * * *")
    );
    let listed = json!({ "commands": [{ "name": "refresh" }], "schedule": [{ "name": "a", "every": "1m", "command": "refesh" }] });
    assert_eq!(refused(listed).suggestion(), Some("refresh"));
}

#[test]
fn health_and_restart() {
    row(
        "health",
        &[json!({}), json!({ "interval": 30 })],
        &[
            (json!({ "interval": "0s" }), "/interval"),
            (json!({ "failure_threshold": 0 }), "/failure_threshold"),
            (json!({ "url": "/" }), "/url"),
        ],
    );
    row(
        "restart",
        &[json!({}), json!({ "delay": "5m", "max_delay": "5m" })],
        &[
            (json!({ "delay": "301s" }), "/delay"),
            (json!({ "max_failures": 0 }), "/max_failures"),
            (json!({ "mode": "never" }), "/mode"),
        ],
    );
}
