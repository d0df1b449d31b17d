//! What would be moved where: the steps before a migration, in one call.

use crate::assess::{Assessment, Options, assess};
use crate::error::{Error, Reason, Result};
use crate::event::Event;
use crate::host::Host;
use crate::name::{DsMask, DsName, Volser};
use crate::plan::{Mode, PassedOver, Plan, PlannedDataSet, Refusal, Scope, Target, ends, plan};

/// What is to be moved.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// Which data sets.
    pub masks: &'a [DsMask],
    /// The volumes that they are on.
    pub sources: &'a [Volser],
    /// The volumes that they may go to.
    pub targets: &'a [Volser],
    /// How the target's space is chosen.
    pub mode: Mode,
    /// A data set that no catalog names may be moved.
    pub uncataloged: bool,
    /// How much more space the target gets than its source has, in percent: for sources that grow meanwhile.
    pub slack: u32,
}

/// Assesses and plans. Nothing is changed. Every data set that the masks select is in the plan, or among the refusals; of
/// a mask that selects none, beside others that do, an event tells.
///
/// Errors: [`Reason::NothingSelected`], and those of reading volumes and catalogs.
pub fn propose(host: &Host, selection: &Selection<'_>) -> Result<(Plan, Vec<Refusal>)> {
    let sources = host.space_of(selection.sources)?;
    let options = Options { uncataloged: selection.uncataloged };
    let assessments = assess(selection.masks, &sources, &host.catalogs, &options)?;
    if assessments.is_empty() {
        let masks: Vec<String> = selection.masks.iter().map(DsMask::to_string).collect();
        return Err(Error::new(
            Reason::NothingSelected,
            format!("no data set on the source volumes is selected by {}", masks.join(", ")),
        ));
    }
    for data_set in assessments.iter().filter(|data_set| data_set.is_movable()) {
        host.tell(&Event::Assessed {
            data_set: data_set.name,
            volsers: data_set.parts.iter().map(|part| part.volser).collect(),
            extent_count: data_set.extents().count() as u32,
            track_count: data_set.track_count(),
        });
    }
    let targets = host
        .space_of(selection.targets)?
        .iter()
        .map(|manager| Target::of(&**manager))
        .collect::<Result<Vec<Target>>>()?;
    let assessed = assessments.clone();
    let (mut planned, mut refusals) = plan(assessments, targets, selection.mode, selection.slack);
    planned.data_sets.retain(|data_set| match check_tracks(host, data_set) {
        Ok(()) => true,
        Err(error) => {
            refusals.push(Refusal { name: data_set.assessment.name, reasons: vec![error] });
            false
        }
    });
    refusals.sort_by_key(|refusal| refusal.name);
    planned.scope = Scope {
        masks: selection.masks.to_vec(),
        sources: selection.sources.to_vec(),
        targets: selection.targets.to_vec(),
        mode: selection.mode,
        uncataloged: selection.uncataloged,
        slack: selection.slack,
        passed_over: passed_over(assessed, &refusals),
    };
    for mask in planned.idle_masks() {
        let text = format!("{mask} selects no data set on the source volumes");
        host.tell(&Event::Remark { text });
    }
    for data_set in planned.data_sets.iter().filter(|d| d.assessment.name.starts_with("SYSCTLG ")) {
        let volser = data_set.assessment.parts[0].volser;
        host.tell(&Event::Remark {
            text: format!(
                "other catalogs may refer to the CVOL on {volser}; connect them to its new volume afterwards"
            ),
        });
    }
    for refusal in &refusals {
        for error in &refusal.reasons {
            host.tell(&Event::Refused {
                data_set: refusal.name,
                reason: error.reason(),
                sentence: error.sentence().to_string(),
            });
        }
    }
    Ok((planned, refusals))
}

/// What was assessed and is not planned.
fn passed_over(assessed: Vec<Assessment>, refusals: &[Refusal]) -> Vec<PassedOver> {
    let is_refused =
        |data_set: &Assessment| refusals.iter().any(|refusal| refusal.name == data_set.name);
    let there = assessed.into_iter().filter(|data_set| !data_set.parts.is_empty());
    let refused = there.filter(is_refused);
    refused.map(|data_set| PassedOver::new(&data_set, !data_set.is_movable())).collect()
}

/// That the tracks of a data set can go where they are planned: what is said in them forbids it, or where they lie.
pub(super) fn check_tracks(host: &Host, data_set: &PlannedDataSet) -> Result<()> {
    check_slots(host, data_set).and_then(|()| ends::check(data_set, &host.volumes))
}

/// That the tracks of source and target have slots of the same size.
///
/// Error: [`Reason::UnlikeDevices`].
fn check_slots(host: &Host, data_set: &PlannedDataSet) -> Result<()> {
    let geometry = |volser| host.volumes.get(&volser).map(|volume| volume.geometry());
    for source in &data_set.assessment.parts {
        for target in &data_set.parts {
            let (Some(from), Some(to)) = (geometry(source.volser), geometry(target.volser)) else {
                continue;
            };
            if !from.is_like(&to) {
                return Err(Error::new(
                    Reason::UnlikeDevices,
                    format!(
                        "the tracks of {} ({}) have {} bytes in its image, those of {} ({}) {}; give a target like the \
                         source",
                        source.volser,
                        from.device.name,
                        from.slot_size,
                        target.volser,
                        to.device.name,
                        to.slot_size
                    ),
                )
                .on_volume(target.volser));
            }
        }
    }
    Ok(())
}

/// The name under which a source is kept: `OLDCOPY` behind its own name, which is cut and made unique by a digest
/// where it is too long.
pub fn kept_name(name: DsName, is_taken: impl Fn(&DsName) -> bool) -> Option<DsName> {
    let text = name.to_string();
    let digest = crate::bytes::crc32c(0, name.as_bytes()) & 0x0FFF_FFFF;
    (1..=9).find_map(|number| {
        let suffix = if number == 1 { "OLDCOPY".to_string() } else { format!("OLDCOPY{number}") };
        let mut kept = format!("{text}.{suffix}");
        if kept.len() > 44 {
            let mut head = text.clone();
            while head.len() + suffix.len() + 10 > 44 {
                head.truncate(head.rfind('.').unwrap_or(0));
            }
            kept = format!("{head}.X{digest:07X}.{suffix}");
        }
        DsName::parse(&kept).ok().filter(|name| !is_taken(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_names_say_what_they_are_and_are_names() {
        let kept =
            |name: &str| kept_name(DsName::parse(name).unwrap(), |_| false).unwrap().to_string();
        assert_eq!(kept("A.B"), "A.B.OLDCOPY");
        for name in
            ["ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH", "ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH"]
        {
            let kept = kept(name);
            assert!(
                kept.len() <= 44 && kept.ends_with(".OLDCOPY") && kept.starts_with("ABCDEFGH."),
                "{kept}"
            );
        }
        let name = DsName::parse("A.B").unwrap();
        let taken = DsName::parse("A.B.OLDCOPY").unwrap();
        assert_eq!(kept_name(name, |name| *name == taken).unwrap().to_string(), "A.B.OLDCOPY2");
        assert_eq!(kept_name(name, |_| true), None);
    }
}
