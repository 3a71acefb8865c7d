//! `new`, `build`, `check`, and the commands that serve them: `doctor`, `completions`, `man`, `schema`.

use palisade_tests::Guest;
use serde_json::{Value, json};

use super::{Desk, Ended, exists, members};

#[test]
fn a_new_rust_plugin_is_built_signed_verified_and_called() {
    let desk = Desk::new();
    desk.run(["key", "generate", "--out", "me"]).exits(0);
    desk.run(["new", "hello", "--id", "com.acme.hello"]).exits(0);
    for file in ["Cargo.toml", "plugin.json", "src/lib.rs", ".gitignore", "README.md"] {
        assert!(exists(desk.path("hello").join(file)), "{file}");
    }
    let answer = desk
        .run(["build", "hello", "--sign", "me.key", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        members(&answer),
        ["bundle", "digest", "entries", "key_id", "size_bytes"]
    );
    assert_eq!(answer["bundle"], "hello-0.1.0.zip");
    desk.run(["verify", "hello-0.1.0.zip", "--trust", "me.pub"]).exits(0);

    let manifest = desk.run(["inspect", "hello-0.1.0.zip", "--json"]).exits(0).json()["manifest"].clone();
    assert_eq!(manifest["version"], "0.1.0");
    assert_eq!(manifest["commands"][0]["name"], "greet");
    assert_eq!(manifest["commands"][0]["description"], "Greets someone by name.");
    assert_eq!(manifest["commands"][0]["input_schema"]["required"], json!(["name"]));

    let call = [
        "call",
        "hello-0.1.0.zip",
        "greet",
        r#"{"name":"Ada"}"#,
        "--trust",
        "me.pub",
    ];
    let reply: Value = serde_json::from_slice(&desk.run(call).exits(0).stdout).unwrap();
    assert_eq!(reply, json!({"greeting": "Hello, Ada!"}));
    desk.run(["call", "hello-0.1.0.zip", "greet", "{}", "--trust", "me.pub"])
        .exits(2);
    desk.run(["check", "hello-0.1.0.zip"]).exits(0);
    desk.run(["check", "hello"]).exits(0);
}

#[test]
fn a_new_wat_plugin_is_built_and_called() {
    let desk = Desk::new();
    desk.run(["key", "generate", "--out", "me"]).exits(0);
    desk.run(["new", "small", "--lang", "wat"]).exits(0);
    desk.run(["build", "small", "--sign", "me.key"]).exits(0);
    let call = ["call", "small-0.1.0.zip", "echo", "hello", "--trust", "me.pub"];
    assert_eq!(desk.run(call).exits(0).stdout, b"hello");
    let manifest = desk.run(["inspect", "small-0.1.0.zip", "--json"]).json()["manifest"].clone();
    assert_eq!(manifest["id"], "com.example.small");
}

#[test]
fn a_new_c_plugin_is_built_and_called_where_a_compiler_is() {
    let desk = Desk::new();
    desk.run(["key", "generate", "--out", "me"]).exits(0);
    desk.run(["new", "loud", "--lang", "c"]).exits(0);
    let built = desk.run(["build", "loud", "--release", "--sign", "me.key", "--json"]);
    if has_no_c_compiler(&built) {
        return;
    }
    built.exits(0);
    let call = ["call", "loud-0.1.0.zip", "shout", "hello", "--trust", "me.pub"];
    assert_eq!(desk.run(call).exits(0).stdout, b"HELLO");
}

#[test]
fn the_c_sample_answers_and_refuses_where_a_compiler_is() {
    let desk = Desk::new();
    desk.run(["key", "generate", "--out", "me"]).exits(0);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../sample-plugins/shout");
    let built = desk.run(["build", sample, "--release", "--sign", "me.key", "--json"]);
    if has_no_c_compiler(&built) {
        return;
    }
    built.exits(0);
    let call = |command| {
        desk.run([
            "call",
            "shout-0.1.0.zip",
            command,
            "hello",
            "--trust",
            "me.pub",
            "--json",
        ])
    };
    assert_eq!(call("whisper").exits(8).problem()["details"]["code"], "TOO_QUIET");
    let shout = ["call", "shout-0.1.0.zip", "shout", "hello", "--trust", "me.pub"];
    assert_eq!(desk.run(shout).exits(0).stdout, b"HELLO");
}

/// A machine without a C compiler is told so; the machine that decides about changes has one.
fn has_no_c_compiler(built: &Ended) -> bool {
    if built.code != Some(3) {
        return false;
    }
    assert_eq!(built.problem()["details"]["name"], "clang");
    assert!(
        std::env::var_os("CI").is_none(),
        "CI installs a C compiler for WebAssembly"
    );
    true
}

#[test]
fn new_never_writes_into_a_folder_in_use() {
    let desk = Desk::new();
    desk.write("hello/note", "mine");
    desk.run(["new", "hello", "--lang", "wat"]).exits(2);
    assert!(!exists(desk.path("hello/plugin.wat")));
    desk.write("file", "");
    desk.run(["new", "hello", "--lang", "wat", "-o", "file"]).exits(2);
    std::fs::create_dir(desk.path("empty")).unwrap();
    desk.run(["new", "hello", "--lang", "wat", "-o", "empty"]).exits(0);
}

#[test]
fn build_says_what_is_wrong_with_source_and_manifest() {
    let desk = Desk::new();
    desk.run(["new", "small", "--lang", "wat"]).exits(0);
    let manifest = String::from_utf8(desk.read("small/plugin.json")).unwrap();
    desk.write("small/plugin.json", manifest.replace("version", "versoin"));
    let ended = desk.run(["build", "small"]).exits(5);
    assert!(ended.stderr.contains("small/plugin.json:4:3"), "{}", ended.stderr);
    desk.write("small/plugin.json", &manifest);
    desk.write("small/plugin.wat", "(module (func (oops)))");
    let problem = desk.run(["build", "small", "--json"]).exits(5).problem();
    assert_eq!(problem["details"]["reason"], "does_not_compile");
    desk.write("small/plugin.wat", "(module)");
    assert_eq!(
        desk.run(["build", "small", "--json"]).exits(5).problem()["code"],
        "ABI_VIOLATION"
    );
    desk.run(["build", "absent"]).exits(3);
    desk.run(["build", "."]).exits(3);
    assert!(!exists(desk.path("small-0.1.0.zip")));
}

#[test]
fn check_finds_what_loading_would_refuse_and_what_is_odd() {
    let desk = Desk::with_echo();
    let findings = |name: &str, guest: Guest, exit: i32| {
        desk.plugin(name, &guest);
        let answer = desk.run(["check", name, "--json"]).exits(exit).json();
        assert_eq!(answer["ok"], exit == 0);
        answer["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(findings("good", Guest::default(), 0).is_empty());
    let unused = Guest {
        manifest: json!({"permissions": ["storage:read"]}),
        ..Guest::default()
    };
    assert_eq!(findings("unused", unused, 20), ["PERMISSION_DENIED"]);
    let everyone = Guest {
        manifest: json!({"permissions": ["log:write"]}),
        ..Guest::default()
    };
    assert!(findings("everyone", everyone, 0).is_empty());
    let foreign = Guest {
        imports: r#"(import "env" "f" (func))"#,
        ..Guest::default()
    };
    assert_eq!(findings("foreign", foreign, 20), ["ABI_VIOLATION"]);
    let greedy = Guest {
        manifest: json!({"resource_limits": {"fuel": 1_000_000_001}}),
        ..Guest::default()
    };
    assert_eq!(findings("greedy", greedy, 20), ["RESOURCE_EXHAUSTED"]);
    let just_enough = Guest {
        manifest: json!({"resource_limits": {"fuel": 1_000_000_000}}),
        ..Guest::default()
    };
    assert!(findings("just", just_enough, 0).is_empty());
    let large = Guest {
        manifest: json!({"resource_limits": {"memory": "64KiB"}}),
        ..Guest::default()
    };
    assert_eq!(findings("large", large, 20), ["MEMORY_LIMIT_EXCEEDED"]);
    let newer = Guest {
        manifest: json!({"min_core_version": "99.0.0"}),
        ..Guest::default()
    };
    assert_eq!(findings("newer", newer, 20), ["UNSUPPORTED_VERSION"]);
    desk.plugin("text", &Guest::default());
    desk.write("text/plugin.wasm", "(module)");
    desk.run(["check", "text"]).exits(20);
    desk.write("text/plugin.json", "{}");
    assert_eq!(
        desk.run(["check", "text", "--json"]).exits(20).json()["findings"][0]["code"],
        "INVALID_MANIFEST"
    );
    desk.run(["check", "echo.zip"]).exits(0);
    desk.run(["check", "absent"]).exits(3);
}

#[test]
fn doctor_looks_and_says() {
    let desk = Desk::with_echo();
    let answer = desk.run(["doctor", "--json"]).exits(0).json();
    let names: Vec<_> = answer["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].clone())
        .collect();
    assert!(
        names.contains(&json!("cargo")) && names.contains(&json!("target")) && names.contains(&json!("trust store"))
    );
    desk.write("store/trust.json", "{}");
    let answer = desk
        .run(["doctor", "--trust-store", "store", "--json"])
        .exits(20)
        .json();
    assert_eq!(answer["ok"], false);
}

#[test]
fn completions_man_pages_and_schemas_are_there() {
    let desk = Desk::with_echo();
    for shell in ["bash", "zsh", "fish"] {
        let script = desk.run(["completions", shell]).exits(0).text();
        assert!(script.contains("inspect"), "{shell}");
    }
    std::fs::create_dir(desk.path("man")).unwrap();
    desk.run(["man", "man"]).exits(0);
    assert!(exists(desk.path("man/palisade.1")) && exists(desk.path("man/palisade-key-generate.1")));
    assert!(!exists(desk.path("man/palisade-debug.1")));
    let schema = desk.run(["schema", "manifest", "--json"]).exits(0).json();
    assert!(schema["properties"]["id"].is_object());
    assert!(
        desk.run(["schema", "config", "echo.zip", "--json"])
            .exits(0)
            .json()
            .is_object()
    );
}
