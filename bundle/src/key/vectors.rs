//! What other people's test vectors say about our verification.

use super::PublicKey;

struct Vector {
    number: u32,
    is_valid: bool,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

fn vectors(text: &str) -> Vec<Vector> {
    let bytes = |hex: &str| match hex {
        "-" => Vec::new(),
        hex => data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap(),
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let vectors = lines.map(|line| match *line.split(' ').collect::<Vec<_>>() {
        [number, result @ ("valid" | "invalid"), key, message, signature] => Vector {
            number: number.parse().unwrap(),
            is_valid: result == "valid",
            key: bytes(key),
            message: bytes(message),
            signature: bytes(signature),
        },
        _ => panic!("{line}"),
    });
    vectors.collect()
}

/// Through the types that bundles use: a key that cannot be made and a signature of another length verify nothing.
fn verifies(vector: &Vector) -> bool {
    let key = vector
        .key
        .as_slice()
        .try_into()
        .ok()
        .and_then(|bytes| PublicKey::from_bytes(bytes).ok());
    let signature = vector.signature.as_slice().try_into().ok();
    key.zip(signature)
        .is_some_and(|(key, signature)| key.verify(&vector.message, signature))
}

#[test]
fn accepts_case_3_of_speccheck_and_no_other() {
    let vectors = vectors(include_str!("../../../tests/vectors/ed25519-speccheck.txt"));
    assert_eq!(vectors.len(), 12);
    let accepted: Vec<_> = vectors
        .iter()
        .filter(|vector| verifies(vector))
        .map(|vector| vector.number)
        .collect();
    assert_eq!(accepted, [3]);
    assert!(vectors.iter().all(|vector| vector.is_valid == (vector.number == 3)));
}

#[test]
fn agrees_with_every_test_of_wycheproof() {
    let vectors = vectors(include_str!("../../../tests/vectors/wycheproof-ed25519.txt"));
    assert_eq!(vectors.len(), 151);
    for vector in &vectors {
        assert_eq!(verifies(vector), vector.is_valid, "tcId {}", vector.number);
    }
}
