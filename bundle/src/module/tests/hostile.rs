//! Bytes that are no module, or nearly one.

use proptest::prelude::*;

use super::*;

fn sample() -> Vec<u8> {
    wat(r#"(module
            (import "palisade_v1" "log" (func $log (param i32 i32 i32)))
            (memory (export "memory") 1)
            (table 2 funcref)
            (elem (i32.const 0) $log $run)
            (global $g (mut i32) (i32.const 7))
            (func $run (export "run") (param i32) (result i64) (local i32 i64)
                (block (loop (br_if 1 (local.get 0)) (br 0)))
                (if (result i64) (local.get 0) (then (i64.const 1)) (else (i64.const 2))))
            (data (i32.const 0) "some data"))"#)
}

#[test]
fn no_truncated_module_is_accepted() {
    let module = sample();
    // Cutting between sections can leave a valid, smaller module: only without the code is it certain to be refused.
    for length in 0..module.len() {
        let _ = ModuleOutline::parse(&module[..length]);
    }
    assert!(ModuleOutline::parse(&module[..module.len() - 1]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn reading_never_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ModuleOutline::parse(&bytes);
        let _ = ModuleOutline::parse(&[b"\0asm\x01\0\0\0".as_slice(), &bytes].concat());
    }

    #[test]
    fn reading_never_panics_on_a_module_with_wounds(
        wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut module = sample();
        for (place, byte) in wounds {
            let place = place.index(module.len());
            module[place] = byte;
        }
        if let Err(error) = ModuleOutline::parse(&module) {
            let _ = (error.to_string(), error.details(), error.help());
        }
    }
}
