//! What a host remembers of a plugin, so that it stays with its publisher and never goes back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::manifest::PluginId;
use crate::problem::{Blame, Code, Coded};
use crate::verified::VerifiedBundle;

/// What a host remembers of a plugin across installs and removals. The host keeps it; [`admit`] makes the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallRecord {
    /// The plugin.
    pub id: PluginId,
    /// Who it belongs to: the publisher that first installed it. `None` while only unsigned bundles were seen.
    pub publisher: Option<String>,
    /// The highest release seen; `None` while only unsigned bundles were seen.
    pub highest: Option<Release>,
    /// The digests of every bundle ever admitted.
    pub seen: BTreeSet<Digest>,
}

/// A release of a plugin in the order of releases: by epoch of the publisher, then by sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The publisher's epoch in the trust store.
    pub epoch: u64,
    /// The sequence in the statement.
    pub sequence: u64,
    /// The digest of the statement.
    pub digest: Digest,
}

impl Release {
    fn rank(&self) -> (u64, u64) {
        (self.epoch, self.sequence)
    }
}

/// Whether an older bundle may take the place of a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downgrade {
    /// Never.
    Refuse,
    /// Back to a bundle that was admitted before, on an operator's explicit and recorded wish.
    ToSeen,
}

/// Decides whether a verified bundle may be installed, given what is remembered of the plugin; returns what to
/// remember then. Pure: nothing is stored.
///
/// An allowed downgrade does not lower the highest release: going up again needs no permission.
///
/// # Errors
///
/// [`RatchetError::OtherPlugin`], [`RatchetError::OtherPublisher`], [`RatchetError::Older`],
/// [`RatchetError::SameSequence`], [`RatchetError::NeverSeen`].
pub fn admit(
    record: Option<&InstallRecord>,
    candidate: &VerifiedBundle,
    downgrade: Downgrade,
) -> Result<InstallRecord, RatchetError> {
    let digest = candidate.digest();
    let offered = candidate.statement().zip(candidate.epoch());
    let offered = offered.map(|(statement, epoch)| Release {
        epoch,
        sequence: statement.sequence,
        digest,
    });
    let publisher = candidate.publisher().map(str::to_owned);
    let Some(record) = record else {
        let seen = BTreeSet::from([digest]);
        return Ok(InstallRecord {
            id: candidate.id().clone(),
            publisher,
            highest: offered,
            seen,
        });
    };
    if record.id != *candidate.id() {
        return Err(RatchetError::OtherPlugin {
            expected: record.id.clone(),
            actual: candidate.id().clone(),
        });
    }
    if let Some(owner) = &record.publisher
        && publisher.as_ref() != Some(owner)
    {
        return Err(RatchetError::OtherPublisher {
            id: record.id.clone(),
            owner: owner.clone(),
            actual: publisher,
        });
    }
    let highest = match (record.highest, offered) {
        (Some(highest), Some(offered)) => Some(advance(record, highest, offered, downgrade)?),
        (highest, offered) => highest.or(offered),
    };
    let mut seen = record.seen.clone();
    seen.insert(digest);
    Ok(InstallRecord {
        id: record.id.clone(),
        publisher,
        highest,
        seen,
    })
}

fn advance(
    record: &InstallRecord,
    highest: Release,
    offered: Release,
    downgrade: Downgrade,
) -> Result<Release, RatchetError> {
    if offered.rank() > highest.rank() || offered == highest {
        return Ok(offered);
    }
    match downgrade {
        Downgrade::ToSeen if record.seen.contains(&offered.digest) => Ok(highest),
        Downgrade::ToSeen => Err(RatchetError::NeverSeen { digest: offered.digest }),
        Downgrade::Refuse if offered.rank() == highest.rank() => Err(RatchetError::SameSequence { highest, offered }),
        Downgrade::Refuse => Err(RatchetError::Older { highest, offered }),
    }
}

