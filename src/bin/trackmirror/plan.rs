//! `trackmirror plan`: which data sets would go where. Nothing is changed.

use crate::assess::{hint, refusals_text, volsers};
use crate::output::{Answer, Table, count, error_value, limits};
use crate::selection::{Opened, Sources, Targets, open};
use serde_json::{Value, json};
use trackmirror::copy::Volumes;
use trackmirror::geometry::Extent;
use trackmirror::migrate::{Selection, propose};
use trackmirror::plan::{Plan, PlannedDataSet, Refusal};
use trackmirror::volume::Access;
use trackmirror::{Code, DsMask, Result, Volser};

const EXAMPLES: &str = "\
Examples:
  trackmirror plan 'TEST.**' --volume OLD001.ckd --target NEW001.ckd
  trackmirror plan TEST.BIG --volume A.ckd --target B.ckd C.ckd --mode best-fit
  trackmirror plan TEST.FRAG --volume A.ckd --target A.ckd     (combines its extents there)

Code 8: something is refused; with --skip-refused 4, if others can be moved; 4 also if a mask selects nothing.";

/// Say which data sets would go where, and change nothing
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "trackmirror plan [OPTIONS] <MASK>... --volume <FILE>... --target <FILE>...")]
pub struct Arguments {
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    targets: Targets,
}

/// What would be moved, and what is refused.
pub struct Proposal {
    /// What would be moved.
    pub plan: Plan,
    /// What is refused.
    pub refusals: Vec<Refusal>,
}

impl Proposal {
    /// Assesses and plans.
    pub fn make(opened: &Opened, sources: &Sources, targets: &Targets) -> Result<Proposal> {
        let selection = Selection {
            masks: &sources.masks,
            sources: &opened.sources,
            targets: &opened.targets,
            mode: targets.mode,
            uncataloged: sources.uncataloged,
            slack: targets.slack,
        };
        let (plan, refusals) = propose(&opened.host, &selection)?;
        Ok(Proposal { plan, refusals })
    }

    /// The code of return of what is proposed.
    pub fn code(&self, skip_refused: bool) -> Code {
        match (self.refusals.is_empty(), self.plan.data_sets.is_empty()) {
            (true, _) if self.plan.idle_masks().next().is_some() => Code::More,
            (true, _) => Code::Done,
            (false, false) if skip_refused => Code::More,
            _ => Code::Refused,
        }
    }

    /// For people.
    pub fn text(&self, volumes: &Volumes) -> String {
        let mut text = String::new();
        if !self.plan.data_sets.is_empty() {
            text += &table(&self.plan, volumes).to_string();
        }
        for refusal in &self.refusals {
            text += &refusals_text(&refusal.reasons);
        }
        for mask in self.plan.idle_masks() {
            text += &format!("remark: {mask} selects no data set on the source volumes\n");
        }
        text += hint(self.refusals.iter().flat_map(|refusal| &refusal.reasons));
        let tracks = count(self.plan.track_count(), "track");
        text + &format!(
            "\n{} to move, {tracks}; {} refused\n",
            count(self.plan.data_sets.len() as u64, "data set"),
            self.refusals.len()
        )
    }

    /// For programs.
    pub fn value(&self, volumes: &Volumes) -> Value {
        let refusals = self.refusals.iter().map(|refusal| {
            json!({
                "name": refusal.name.to_string(),
                "reasons": refusal.reasons.iter().map(error_value).collect::<Vec<_>>(),
            })
        });
        let idle_masks: Vec<String> = self.plan.idle_masks().map(DsMask::to_string).collect();
        json!({
            "data_sets": values(&self.plan, volumes),
            "refusals": refusals.collect::<Vec<_>>(),
            "idle_masks": idle_masks,
        })
    }
}

/// The table's columns.
const HEAD: &[&str] = &["DATA SET", ">TRACKS", "FROM", ">EXTENTS", "TO", ">EXTENTS", "ADDRESSES"];

/// Each data set in a line: where it is, and where it goes.
pub fn table(plan: &Plan, volumes: &Volumes) -> Table {
    // Addresses are told where the volumes are open.
    let columns = if volumes.is_empty() { HEAD.len() - 1 } else { HEAD.len() };
    let mut table = Table::new(&HEAD[..columns]);
    for data_set in &plan.data_sets {
        let (source, target) = (&data_set.assessment, &data_set.parts);
        let mut cells = vec![
            source.name.to_string(),
            source.track_count().to_string(),
            volsers(source.parts.iter().map(|part| part.volser)),
            source.extents().count().to_string(),
            volsers(target.iter().map(|part| part.volser)),
            data_set.target_extents().count().to_string(),
            addresses(data_set, volumes),
        ];
        cells.truncate(columns);
        table.row(cells);
    }
    table
}

/// The first extents of the target.
fn addresses(data_set: &PlannedDataSet, volumes: &Volumes) -> String {
    const SHOWN: usize = 3;
    let shown = data_set.target_extents().take(SHOWN).filter_map(|(volser, extent)| {
        let text = limits(extent, &volumes.get(&volser)?.geometry());
        Some(if data_set.parts.len() > 1 { format!("{volser}:{text}") } else { text })
    });
    let mut text = shown.collect::<Vec<_>>().join(" ");
    if data_set.target_extents().count() > SHOWN {
        text += " ...";
    }
    text
}

/// The data sets of a plan for programs.
pub fn values(plan: &Plan, volumes: &Volumes) -> Vec<Value> {
    let one = |(volser, extent): (Volser, Extent)| {
        let volume = volumes.get(&volser);
        json!({
            "volser": volser.to_string(),
            "first_track": extent.first.0,
            "track_count": extent.track_count,
            "limits": volume.map(|volume| limits(extent, &volume.geometry())),
        })
    };
    let data_set = |data_set: &PlannedDataSet| {
        json!({
            "name": data_set.assessment.name.to_string(),
            "track_count": data_set.assessment.track_count(),
            "combines": data_set.combines,
            "source": data_set.assessment.extents().map(one).collect::<Vec<_>>(),
            "target": data_set.target_extents().map(one).collect::<Vec<_>>(),
        })
    };
    plan.data_sets.iter().map(data_set).collect()
}

/// Plans.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let opened = open(&arguments.sources, Some(&arguments.targets), Access::Read)?;
    let proposal = Proposal::make(&opened, &arguments.sources, &arguments.targets)?;
    Ok(Answer {
        code: proposal.code(arguments.targets.skip_refused),
        text: proposal.text(&opened.host.volumes),
        json: proposal.value(&opened.host.volumes),
    })
}
