//! Events of the sandbox that become records.

use std::sync::Arc;
use std::time::SystemTime;

use palisade_bundle::Permission;
use serde_json::json;

use super::super::{AuditAction, AuditEvents, AuditFilter, AuditLog, AuditOutcome};
use super::Place;
use crate::event::{Event, EventId, EventKind, EventSink as _, Json, MemoryEvents};

fn event(seq: u64, kind: EventKind) -> Event {
    Event {
        event_id: EventId::default(),
        operation_id: None,
        seq,
        plugin_id: Arc::from("com.acme.greeter"),
        version: Arc::from("1.2.0"),
        timestamp: SystemTime::UNIX_EPOCH,
        kind,
    }
}

fn violation(seq: u64) -> Event {
    event(seq, EventKind::SecurityViolation { kind: "reentrant_call" })
}

fn told(log: &AuditLog) -> u64 {
    let filter = AuditFilter {
        action: Some(AuditAction::RecordsLost),
        ..AuditFilter::default()
    };
    let lost = log.records(1, 1_000, &filter).unwrap().records;
    lost.iter()
        .map(|record| record.details["count"].as_u64().unwrap())
        .sum()
}

#[test]
fn records_what_matters_and_passes_everything_on() {
    let place = Place::new();
    let log = place.log();
    let next = Arc::new(MemoryEvents::new(100));
    let sink = AuditEvents::new(log.clone(), Arc::clone(&next) as _);
    let denied = EventKind::PermissionDenied {
        permission: Permission::StorageRead,
        call: "storage_get",
    };
    let exceeded = EventKind::ResourceExceeded {
        resource: "fuel",
        limit: u64::MAX,
    };
    let custom = EventKind::Custom {
        topic: "plugin:security:violation".to_owned(),
        data: Json(serde_json::value::to_raw_value(&json!({})).unwrap()),
    };
    let near = EventKind::ResourceThreshold {
        resource: "fuel",
        used: 8,
        limit: 10,
    };
    let events = [
        event(1, denied),
        violation(2),
        event(3, exceeded),
        event(4, custom),
        event(5, near),
    ];
    events.iter().cloned().for_each(|event| sink.emit(event));
    assert_eq!(next.take(), events);

    log.checkpoint().unwrap();
    let records = log.records(1, 100, &AuditFilter::default()).unwrap().records;
    let said: Vec<_> = records
        .iter()
        .map(|record| (record.action, record.resource.as_str(), json!(record.details)))
        .collect();
    assert_eq!(
        said,
        [
            (
                AuditAction::SecurityViolation,
                "storage:read",
                json!({"event": "plugin:permission:denied", "event_seq": 1, "version": "1.2.0", "call": "storage_get"})
            ),
            (
                AuditAction::SecurityViolation,
                "reentrant_call",
                json!({"event": "plugin:security:violation", "event_seq": 2, "version": "1.2.0"})
            ),
            (
                AuditAction::ResourceExhaustion,
                "fuel",
                json!({"event": "plugin:resource:exceeded", "event_seq": 3, "version": "1.2.0",
                    "limit": "18446744073709551615"})
            ),
        ]
    );
    for record in records {
        assert_eq!(record.outcome, AuditOutcome::Denied);
        assert_eq!(record.actor, "plugin:com.acme.greeter");
        assert_eq!(record.plugin_id.as_deref(), Some("com.acme.greeter"));
    }
}

#[test]
fn does_not_wait_for_a_disk_that_hangs_and_records_how_many_it_lost() {
    let place = Place::new();
    let log = place.log();
    let sink = AuditEvents::new(log.clone(), Arc::new(MemoryEvents::new(1)));
    // Another process that has the database, as a disk that does not answer.
    let other = place.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    (1..=500).for_each(|seq| sink.emit(violation(seq)));
    let lost = log.lost();
    assert!(lost >= 500 - 3 * 128, "{lost}");
    other.execute_batch("ROLLBACK").unwrap();
    log.checkpoint().unwrap();
    let records = log.records(1, 1_000, &AuditFilter::default()).unwrap().records;
    let of_events = records
        .iter()
        .filter(|record| record.action != AuditAction::RecordsLost)
        .count();
    assert_eq!((of_events as u64 + lost, told(&log)), (500, lost));
    log.verify().unwrap();
}
