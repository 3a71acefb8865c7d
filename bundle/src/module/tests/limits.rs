//! Each limit at its boundary: as much as it says is accepted, one more is refused with limit, actual and maximum.

use super::*;

/// A section of the binary format.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

/// An unsigned LEB128 number.
fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

fn vector(count: usize, item: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    leb(count).into_iter().chain((0..count).flat_map(item)).collect()
}

fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [&b"\0asm\x01\0\0\0"[..], &sections.concat()].concat()
}

const EMPTY_TYPE: [u8; 4] = [1, 0x60, 0, 0];

/// A module with one function that has this body, locals included.
fn with_body(body: &[u8]) -> Vec<u8> {
    let code = [vec![1], leb(body.len()), body.to_vec()].concat();
    module(&[section(1, &EMPTY_TYPE), section(3, &[1, 0]), section(10, &code)])
}

/// `module(n)` has `n` of what `limit` counts.
#[track_caller]
fn exact(limit: ModuleLimit, module: impl Fn(usize) -> Vec<u8>) {
    let maximum = usize::try_from(limit.maximum()).unwrap();
    if let Err(error) = ModuleOutline::parse(&module(maximum)) {
        panic!("{limit} refuses {maximum}: {error}");
    }
    match refusal(&module(maximum + 1)) {
        ModuleError::Limit {
            limit: named,
            actual,
            maximum: at_most,
            ..
        } => {
            assert_eq!((named, actual, at_most), (limit, limit.maximum() + 1, limit.maximum()));
        }
        other => panic!("{limit}: {other}"),
    }
}

#[test]
fn module_bytes() {
    exact(ModuleLimit::ModuleBytes, |bytes| {
        // A custom section "" that fills the rest: id, four bytes of length, name length.
        let content = vec![0; bytes - 8 - 1 - 4];
        let module = module(&[section(0, &content)]);
        assert_eq!(module.len(), bytes);
        module
    });
}

#[test]
fn functions() {
    exact(ModuleLimit::Functions, |count| {
        let bodies = vector(count, |_| vec![2, 0, 0x0b]);
        module(&[
            section(1, &EMPTY_TYPE),
            section(3, &vector(count, |_| vec![0])),
            section(10, &bodies),
        ])
    });
}

#[test]
fn body_bytes() {
    exact(ModuleLimit::BodyBytes, |bytes| {
        let mut body = vec![1; bytes];
        body[0] = 0;
        body[bytes - 1] = 0x0b;
        with_body(&body)
    });
}

#[test]
fn locals() {
    let run = |count: usize| [leb(count), vec![0x7f]].concat();
    exact(ModuleLimit::Locals, |count| {
        with_body(&[vec![1], run(count), vec![0x0b]].concat())
    });
    exact(ModuleLimit::Locals, |count| {
        with_body(&[vec![2], run(count - 7), run(7), vec![0x0b]].concat())
    });
    let bomb = with_body(&[vec![2], run(u32::MAX as usize), run(u32::MAX as usize), vec![0x0b]].concat());
    insta::assert_snapshot!(refusal(&bomb), @"the module has 4294967295 locals in one function, 10000 are allowed (function 0)");
}

#[test]
fn nesting() {
    for opening in [[0x02, 0x40], [0x03, 0x40]] {
        exact(ModuleLimit::Nesting, |depth| {
            with_body(&[vec![0], opening.repeat(depth), vec![0x0b; depth + 1]].concat())
        });
    }
    exact(ModuleLimit::Nesting, |depth| {
        with_body(&[vec![0], [0x41, 0, 0x04, 0x40].repeat(depth), vec![0x0b; depth + 1]].concat())
    });
}

#[test]
fn data_segments() {
    exact(ModuleLimit::DataSegments, |count| {
        module(&[section(5, &[1, 0, 1]), section(11, &vector(count, |_| vec![1, 0]))])
    });
    exact(ModuleLimit::DataSegments, |count| {
        module(&[section(12, &leb(count)), section(11, &vector(count, |_| vec![1, 0]))])
    });
}

#[test]
fn imports() {
    exact(ModuleLimit::Imports, |count| {
        let import = |index: usize| [vec![1, b'm', 4], format!("{index:04}").into_bytes(), vec![0, 0]].concat();
        module(&[section(1, &EMPTY_TYPE), section(2, &vector(count, import))])
    });
}

