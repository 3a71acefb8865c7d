//! What a person reads when a bundle is refused, and what a program does.

use serde_json::{Value, json};

use super::*;
use crate::trust::{RevokedKey, TrustError, VerifyError};

fn described(errors: impl IntoIterator<Item = impl crate::Coded>) -> Value {
    let described = errors.into_iter().map(|error| {
        json!({
            "code": error.code().as_str(),
            "blame": format!("{:?}", error.blame()),
            "message": error.to_string(),
            "details": error.details(),
            "help": error.help(),
        })
    });
    described.collect()
}

#[test]
fn says_why_a_bundle_is_not_vouched_for() {
    let key_id = key(1).public().id();
    let reason = "laptop stolen".to_owned();
    insta::assert_json_snapshot!(described([
        VerifyError::Unsigned,
        VerifyError::TrustExpired { expires: at(NOW) },
        VerifyError::UntrustedKey { key_ids: vec![key_id] },
        VerifyError::DevelopmentKey { key_id },
        VerifyError::KeyNotYetValid {
            key_id,
            not_before: at(NOW)
        },
        VerifyError::KeyExpired {
            key_id,
            not_after: at(NOW)
        },
        VerifyError::KeyRetired { key_id },
        VerifyError::KeyCompromised { key_id },
        VerifyError::KeyRevoked(RevokedKey {
            keyid: key_id,
            reason,
            since: at(NOW)
        }),
        VerifyError::BadSignature { key_id },
        VerifyError::BundleExpired {
            key_id,
            not_after: at(NOW)
        },
        VerifyError::BundleRevoked {
            key_id,
            digest: crate::Digest::of(b"")
        },
        VerifyError::NotForThisId {
            key_id,
            id: ID.parse().unwrap()
        },
        VerifyError::Threshold {
            key_id,
            valid: 1,
            required: 2
        },
        VerifyError::Contents(crate::ContentsError::ContentDigest),
        VerifyError::Contents(crate::ContentsError::EntryPointMissing {
            path: "plugin.wasm".to_owned()
        }),
        VerifyError::Clock,
    ]));
}

#[test]
fn says_why_a_trust_document_is_not_accepted() {
    let key_id = key(1).public().id();
    insta::assert_json_snapshot!(described([
        TrustError::Declaration {
            pointer: "/root/threshold".to_owned(),
            expected: "between 1 and the number of keys"
        },
        TrustError::UntrustedRoot { key_ids: vec![key_id] },
        TrustError::BadSignature { key_id },
        TrustError::Threshold { valid: 1, required: 2 },
        TrustError::Rollback { current: 5, offered: 4 },
        TrustError::Gap { current: 5, offered: 7 },
    ]));
}
