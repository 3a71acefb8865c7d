//! Tests of the outline: what it lists, what it refuses; `limits` at their boundaries, `hostile` bytes.

use super::*;
use crate::{Code, Coded};

mod hostile;
mod limits;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[track_caller]
fn outline(text: &str) -> ModuleOutline {
    ModuleOutline::parse(&wat(text)).unwrap()
}

#[track_caller]
fn refusal(bytes: &[u8]) -> ModuleError {
    ModuleOutline::parse(bytes).unwrap_err()
}

#[test]
fn lists_what_a_module_needs_and_offers() {
    let module = outline(
        r#"(module
            (import "palisade_v1" "log" (func (param i32 i32 i32)))
            (import "env" "base" (global i32))
            (memory (export "memory") 2 100)
            (table (export "table") 3 funcref)
            (global (export "counter") (mut i64) (i64.const 0))
            (func (export "plugin_command") (param i32 i32 i32 i32) (result i64) i64.const 0)
            (func $start)
            (func (export "two") (result i32 f64) i32.const 1 f64.const 2)
            (data (i32.const 0) "a") (data (i32.const 1) "b")
            (start $start))"#,
    );
    insta::assert_debug_snapshot!(module);
    assert_eq!(
        module.export("two").map(|export| export.signature.as_str()),
        Some("() -> (i32, f64)")
    );
    assert_eq!(module.export("three"), None);
}

#[test]
fn long_signatures_are_cut() {
    let module = outline(&format!(
        r#"(module (func (export "f") (param {})))"#,
        "i32 ".repeat(20)
    ));
    assert_eq!(
        module.exports[0].signature,
        format!("({}… 4 more) -> ()", "i32, ".repeat(16))
    );
}

#[test]
fn accepts_what_compilers_emit_by_default() {
    for (feature, text) in [
        (
            "bulk memory",
            "(module (memory 1) (func i32.const 0 i32.const 0 i32.const 0 memory.copy))",
        ),
        (
            "reference types",
            "(module (table 1 externref) (func (param externref)))",
        ),
        (
            "multi-value",
            "(module (func (result i32 i32) i32.const 0 i32.const 0))",
        ),
        (
            "sign extension",
            "(module (func (result i32) i32.const 0 i32.extend8_s))",
        ),
        (
            "saturating conversion",
            "(module (func (result i32) f32.const 0 i32.trunc_sat_f32_s))",
        ),
        (
            "mutable globals",
            r#"(module (global (export "g") (mut i32) (i32.const 0)))"#,
        ),
        ("SIMD", "(module (func (result v128) v128.const i64x2 0 0))"),
        (
            "extended const",
            "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
        ),
        ("floats", "(module (func (result f64) f64.const 1 f64.sqrt))"),
    ] {
        assert!(ModuleOutline::parse(&wat(text)).is_ok(), "{feature}");
    }
}

#[test]
fn refuses_every_feature_that_is_off() {
    let messages: Vec<String> = [
        "(module (memory 1 2 shared))",
        "(module (memory i64 1))",
        "(module (func (param (ref null func))) (type (struct)))",
        "(module (tag))",
        "(module (func $f return_call $f))",
        "(module (func (result v128) v128.const i64x2 0 0 v128.const i64x2 0 0 i8x16.relaxed_swizzle))",
        "(module (type $f (func)) (type (cont $f)))",
        "(module (memory 1 (pagesize 1)))",
        "(module (func (param i64 i64 i64 i64) (result i64 i64) local.get 0 local.get 1 local.get 2 local.get 3 i64.add128))",
        "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
    ]
    .iter()
    .map(|text| format!("{}\n", refusal(&wat(text))))
    .collect();
    insta::assert_snapshot!(messages.concat());
}

#[test]
fn says_what_other_files_are() {
    let component = wat("(component)");
    let texts: Vec<String> = [
        &b""[..],
        b"\0as",
        b"\0asm\x01\0",
        b"\0asm\x02\0\0\0",
        &component,
        b"(module)",
        b"  ;; comment\n\n(component)",
        b"(; block ;) (module)",
        b"\x7fELF\x02\x01\x01\xc8........",
        b"\x7fELF\x02\x01\x01\0........",
        b"MZ\x90\0",
        b"\xcf\xfa\xed\xfe",
        b"BC\xc0\xde",
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
        b"\x28\xb5\x2f\xfd",
        b"fn main() {}",
        "Grüße".as_bytes(),
        b"\x89PNG\r\n",
        b"\xff\xfe",
    ]
    .iter()
    .map(|bytes| {
        let error = refusal(bytes);
        assert_eq!(error.code(), Code::CorruptedData);
        format!("{error}  {}\n", error.help().concat())
    })
    .collect();
    insta::assert_snapshot!(texts.concat());
}

#[test]
fn says_that_an_object_file_was_not_linked() {
    let object = wat(r#"(module (@custom "linking" "\02"))"#);
    insta::assert_snapshot!(refusal(&object), @"not a core WASM module: this is an object file that was not linked");
    let library = wat(r#"(module (@custom "dylink.0" ""))"#);
    insta::assert_snapshot!(refusal(&library), @"not a core WASM module: this is a shared library for a dynamic linker");
}

#[test]
fn a_malformed_module_is_refused_with_the_place() {
    let mut module = wat("(module (func (result i32) i32.const 1))");
    module.truncate(module.len() - 1);
    insta::assert_snapshot!(refusal(&module), @"the module is malformed at byte 23: unexpected end-of-file");
    let wrong_type = wat("(module (func (result i32) i64.const 1))");
    insta::assert_snapshot!(refusal(&wrong_type), @"the module is malformed at byte 26: type mismatch: expected i32, found i64");
    insta::assert_json_snapshot!(refusal(&wrong_type).details(), @r#"
    {
      "offset": 26,
      "reason": "type mismatch: expected i32, found i64"
    }
    "#);
}