#[test]
fn exports() {
    exact(ModuleLimit::Exports, |count| {
        let export = |index: usize| [vec![5], format!("{index:05}").into_bytes(), vec![3, 0]].concat();
        let global = section(6, &[1, 0x7f, 0, 0x41, 0, 0x0b]);
        module(&[global, section(7, &vector(count, export))])
    });
}

#[test]
fn types() {
    exact(ModuleLimit::Types, |count| {
        module(&[section(1, &vector(count, |_| vec![0x60, 0, 0]))])
    });
}

#[test]
fn signature_types() {
    exact(ModuleLimit::SignatureTypes, |count| {
        let function = [vec![0x60], vector(count - 1, |_| vec![0x7f]), vec![1, 0x7f]].concat();
        module(&[section(1, &[vec![1], function].concat())])
    });
}

#[test]
fn globals() {
    exact(ModuleLimit::Globals, |count| {
        module(&[section(6, &vector(count, |_| vec![0x7f, 0, 0x41, 0, 0x0b]))])
    });
}

#[test]
fn element_segments() {
    // Passive, of function references, empty.
    exact(ModuleLimit::ElementSegments, |count| {
        module(&[section(9, &vector(count, |_| vec![1, 0, 0]))])
    });
}

#[test]
fn tables() {
    exact(ModuleLimit::Tables, |count| {
        module(&[section(4, &vector(count, |_| vec![0x70, 0, 1]))])
    });
    let imported = |index: usize| vec![1, b'm', 1, u8::try_from(index).unwrap() + b'a', 1, 0x70, 0, 1];
    exact(ModuleLimit::Tables, |count| {
        module(&[
            section(2, &vector(count - 2, imported)),
            section(4, &vector(2, |_| vec![0x70, 0, 1])),
        ])
    });
}

#[test]
fn table_elements() {
    exact(ModuleLimit::TableElements, |count| {
        module(&[section(4, &[vec![2, 0x70, 0, 1, 0x70, 0], leb(count)].concat())])
    });
    exact(ModuleLimit::TableElements, |count| {
        module(&[section(
            2,
            &[vec![1, 1, b'm', 1, b't', 1, 0x70, 0], leb(count)].concat(),
        )])
    });
}

#[test]
fn memories() {
    exact(ModuleLimit::Memories, |count| {
        module(&[section(5, &vector(count, |_| vec![0, 1]))])
    });
    let imported = section(2, &[1, 1, b'm', 1, b'm', 2, 0, 1]);
    assert!(ModuleOutline::parse(&module(std::slice::from_ref(&imported))).is_ok());
    let both = refusal(&module(&[imported, section(5, &[1, 0, 1])]));
    assert!(matches!(
        both,
        ModuleError::Limit {
            limit: ModuleLimit::Memories,
            actual: 2,
            ..
        }
    ));
}

#[test]
fn a_count_is_refused_before_anything_is_read() {
    // Four thousand million functions in eight bytes.
    let huge = module(&[section(3, &leb(u32::MAX as usize))]);
    assert!(matches!(
        refusal(&huge),
        ModuleError::Limit {
            limit: ModuleLimit::Functions,
            ..
        }
    ));
}

#[test]
fn a_limit_is_not_passed_in_two_sections() {
    let half = section(3, &vector(30_000, |_| vec![0]));
    let twice = module(&[section(1, &EMPTY_TYPE), half.clone(), half]);
    assert!(ModuleOutline::parse(&twice).is_err());
}

#[test]
fn messages_name_limit_actual_and_maximum() {
    let deep = with_body(&[vec![0], [0x02, 0x40].repeat(300), vec![0x0b; 301]].concat());
    let error = refusal(&deep);
    insta::assert_snapshot!(error, @"the module has 257 levels of nested blocks, 256 are allowed (function 0)");
    insta::assert_json_snapshot!(error.details(), @r#"
    {
      "actual": 257,
      "function": 0,
      "limit": "nesting",
      "maximum": 256,
      "reason": "limit"
    }
    "#);
    insta::assert_json_snapshot!(error.help(), @r#"
    [
      "split the function; a generated parser or a large match is the usual cause"
    ]
    "#);
}

#[test]
fn every_limit_has_its_own_word() {
    let words: std::collections::BTreeSet<_> = ModuleLimit::ALL.iter().map(|limit| limit.as_str()).collect();
    assert_eq!(words.len(), ModuleLimit::ALL.len());
}
