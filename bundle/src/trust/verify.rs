//! The order of verification.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::development::is_development_key;
use super::document::Freshness;
use super::{Development, KeyStatus, Publisher, TrustStore, TrustedKey, Unsigned, VerifyError};
use crate::bundle::Bundle;
use crate::contents::Contents;
use crate::digest::Digest;
use crate::envelope::{Envelope, EnvelopeSignature};
use crate::key::KeyId;
use crate::manifest::PluginId;
use crate::statement::Statement;
use crate::steps::{Step, Trace};
use crate::time::Timestamp;
use crate::verified::{SignatureStatus, TrustWarning, VerifiedBundle, Voucher};

/// What the bundle is verified for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be installed or run for the first time.
    Install,
    /// To go on running.
    Run,
}

impl TrustStore {
    /// Runs every step.
    pub(super) fn judge(
        &self,
        bundle: &Bundle,
        now: SystemTime,
        purpose: Purpose,
        trace: &mut Trace,
    ) -> Result<VerifiedBundle, VerifyError> {
        let now = Timestamp::try_from(now).map_err(|_| VerifyError::Clock)?;
        trace.passed(Step::Size);
        trace.passed(Step::Header);
        let Some(envelope) = bundle.envelope() else {
            return self.judge_unsigned(bundle, trace);
        };
        trace.passed(Step::Envelope);
        let warnings = trace.note(Step::TrustDocument, self.check_document(now, purpose))?;
        let known = trace.note(Step::Key, self.known_signers(envelope))?;
        let valid = trace.note(
            Step::Validity,
            known.passing(|signer| check_validity(signer, now, purpose)),
        )?;
        let live = trace.note(Step::Revocation, valid.passing(|signer| self.check_revocation(signer)))?;
        trace.note(Step::Signature, check_signatures(envelope, &known))?;
        let digest = envelope.payload_digest();
        let statement = trace.note(Step::Statement, self.read_statement(envelope, digest, live.first, now))?;
        let vouched = trace.note(Step::Threshold, self.check_threshold(&live, &statement.id))?;
        let contents = Contents::unpack(bundle, Some(&statement), trace)?;
        let publisher = vouched.publisher;
        let voucher = Voucher {
            statement,
            digest,
            publisher: publisher.name.clone(),
            epoch: publisher.epoch,
            permission_ceiling: publisher.permission_ceiling.clone(),
            signatures: signature_statuses(envelope, &vouched.signers),
        };
        Ok(VerifiedBundle::new(
            bundle.clone(),
            contents,
            Some(voucher),
            trace.checks(),
            warnings,
        ))
    }

    fn judge_unsigned(&self, bundle: &Bundle, trace: &mut Trace) -> Result<VerifiedBundle, VerifyError> {
        if self.unsigned == Unsigned::Refused {
            return trace.note(Step::Envelope, Err(VerifyError::Unsigned));
        }
        let contents = Contents::unpack(bundle, None, trace)?;
        let warnings = vec![TrustWarning::Unsigned];
        Ok(VerifiedBundle::new(
            bundle.clone(),
            contents,
            None,
            trace.checks(),
            warnings,
        ))
    }

    fn check_document(&self, now: Timestamp, purpose: Purpose) -> Result<Vec<TrustWarning>, VerifyError> {
        let mut development_root = self
            .roll
            .root_keys
            .iter()
            .copied()
            .filter(|key_id| is_development_key(*key_id));
        if self.development == Development::Refused
            && let Some(key_id) = development_root.next()
        {
            return Err(VerifyError::DevelopmentKey { key_id });
        }
        let Some(lifetime) = self.roll.lifetime else {
            return Ok(Vec::new());
        };
        let expires = lifetime.expires;
        match (lifetime.at(now), purpose) {
            (Freshness::Fresh, _) => Ok(Vec::new()),
            (Freshness::Stale, _) => Ok(vec![TrustWarning::TrustDocumentStale { expires }]),
            (Freshness::Expired, Purpose::Run) => Ok(vec![TrustWarning::TrustDocumentExpired { expires }]),
            (Freshness::Expired, Purpose::Install) => Err(VerifyError::TrustExpired { expires }),
        }
    }