/// Why a verified bundle may not be installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RatchetError {
    /// The record is of another plugin.
    #[error("the bundle is plugin `{actual}`, not `{expected}`")]
    OtherPlugin {
        /// The plugin of the record.
        expected: PluginId,
        /// The plugin of the bundle.
        actual: PluginId,
    },
    /// The plugin belongs to another publisher.
    #[error("plugin `{id}` belongs to {owner}, not to {}", .actual.as_deref().unwrap_or("whoever made this unsigned bundle"))]
    OtherPublisher {
        /// The plugin.
        id: PluginId,
        /// Who installed it first.
        owner: String,
        /// Who vouches for this bundle, if anybody.
        actual: Option<String>,
    },
    /// A newer release was seen.
    #[error("sequence {} (epoch {}) is older than {} (epoch {}), which was seen before",
        .offered.sequence, .offered.epoch, .highest.sequence, .highest.epoch)]
    Older {
        /// The highest release seen.
        highest: Release,
        /// The release offered.
        offered: Release,
    },
    /// Another bundle with the same sequence was seen.
    #[error("another bundle with sequence {} (epoch {}) was seen before", .offered.sequence, .offered.epoch)]
    SameSequence {
        /// The highest release seen.
        highest: Release,
        /// The release offered.
        offered: Release,
    },
    /// A downgrade was allowed, but this bundle was never admitted here.
    #[error("bundle {digest} was never installed here; a downgrade goes back only to one that was")]
    NeverSeen {
        /// The bundle.
        digest: Digest,
    },
}

impl Coded for RatchetError {
    fn code(&self) -> Code {
        match self {
            Self::OtherPlugin { .. } => Code::InvalidArgument,
            Self::OtherPublisher { .. } => Code::UntrustedKey,
            Self::Older { .. } | Self::SameSequence { .. } | Self::NeverSeen { .. } => Code::DowngradeRefused,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::OtherPlugin { .. } => Blame::Request,
            Self::OtherPublisher { .. } | Self::Older { .. } | Self::SameSequence { .. } | Self::NeverSeen { .. } => {
                Blame::Trust
            }
        }
    }

