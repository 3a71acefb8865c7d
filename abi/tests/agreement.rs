//! The agreement itself: packing at every edge, levels, the shape of the wire types, the names.

use palisade_abi::{
    CommandDescription, EXPORTS, GuestError, IMPORTS, InitInput, Level, Reply, UnknownLevel, export, pack,
};
use serde_json::{Map, Value, json};

/// Every value next to a power of two, and both ends.
fn edges() -> Vec<u32> {
    let near = (0..32).flat_map(|bit| [(1u32 << bit) - 1, 1 << bit, (1 << bit) + 1]);
    near.chain([u32::MAX - 1, u32::MAX]).collect()
}

#[test]
fn unpacking_gives_back_what_was_packed() {
    for address in edges() {
        for len in edges().into_iter().filter(|len| *len <= Reply::MAX_LEN) {
            for is_error in [false, true] {
                let reply = Reply { address, len, is_error };
                assert_eq!(Reply::unpack(reply.pack().unwrap()), reply);
            }
        }
    }
}

#[test]
fn packing_gives_back_what_was_unpacked() {
    for high in edges() {
        for low in edges() {
            let packed = ((u64::from(high) << 32) | u64::from(low)).cast_signed();
            assert_eq!(Reply::unpack(packed).pack(), Some(packed));
        }
    }
}

#[test]
fn a_length_of_32_bits_is_refused_and_the_longest_of_31_is_not() {
    let reply = |len| Reply {
        address: 8,
        len,
        is_error: false,
    };
    assert!(reply(Reply::MAX_LEN).pack().is_some());
    for len in edges().into_iter().filter(|len| *len > Reply::MAX_LEN) {
        assert_eq!(reply(len).pack(), None);
    }
}

#[test]
fn the_bits_are_where_the_specification_puts_them() {
    assert_eq!(Reply::OK.pack(), Some(0));
    assert_eq!(pack(1, 0, false), 1 << 32);
    assert_eq!(pack(0, 1, false), 1);
    assert_eq!(pack(0, 0, true), 1 << 31);
    assert_eq!(pack(u32::MAX, Reply::MAX_LEN, true), -1);
    assert_eq!(Reply::unpack(i64::MIN).address, 1 << 31);
}

#[test]
fn a_level_is_its_number_and_nothing_else_is_a_level() {
    for (number, level) in (0..).zip(Level::ALL) {
        assert_eq!(i32::from(level), number);
        assert_eq!(Level::try_from(number), Ok(level));
    }
    for number in [i32::MIN, -1, 6, i32::MAX] {
        assert_eq!(Level::try_from(number), Err(UnknownLevel(number)));
    }
}

#[test]
fn a_guest_accepts_the_least_and_ignores_what_it_does_not_know() {
    let least = json!({"plugin_id": "a.b", "version": "1.0.0", "from_a_later_minor": 1});
    let input: InitInput = serde_json::from_value(least).unwrap();
    assert_eq!(
        (input.config, input.permissions.len(), input.state.is_none()),
        (Value::Null, 0, true)
    );
}

#[test]
fn absent_members_are_left_out() {
    let error = GuestError {
        code: "NO".into(),
        message: "no".into(),
        details: Map::new(),
    };
    assert_eq!(
        serde_json::to_value(error).unwrap(),
        json!({"code": "NO", "message": "no"})
    );
    let command = CommandDescription {
        name: "echo".into(),
        ..CommandDescription::default()
    };
    let expected = json!({"name": "echo", "description": "", "idempotent": false, "encoding": "json"});
    assert_eq!(serde_json::to_value(command).unwrap(), expected);
}

#[test]
fn every_name_stands_once() {
    let mut names: Vec<_> = EXPORTS.iter().map(|export| export.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), EXPORTS.len());
}

#[test]
fn signatures_show_types_or_names_and_types() {
    let command = EXPORTS
        .iter()
        .find(|export| export.name == export::PLUGIN_COMMAND)
        .unwrap();
    let signature = command.signature.unwrap();
    assert_eq!(signature.to_string(), "(i32, i32, i32, i32) -> i64");
    let buffer = EXPORTS
        .iter()
        .find(|export| export.name == export::PLUGIN_BUFFER)
        .unwrap();
    assert_eq!(format!("{:#}", buffer.signature.unwrap()), "(len: i32) -> i32");
    assert_eq!(IMPORTS[0].signature.to_string(), "(i32, i32, i32) -> ()");
}