    /// The signatures by keys of this store. Others are as good as absent.
    fn known_signers<'a>(&'a self, envelope: &'a Envelope) -> Result<Signers<'a>, VerifyError> {
        let mut refused = None;
        let mut known = Vec::new();
        for signature in envelope.signatures() {
            let Some(trusted) = self.roll.keys.get(&signature.key_id) else {
                continue;
            };
            if self.development == Development::Refused && is_development_key(signature.key_id) {
                refused = Some(signature.key_id);
            } else {
                known.push(Signer { trusted, signature });
            }
        }
        Signers::from_vec(known).ok_or_else(|| match refused {
            Some(key_id) => VerifyError::DevelopmentKey { key_id },
            None => VerifyError::UntrustedKey {
                key_ids: envelope.signatures().iter().map(|signature| signature.key_id).collect(),
            },
        })
    }

    fn check_revocation(&self, signer: Signer<'_>) -> Result<(), VerifyError> {
        let key_id = signer.key_id();
        if let Some(revoked) = self.roll.revoked_keys.get(&key_id) {
            return Err(VerifyError::KeyRevoked(revoked.clone()));
        }
        match signer.trusted.key.status {
            KeyStatus::Compromised => Err(VerifyError::KeyCompromised { key_id }),
            KeyStatus::Active | KeyStatus::Retired => Ok(()),
        }
    }

    fn read_statement(
        &self,
        envelope: &Envelope,
        digest: Digest,
        signer: Signer<'_>,
        now: Timestamp,
    ) -> Result<Statement, VerifyError> {
        let statement = Statement::parse(envelope.payload()).map_err(VerifyError::Statement)?;
        let key_id = signer.key_id();
        if let Some(not_after) = statement.not_after.filter(|not_after| now > *not_after) {
            return Err(VerifyError::BundleExpired { not_after, key_id });
        }
        if self.roll.revoked_bundles.contains(&digest) {
            return Err(VerifyError::BundleRevoked { digest, key_id });
        }
        Ok(statement)
    }

    /// Finds the publisher who vouches for the plugin: of those with enough signatures the one with the narrowest
    /// pattern, so that a co-signer with wider powers does not take a plugin over.
    fn check_threshold<'a>(&'a self, live: &Signers<'a>, id: &PluginId) -> Result<Vouched<'a>, VerifyError> {
        let candidates = self.candidates(live, id);
        let key_id = live.first.key_id();
        let Some(narrowest) = candidates.first() else {
            return Err(VerifyError::NotForThisId { key_id, id: id.clone() });
        };
        let signers: BTreeSet<KeyId> = candidates
            .iter()
            .flat_map(|vouched| vouched.signers.iter().copied())
            .collect();
        if signers.len() < self.required {
            return Err(VerifyError::Threshold {
                key_id,
                valid: signers.len(),
                required: self.required,
            });
        }
        match candidates
            .iter()
            .find(|vouched| vouched.signers.len() >= vouched.publisher.threshold)
        {
            Some(vouched) => Ok(Vouched {
                publisher: vouched.publisher,
                signers,
            }),
            None => {
                let (valid, required) = (narrowest.signers.len(), narrowest.publisher.threshold);
                Err(VerifyError::Threshold {
                    key_id,
                    valid,
                    required,
                })
            }
        }
    }