    fn details(&self) -> Map<String, Value> {
        let members: Vec<(&str, Value)> = match self {
            Self::OtherPlugin { expected, .. } => {
                vec![("pointer", "/id".into()), ("expected", expected.as_str().into())]
            }
            Self::OtherPublisher { owner, actual, .. } => {
                vec![
                    ("publisher", owner.as_str().into()),
                    ("actual", actual.as_deref().into()),
                ]
            }
            Self::Older { highest, offered } | Self::SameSequence { highest, offered } => {
                let required = highest.sequence.saturating_add(1);
                vec![
                    ("required", required.into()),
                    ("actual", offered.sequence.into()),
                    ("epoch", offered.epoch.into()),
                ]
            }
            Self::NeverSeen { digest } => vec![("actual", digest.to_string().into())],
        };
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Older { .. } => {
                vec![
                    "to go back to a release that was installed here, use `--allow-downgrade --reason TEXT`".to_owned(),
                ]
            }
            Self::SameSequence { .. } => vec!["the publisher must raise the sequence with every release".to_owned()],
            Self::OtherPlugin { .. } | Self::OtherPublisher { .. } | Self::NeverSeen { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use crate::testing::{at, clock, files, key, manifest, options, signed, signed_with, unsigned};
    use crate::trust::{
        PublisherDeclaration, PublisherKey, Revocations, Root, TrustDeclaration, TrustDocument, TrustStore,
    };

    const ID: &str = "com.acme.weather";

    fn verified(bundle: Bundle, epoch: u64) -> VerifiedBundle {
        let publisher = |seed: u8| PublisherDeclaration {
            epoch,
            id_patterns: vec!["*".parse().unwrap()],
            keys: vec![PublisherKey::from(key(seed).public())],
            permission_ceiling: None,
            threshold: 1,
        };
        let declaration = TrustDeclaration {
            created: None,
            expires: at("2099-01-01T00:00:00Z"),
            publishers: [("acme".to_owned(), publisher(1)), ("evil".to_owned(), publisher(2))].into(),
            revoked: Revocations::default(),
            root: Root {
                keys: vec![key(9).public().into()],
                threshold: 1,
            },
            version: 1,
        };
        let document = crate::sign::sign_trust(&declaration, &[&key(9)]).unwrap();
        let trust = TrustStore::from_document(&TrustDocument::self_rooted(&document).unwrap()).allow_unsigned(true);
        trust.verify(bundle, clock("2026-12-01T00:00:00Z")).unwrap()
    }

    fn release(sequence: u64, epoch: u64) -> VerifiedBundle {
        verified(signed_with(ID, &[1], options(sequence)), epoch)
    }

    /// Another bundle with the same sequence.
    fn twin(sequence: u64) -> VerifiedBundle {
        let mut files = files(ID);
        files[1].1 = manifest(ID, "1.2.1");
        let bundle = Bundle::open(crate::sign::pack(files).unwrap()).unwrap();
        let bundle = crate::sign::sign(&bundle, &key(1), &options(sequence)).unwrap();
        verified(Bundle::open(bundle).unwrap(), 0)
    }

    fn after(releases: &[&VerifiedBundle]) -> InstallRecord {
        let mut record = None;
        for release in releases {
            record = Some(admit(record.as_ref(), release, Downgrade::Refuse).unwrap());
        }
        record.unwrap()
    }

    #[test]
    fn goes_up_and_stays_and_never_goes_down() {
        let record = after(&[&release(16, 0), &release(17, 0), &release(17, 0)]);
        assert_eq!(record.highest.unwrap().sequence, 17);
        assert!(admit(Some(&record), &release(18, 0), Downgrade::Refuse).is_ok());
        let refusal = admit(Some(&record), &release(16, 0), Downgrade::Refuse).unwrap_err();
        assert!(matches!(refusal, RatchetError::Older { .. }), "{refusal}");
        assert_eq!(refusal.code(), Code::DowngradeRefused);
    }

    #[test]
    fn refuses_another_bundle_with_the_same_sequence() {
        let record = after(&[&release(17, 0)]);
        let refusal = admit(Some(&record), &twin(17), Downgrade::Refuse).unwrap_err();
        assert!(matches!(refusal, RatchetError::SameSequence { .. }), "{refusal}");
        assert_eq!(refusal.code(), Code::DowngradeRefused);
        assert!(admit(Some(&record), &twin(18), Downgrade::Refuse).is_ok());
    }

    #[test]
    fn goes_down_only_to_what_it_has_seen_and_remembers_the_top() {
        let record = after(&[&release(16, 0), &release(17, 0)]);
        let back = admit(Some(&record), &release(16, 0), Downgrade::ToSeen).unwrap();
        assert_eq!(back.highest, record.highest);
        assert!(admit(Some(&back), &release(17, 0), Downgrade::Refuse).is_ok());
        assert!(admit(Some(&back), &release(16, 0), Downgrade::Refuse).is_err());
        for never_seen in [release(15, 0), twin(17)] {
            let refusal = admit(Some(&record), &never_seen, Downgrade::ToSeen).unwrap_err();
            assert_eq!(
                refusal,
                RatchetError::NeverSeen {
                    digest: never_seen.digest()
                }
            );
        }
    }

    #[test]
    fn a_higher_epoch_outranks_every_sequence() {
        let record = after(&[&release((1 << 53) - 1, 0)]);
        let record = admit(Some(&record), &release(18, 1), Downgrade::Refuse).unwrap();
        assert_eq!(
            record.highest.map(|highest| (highest.epoch, highest.sequence)),
            Some((1, 18))
        );
        assert!(admit(Some(&record), &release(19, 0), Downgrade::Refuse).is_err());
    }

    #[test]
    fn a_plugin_stays_with_the_publisher_that_first_installed_it() {
        let record = after(&[&release(17, 0)]);
        assert_eq!(record.publisher.as_deref(), Some("acme"));
        let taken_over = verified(signed_with(ID, &[2], options(99)), 0);
        let refusal = admit(Some(&record), &taken_over, Downgrade::Refuse).unwrap_err();
        assert_eq!(refusal.code(), Code::UntrustedKey);
        assert!(admit(Some(&record), &taken_over, Downgrade::ToSeen).is_err());
        let anonymous = admit(Some(&record), &verified(unsigned(ID), 0), Downgrade::ToSeen).unwrap_err();
        assert!(
            matches!(anonymous, RatchetError::OtherPublisher { actual: None, .. }),
            "{anonymous}"
        );
    }

    #[test]
    fn a_plugin_that_was_unsigned_belongs_to_whoever_signs_it_first() {
        let record = after(&[&verified(unsigned(ID), 0), &verified(unsigned(ID), 0)]);
        assert_eq!((record.publisher.as_deref(), record.highest), (None, None));
        let record = admit(Some(&record), &release(17, 0), Downgrade::Refuse).unwrap();
        assert_eq!(record.publisher.as_deref(), Some("acme"));
        assert!(admit(Some(&record), &verified(unsigned(ID), 0), Downgrade::Refuse).is_err());
    }

    #[test]
    fn a_record_is_of_one_plugin() {
        let record = after(&[&release(17, 0)]);
        let other = verified(signed("com.acme.clock", &[1]), 0);
        assert!(matches!(
            admit(Some(&record), &other, Downgrade::Refuse),
            Err(RatchetError::OtherPlugin { .. })
        ));
    }

    #[test]
    fn a_record_survives_being_stored() {
        let record = after(&[&release(16, 0), &release(17, 3)]);
        let stored = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<InstallRecord>(&stored).unwrap(), record);
    }
}
