//! Events for programs: one JSON object for each, in a line of `events.jsonl`.
//!
//! | field | what |
//! |---|---|
//! | `time_ms` | when, in milliseconds since 1970 |
//! | `event` | the word for its kind |
//! | `text` | the sentence for people |
//! | others | those of the event, by the names that the library gives them |
//!
//! Fields are added, none changes its meaning.

use serde_json::{Map, Value, json};
use std::time::Duration;
use trackmirror::Volser;
use trackmirror::event::Event;
use trackmirror::geometry::Extent;

/// The whole line, without its end.
pub fn line(time: Duration, event: &Event) -> String {
    let mut object = Map::new();
    object.insert("time_ms".into(), json!(time.as_millis() as u64));
    object.insert("event".into(), json!(event.name()));
    object.insert("text".into(), json!(event.to_string()));
    if let Value::Object(fields) = fields(event) {
        object.extend(fields);
    }
    Value::Object(object).to_string()
}

fn texts(volsers: &[Volser]) -> Vec<String> {
    volsers.iter().map(Volser::to_string).collect()
}

fn extent(extent: &Extent) -> Value {
    json!({ "first_track": extent.first.0, "track_count": extent.track_count })
}

/// What the event says, besides its kind.
fn fields(event: &Event) -> Value {
    match event {
        Event::Assessed { data_set, volsers, extent_count, track_count } => json!({
            "data_set": data_set.to_string(), "volsers": texts(volsers), "extent_count": extent_count,
            "track_count": track_count,
        }),
        Event::Refused { data_set, reason, sentence } => json!({
            "data_set": data_set.to_string(), "reason": *reason as u32, "sentence": sentence,
        }),
        Event::Allocated { data_set, volser, extents } => json!({
            "data_set": data_set.to_string(), "volser": volser.to_string(),
            "extents": extents.iter().map(extent).collect::<Vec<_>>(),
        }),
        Event::TargetReleased { data_set, volser, extents } => json!({
            "data_set": data_set.to_string(), "volser": volser.to_string(),
            "extents": extents.iter().map(extent).collect::<Vec<_>>(),
        }),
        Event::TargetRenamed { data_set, volser, to } => json!({
            "data_set": data_set.to_string(), "volser": volser.to_string(), "to": to.to_string(),
        }),
        Event::CopyBegun { track_count } => json!({ "track_count": track_count }),
        Event::MonitorsStarted { volser, images } => {
            json!({ "volser": volser.to_string(), "images": images })
        }
        Event::Copied(progress) => json!({
            "copied_tracks": progress.copied_tracks, "left_tracks": progress.left_tracks,
            "total_tracks": progress.total_tracks, "byte_count": progress.byte_count,
        }),
        Event::Passed { pass, copied_tracks, left_tracks } => {
            json!({ "pass": pass, "copied_tracks": copied_tracks, "left_tracks": left_tracks })
        }
        Event::NotConverging { sentence } => json!({ "sentence": sentence }),
        Event::Resynchronized { left_tracks, window_ms } => {
            json!({ "left_tracks": left_tracks, "window_ms": window_ms })
        }
        Event::TakenOut { data_set, sentence } => {
            json!({ "data_set": data_set.to_string(), "sentence": sentence })
        }
        Event::Verified { data_set, track_count } => {
            json!({ "data_set": data_set.to_string(), "track_count": track_count })
        }
        Event::StillOpen { openers } => json!({ "openers": openers }),
        Event::Closed { waited_ms } => json!({ "waited_ms": waited_ms }),
        Event::Compared { data_set_count } => json!({ "data_set_count": data_set_count }),
        Event::FinallyResynchronized { copied_tracks } => json!({ "copied_tracks": copied_tracks }),
        Event::Accommodated { data_set, what } => {
            json!({ "data_set": data_set.to_string(), "what": what })
        }
        Event::Postponed { why } | Event::BackedOut { why } => json!({ "why": why }),
        Event::Cataloged { data_set, catalog, volsers } => json!({
            "data_set": data_set.to_string(), "catalog": catalog, "volsers": texts(volsers),
        }),
        Event::Released { window_ms } => json!({ "window_ms": window_ms }),
        Event::Scratched { data_set, volser, erased } => json!({
            "data_set": data_set.to_string(), "volser": volser.to_string(), "erased": erased,
        }),
        Event::Kept { data_set, volser, under } => json!({
            "data_set": data_set.to_string(), "volser": volser.to_string(), "under": under.to_string(),
        }),
        Event::Moved { from, to } => json!({ "from": from.name(), "to": to.name() }),
        Event::Resumed { state } => json!({ "state": state.name() }),
        // A remark is its text; the others have nothing to add. (So has, until it is known here, what a later release of
        // the library tells.)
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use trackmirror::event::Progress;
    use trackmirror::geometry::Track;
    use trackmirror::state::State;
    use trackmirror::{DsName, Reason};

    /// One of each kind, with the names of its fields.
    fn samples() -> Vec<(Event, &'static str)> {
        let data_set: DsName = "TEST.SEQ".parse().unwrap();
        let volser: Volser = "VOL001".parse().unwrap();
        let text = || "why".to_string();
        let progress =
            Progress { copied_tracks: 1, left_tracks: 2, total_tracks: 3, byte_count: 4 };
        vec![
            (
                Event::Assessed {
                    data_set,
                    volsers: vec![volser],
                    extent_count: 2,
                    track_count: 30,
                },
                "data_set volsers extent_count track_count",
            ),
            (
                Event::Refused { data_set, reason: Reason::Unmovable, sentence: text() },
                "data_set reason sentence",
            ),
            (
                Event::Allocated { data_set, volser, extents: vec![Extent::new(Track(19), 1)] },
                "data_set volser extents",
            ),
            (
                Event::TargetReleased {
                    data_set,
                    volser,
                    extents: vec![Extent::new(Track(19), 1)],
                },
                "data_set volser extents",
            ),
            (Event::TargetRenamed { data_set, volser, to: data_set }, "data_set volser to"),
            (Event::CopyBegun { track_count: 5 }, "track_count"),
            (Event::MonitorsStarted { volser, images: vec!["SYSA".into()] }, "volser images"),
            (Event::Copied(progress), "copied_tracks left_tracks total_tracks byte_count"),
            (
                Event::Passed { pass: 1, copied_tracks: 2, left_tracks: 3 },
                "pass copied_tracks left_tracks",
            ),
            (Event::NotConverging { sentence: text() }, "sentence"),
            (Event::Resynchronized { left_tracks: 1, window_ms: Some(2) }, "left_tracks window_ms"),
            (Event::TakenOut { data_set, sentence: text() }, "data_set sentence"),
            (Event::Verified { data_set, track_count: 5 }, "data_set track_count"),
            (Event::ClosingBegun, ""),
            (Event::StillOpen { openers: vec![text()] }, "openers"),
            (Event::Closed { waited_ms: 3 }, "waited_ms"),
            (Event::WindowOpened, ""),
            (Event::FinallyResynchronized { copied_tracks: 3 }, "copied_tracks"),
            (Event::Compared { data_set_count: 2 }, "data_set_count"),
            (Event::Accommodated { data_set, what: text() }, "data_set what"),
            (Event::Postponed { why: text() }, "why"),
            (
                Event::Cataloged { data_set, catalog: text(), volsers: vec![volser] },
                "data_set catalog volsers",
            ),
            (Event::Looked, ""),
            (Event::Released { window_ms: 4 }, "window_ms"),
            (Event::Scratched { data_set, volser, erased: true }, "data_set volser erased"),
            (Event::Kept { data_set, volser, under: data_set }, "data_set volser under"),
            (Event::Moved { from: State::Planned, to: State::Copying }, "from to"),
            (Event::Completed, ""),
            (Event::Terminated, ""),
            (Event::Resumed { state: State::Copying }, "state"),
            (Event::BackedOut { why: text() }, "why"),
            (Event::Remark { text: text() }, ""),
        ]
    }

    #[test]
    fn every_event_has_its_fields() {
        for (event, fields) in samples() {
            let text = line(Duration::from_millis(1234), &event);
            assert!(!text.contains('\n'));
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&value["time_ms"], &value["event"]), (&1234.into(), &event.name().into()));
            assert_eq!(value["text"], event.to_string());
            let names: Vec<&str> =
                value.as_object().unwrap().keys().skip(3).map(String::as_str).collect();
            assert_eq!(names.join(" "), fields, "{text}");
            assert!(value.as_object().unwrap().values().all(|value| !value.is_null()), "{text}");
        }
    }

    /// An event that is added to the library without being told here is found.
    #[test]
    fn no_event_is_left_out() {
        let words: BTreeSet<&str> = Event::NAMES.iter().copied().collect();
        let told: BTreeSet<&str> = samples().iter().map(|(event, _)| event.name()).collect();
        assert_eq!(told, words);
    }
}