    /// The publishers that have signed and may sign for this plugin, the narrowest pattern first.
    fn candidates<'a>(&'a self, live: &Signers<'a>, id: &PluginId) -> Vec<Vouched<'a>> {
        let mut signers: BTreeMap<usize, BTreeSet<KeyId>> = BTreeMap::new();
        for signer in live.iter() {
            signers
                .entry(signer.trusted.publisher)
                .or_default()
                .insert(signer.key_id());
        }
        let mut candidates: Vec<_> = signers
            .into_iter()
            .filter_map(|(index, signers)| {
                let publisher = self.roll.publishers.get(index)?;
                let narrowness = publisher.narrowness(id)?;
                Some(((Reverse(narrowness), &publisher.name), Vouched { publisher, signers }))
            })
            .collect();
        candidates.sort_by_key(|(rank, _)| *rank);
        candidates.into_iter().map(|(_, vouched)| vouched).collect()
    }
}

impl Publisher {
    /// How narrow the narrowest pattern is that holds `id`; `None` when none does.
    fn narrowness(&self, id: &PluginId) -> Option<(usize, bool)> {
        let matching = self.id_patterns.iter().filter(|pattern| pattern.matches(id));
        matching.map(|pattern| pattern.narrowness()).max()
    }
}

/// A publisher with the keys that have signed.
struct Vouched<'a> {
    publisher: &'a Publisher,
    signers: BTreeSet<KeyId>,
}

/// A signature by a key of the store.
#[derive(Clone, Copy)]
struct Signer<'a> {
    trusted: &'a TrustedKey,
    signature: &'a EnvelopeSignature,
}

impl Signer<'_> {
    fn key_id(self) -> KeyId {
        self.trusted.key.keyid
    }
}

/// At least one signer.
struct Signers<'a> {
    first: Signer<'a>,
    others: Vec<Signer<'a>>,
}

impl<'a> Signers<'a> {
    fn from_vec(mut signers: Vec<Signer<'a>>) -> Option<Self> {
        if signers.is_empty() {
            return None;
        }
        let others = signers.split_off(1);
        let first = signers.pop()?;
        Some(Self { first, others })
    }

    fn iter(&self) -> impl Iterator<Item = Signer<'a>> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    /// Those that pass; when none does, why the first did not.
    fn passing(&self, check: impl Fn(Signer<'a>) -> Result<(), VerifyError>) -> Result<Self, VerifyError> {
        let first = check(self.first).map(|()| self.first);
        let others = self.others.iter().copied().filter(|signer| check(*signer).is_ok());
        match first {
            Ok(first) => Ok(Self {
                first,
                others: others.collect(),
            }),
            Err(refusal) => Self::from_vec(others.collect()).ok_or(refusal),
        }
    }
}

fn check_validity(signer: Signer<'_>, now: Timestamp, purpose: Purpose) -> Result<(), VerifyError> {
    let key = &signer.trusted.key;
    let key_id = key.keyid;
    if let Some(not_before) = key.not_before.filter(|not_before| now < *not_before) {
        return Err(VerifyError::KeyNotYetValid { key_id, not_before });
    }
    if purpose == Purpose::Run {
        return Ok(());
    }
    if let Some(not_after) = key.not_after.filter(|not_after| now > *not_after) {
        return Err(VerifyError::KeyExpired { key_id, not_after });
    }
    match key.status {
        KeyStatus::Retired => Err(VerifyError::KeyRetired { key_id }),
        KeyStatus::Active | KeyStatus::Compromised => Ok(()),
    }
}

/// Every signature by a known key must verify, whether it counts or not: a bundle that claims what is not so is refused.
fn check_signatures(envelope: &Envelope, known: &Signers<'_>) -> Result<(), VerifyError> {
    let message = envelope.pre_authentication_encoding();
    for signer in known.iter() {
        if !signer.trusted.key.public.verify(&message, &signer.signature.bytes) {
            return Err(VerifyError::BadSignature {
                key_id: signer.key_id(),
            });
        }
    }
    Ok(())
}

fn signature_statuses(envelope: &Envelope, counted: &BTreeSet<KeyId>) -> Vec<SignatureStatus> {
    let signatures = envelope.signatures().iter();
    let statuses = signatures.map(|signature| SignatureStatus {
        key_id: signature.key_id,
        trusted: counted.contains(&signature.key_id),
    });
    statuses.collect()
}
