//! What the behaviour tests share: guests written in WAT with one sin each, and a key that everybody in here trusts.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "shared by tests alone: what fails here fails the test"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use palisade::{AdmittedBundle, LoadError, Plugin, Policy, Runtime};
use palisade_bundle::sign::{SignOptions, pack, sign};
use palisade_bundle::{Bundle, SigningKey, Timestamp, TrustStore, VerifiedBundle};
use serde_json::{Value, json};

/// A guest, part by part. The default one answers every command with its arguments.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The memory.
    pub memory: &'static str,
    /// Imports, which WAT wants first.
    pub imports: &'static str,
    /// Anything else: globals, helper functions, a start function, `_initialize`.
    pub extra: &'static str,
    /// Body of `plugin_buffer`, with `$len`.
    pub buffer: &'static str,
    /// Body of `plugin_init`, with `$ptr` and `$len`.
    pub init: &'static str,
    /// Body of `plugin_command`, with `$name`, `$name_len`, `$args` and `$len`.
    pub command: &'static str,
    /// Body of `plugin_cleanup`.
    pub cleanup: &'static str,
    /// The rest of `plugin.json`.
    pub manifest: Value,
}

/// 2027-01-15T08:00:00Z.
const NOW_SECONDS: i64 = 1_800_000_000;

/// Answers with the arguments.
pub const ECHO: &str = "
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $args)) (i64.const 32))
      (i64.extend_i32_u (local.get $len)))";

/// `$finish`: fetches the result of a host call to address 66,048 and makes it the guest's own reply.
const FINISH: &str = "
    (func $finish (param $reply i64) (result i64)
      (i64.or
        (i64.shl (i64.const 66048) (i64.const 32))
        (i64.or
          (i64.extend_i32_u (call $take (i32.const 66048) (i32.const 65024)))
          (i64.and (local.get $reply) (i64.const 0x80000000)))))";

/// Never ends.
pub const SPIN: &str = "(loop $again (br $again)) unreachable";

impl Default for Guest {
    fn default() -> Self {
        Self {
            memory: r#"(memory (export "memory") 2)"#,
            imports: "",
            extra: "",
            buffer: "i32.const 1024",
            init: "i64.const 0",
            command: ECHO,
            cleanup: "i64.const 0",
            manifest: json!({}),
        }
    }
}

impl Guest {
    /// The guest's text.
    #[must_use]
    pub fn wat(&self) -> String {
        let Self {
            memory,
            imports,
            extra,
            buffer,
            init,
            command,
            cleanup,
            manifest: _,
        } = self;
        format!(
            r#"(module
              {imports}
              {memory}
              {extra}
              (func (export "palisade_abi_v1"))
              (func (export "plugin_buffer") (param $len i32) (result i32) {buffer})
              (func (export "plugin_init") (param $ptr i32) (param $len i32) (result i64) {init})
              (func (export "plugin_command") (param $name i32) (param $name_len i32) (param $args i32)
                (param $len i32) (result i64) {command})
              (func (export "plugin_cleanup") (result i64) {cleanup}))"#
        )
    }

    /// The guest's module.
    ///
    /// # Panics
    ///
    /// When the text is no WAT.
    #[must_use]
    pub fn wasm(&self) -> Vec<u8> {
        wat::parse_str(self.wat()).expect("the guest is WAT")
    }

    /// The guest as a signed, verified and admitted bundle.
    #[must_use]
    pub fn admitted(&self) -> AdmittedBundle {
        admitted(&self.manifest, &self.wasm())
    }

    /// The guest as a plugin of a runtime, with what `policy` allows.
    ///
    /// # Errors
    ///
    /// As [`Runtime::load`].
    ///
    /// # Panics
    ///
    /// When the policy refuses it.
    pub async fn load_with(&self, runtime: &Runtime, policy: &Policy) -> Result<Plugin, LoadError> {
        let bundle = verified(&self.manifest, &self.wasm());
        runtime.load(policy.admit(bundle).expect("is admitted")).await
    }

    /// A guest whose command makes one host call and answers with its result or its error. `imported` is what stands in
    /// WAT between the name and the end of the import, `call` is a call of `$call`, and `data` lies at address 256.
    #[must_use]
    pub fn calling(imported: (&str, &str), data: &str, call: &str) -> Self {
        let (name, signature) = imported;
        let imports = format!(
            r#"(import "palisade_v1" "{name}" (func $call {signature}))
               (import "palisade_v1" "result_take" (func $take (param i32 i32) (result i32)))"#
        );
        Self {
            imports: imports.leak(),
            extra: format!(r#"(data (i32.const 256) "{data}") {FINISH}"#).leak(),
            command: format!("(call $finish {call})").leak(),
            ..Self::default()
        }
    }

    /// The guest as a plugin of a runtime.
    ///
    /// # Errors
    ///
    /// As [`Runtime::load`].
    pub async fn load(&self, runtime: &Runtime) -> Result<Plugin, LoadError> {
        runtime.load(self.admitted()).await
    }
}

