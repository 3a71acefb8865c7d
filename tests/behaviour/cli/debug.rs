//! `debug zip`, `debug verify-ed25519`, `debug wasi-run`.

use palisade_tests::key;

use super::Desk;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn zip_lists_a_sound_container_and_refuses_others() {
    let desk = Desk::with_echo();
    let answer = desk.run(["debug", "zip", "echo.zip", "--json"]).exits(0).json();
    assert_eq!(answer["entries"][0]["name"], "META-INF/signature.json");
    let mut bytes = desk.read("echo.zip");
    bytes.push(0);
    desk.write("longer.zip", bytes);
    let problem = desk.run(["debug", "zip", "longer.zip", "--json"]).exits(5).problem();
    assert!(problem["details"]["reason"].is_string(), "{problem}");
}

#[test]
fn ed25519_accepts_a_signature_and_refuses_its_neighbours() {
    let desk = Desk::new();
    desk.write("message", "hello");
    let (public, signature) = (key().public(), key().sign(b"hello"));
    let verify = |public: &str, signature: &str, exit: i32| {
        desk.run([
            "debug",
            "verify-ed25519",
            "--pub",
            public,
            "--sig",
            signature,
            "--msg-file",
            "message",
        ])
        .exits(exit)
    };
    let public = hex(public.as_bytes());
    verify(&public, &hex(&signature), 0);
    let mut wrong = signature;
    wrong[0] ^= 1;
    verify(&public, &hex(&wrong), 4);
    verify(&public, &hex(&signature[..63]), 4);
    // A weak key: the neutral element, for which anyone can sign.
    verify(&format!("01{}", "00".repeat(31)), &hex(&signature), 4);
    verify("abc", &hex(&signature), 2);
}

#[test]
fn wasi_run_gives_a_command_what_is_granted_and_its_status_back() {
    let desk = Desk::new();
    let exits = |status: u32| {
        wat::parse_str(format!(
            r#"(module
              (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
              (memory (export "memory") 1)
              (func (export "_start") (call $exit (i32.const {status}))))"#
        ))
        .unwrap()
    };
    desk.write("seven.wasm", exits(7));
    desk.run(["debug", "wasi-run", "seven.wasm"]).exits(7);
    desk.write("zero.wasm", exits(0));
    desk.run(["debug", "wasi-run", "zero.wasm", "--", "--flag"]).exits(0);
    desk.write("noise.wasm", "not a module");
    desk.run(["debug", "wasi-run", "noise.wasm"]).exits(5);
    desk.run(["debug", "wasi-run", "--dir", "nowhere::/", "zero.wasm"])
        .exits(3);
}