/// A signed bundle of a module, with `members` added to a least manifest.
///
/// # Panics
///
/// When the manifest is not valid.
#[must_use]
pub fn signed(members: &Value, wasm: &[u8]) -> Vec<u8> {
    release(members, wasm, 1)
}

/// [`signed`], as the release with this sequence number.
///
/// # Panics
///
/// When the manifest is not valid.
#[must_use]
pub fn release(members: &Value, wasm: &[u8], sequence: u64) -> Vec<u8> {
    let mut manifest = json!({"id": "test.guest", "name": "Guest", "version": "1.0.0", "author": "tests"});
    let (Some(manifest_members), Some(members)) = (manifest.as_object_mut(), members.as_object()) else {
        panic!("the members of a manifest are an object");
    };
    manifest_members.extend(members.clone());
    let files = vec![
        ("plugin.json".to_owned(), manifest.to_string().into_bytes()),
        ("plugin.wasm".to_owned(), wasm.to_vec()),
    ];
    let unsigned = Bundle::open(pack(files).expect("packs")).expect("opens");
    let options = SignOptions {
        created: Timestamp::from_unix_seconds(NOW_SECONDS).expect("is a time"),
        not_after: None,
        sequence,
        append: false,
    };
    sign(&unsigned, &key(), &options).expect("signs")
}

/// The bundle, verified and admitted without any power.
///
/// # Panics
///
/// When it is not valid.
#[must_use]
pub fn admitted(members: &Value, wasm: &[u8]) -> AdmittedBundle {
    Policy::deny_all().admit(verified(members, wasm)).expect("is admitted")
}

/// The bundle, verified.
///
/// # Panics
///
/// When it is not valid.
#[must_use]
pub fn verified(members: &Value, wasm: &[u8]) -> VerifiedBundle {
    let bundle = Bundle::open(signed(members, wasm)).expect("opens");
    trust().verify(bundle, now()).expect("verifies")
}

/// The key everything in here is signed with.
#[must_use]
pub fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

/// A store that trusts [`key`] and nobody else.
#[must_use]
pub fn trust() -> TrustStore {
    TrustStore::new([key().public()])
}

/// The day of the tests.
#[must_use]
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_SECONDS.unsigned_abs())
}

/// A runtime with a log that can be read and the real clock.
///
/// # Panics
///
/// When there is no compiler for this machine.
#[must_use]
pub fn runtime_with_log() -> (Runtime, Arc<palisade::MemoryLog>) {
    let log = Arc::new(palisade::MemoryLog::new());
    let services = palisade::HostServices {
        log: Arc::clone(&log) as Arc<dyn palisade::LogSink>,
        ..palisade::HostServices::default()
    };
    (Runtime::builder().services(services).build().expect("builds"), log)
}

/// Lets every other task run once. Tokio's own `yield_now` waits until the whole queue was served many times.
pub async fn give_way() {
    let mut given = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut given, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// The module of a sample plugin, and its `plugin.json` with what `palisade build` adds. `cargo xtask test` compiles them.
///
/// # Panics
///
/// When it was not compiled.
#[must_use]
pub fn sample(name: &str) -> (Value, Vec<u8>) {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = repository.join("sample-plugins").join(name).join("plugin.json");
    let manifest = std::fs::read(&manifest).expect("a sample has a manifest");
    let manifest = serde_json::from_slice(&manifest).expect("a manifest is JSON");
    let built = palisade();
    let target = built.ancestors().nth(2).expect("programs lie two levels down");
    let module = target.join("wasm32-wasip1/release").join(format!("{name}.wasm"));
    let module = std::fs::read(&module).expect("first: cargo build --release --target wasm32-wasip1 of the samples");
    (manifest, module)
}

/// The command line, where cargo puts it beside these tests. `cargo xtask test` builds it first.
///
/// # Panics
///
/// When it was not built.
#[must_use]
pub fn palisade() -> PathBuf {
    let tests = std::env::current_exe().expect("a test knows its own path");
    let profile = tests.ancestors().nth(2).expect("tests lie two levels down");
    let program = profile.join(format!("palisade{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "first: cargo build -p palisade-cli -p palisade-signer"
    );
    program
}
