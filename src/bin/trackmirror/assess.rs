//! `trackmirror assess`: what data sets are and occupy, and what forbids moving them.

use crate::attributes::{dsorg, recfm};
use crate::output::{Answer, Table, count, error_value, extent_value};
use crate::selection::{Sources, open};
use serde_json::{Value, json};
use trackmirror::assess::{Assessment, Options, assess};
use trackmirror::host::Host;
use trackmirror::volume::Access;
use trackmirror::{DsMask, Error, Reason, Result, Volser};

const EXAMPLES: &str = "\
Examples:
  trackmirror assess 'TEST.**' --volume VOL001.ckd VOL002.ckd
  trackmirror assess 'PROD.*.MASTER' --volume PROD01.ckd --catalog SYSRES.ckd

Nothing is changed. Code 4: some of the data sets must not be moved; each reason is named.";

/// Say what data sets occupy, and what forbids moving them
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "trackmirror assess [OPTIONS] <MASK>... --volume <FILE>...")]
pub struct Arguments {
    #[command(flatten)]
    sources: Sources,
}

/// Assesses the data sets.
pub fn run(arguments: &Arguments) -> Result<Answer> {
    let sources = &arguments.sources;
    let opened = open(sources, None, Access::Read)?;
    let options = Options { uncataloged: sources.uncataloged };
    let space = opened.host.space_of(&opened.sources)?;
    let assessments = assess(&sources.masks, &space, &opened.host.catalogs, &options)?;
    if assessments.is_empty() {
        return Err(nothing_selected(&sources.masks));
    }
    let mut table = Table::new(&[
        "DATA SET", "VOLUMES", "DSORG", "RECFM", ">EXTENTS", ">TRACKS", "CATALOG", "MOVABLE",
    ]);
    assessments.iter().for_each(|data_set| table.row(row(data_set)));
    let mut text = table.to_string();
    for data_set in &assessments {
        text += &refusals_text(&data_set.refusals);
    }
    text += hint(assessments.iter().flat_map(|data_set| &data_set.refusals));
    let refused = assessments.iter().filter(|data_set| !data_set.is_movable()).count();
    text += &format!(
        "\n{}, {} in all, {refused} refused\n",
        count(assessments.len() as u64, "data set"),
        count(
            assessments.iter().map(|data_set| u64::from(data_set.track_count())).sum::<u64>(),
            "track"
        ),
    );
    let values: Vec<Value> = assessments.iter().map(|one| value(one, &opened.host)).collect();
    Ok(Answer::with_remarks(refused > 0, text, json!({ "data_sets": values })))
}

/// The error where masks select nothing.
fn nothing_selected(masks: &[DsMask]) -> Error {
    let masks: Vec<String> = masks.iter().map(DsMask::to_string).collect();
    Error::new(
        Reason::NothingSelected,
        format!("no data set on the volumes is selected by {}", masks.join(", ")),
    )
}

/// Refusals, one in a line.
pub fn refusals_text(refusals: &[Error]) -> String {
    refusals.iter().map(|error| format!("refused: {error}\n")).collect()
}

/// What can be done about refusals, where the sentence of each one cannot say how this command is asked to do it.
pub fn hint<'a>(refusals: impl IntoIterator<Item = &'a Error>) -> &'static str {
    if refusals.into_iter().any(|error| error.reason() == Reason::NotCataloged) {
        "hint: of catalogs only SYSCTLG (a CVOL) is read. --uncataloged moves a data set that none of them names; if \
         another\n      catalog names it (VSAM or ICF), catalog it anew there afterwards (IDCAMS: DELETE NOSCRATCH, \
         DEFINE NONVSAM).\n"
    } else {
        ""
    }
}

/// Serials as one text.
pub fn volsers(volsers: impl IntoIterator<Item = Volser>) -> String {
    volsers.into_iter().map(|volser| volser.to_string()).collect::<Vec<_>>().join(",")
}

fn row(data_set: &Assessment) -> Vec<String> {
    let f1 = data_set.parts.first().map(|part| &part.dscbs.format1);
    let catalogs: Vec<&str> =
        data_set.cataloged.iter().map(|cataloged| cataloged.catalog.as_str()).collect();
    let or_dash = |text: String| if text.is_empty() { "-".into() } else { text };
    vec![
        data_set.name.to_string(),
        or_dash(volsers(data_set.parts.iter().map(|part| part.volser))),
        f1.map_or("-".into(), |f1| dsorg(f1.dsorg())),
        f1.map_or("-".into(), |f1| recfm(f1.recfm())),
        data_set.extents().count().to_string(),
        data_set.track_count().to_string(),
        or_dash(catalogs.join(", ")),
        if data_set.is_movable() { "yes" } else { "no" }.into(),
    ]
}

fn value(data_set: &Assessment, host: &Host) -> Value {
    let parts = data_set.parts.iter().map(|part| {
        let geometry = host.volumes.get(&part.volser).map(|volume| volume.geometry());
        let extents = part.dscbs.extents.iter();
        json!({
            "volser": part.volser.to_string(),
            "device": part.device.name,
            "extents": geometry.map(|geometry| {
                extents.map(|&extent| extent_value(extent, &geometry)).collect::<Vec<_>>()
            }),
        })
    });
    let f1 = data_set.parts.first().map(|part| &part.dscbs.format1);
    json!({
        "name": data_set.name.to_string(),
        "movable": data_set.is_movable(),
        "dsorg": f1.map(|f1| dsorg(f1.dsorg())),
        "recfm": f1.map(|f1| recfm(f1.recfm())),
        "track_count": data_set.track_count(),
        "parts": parts.collect::<Vec<_>>(),
        "catalogs": data_set.cataloged.iter().map(|one| one.catalog.clone()).collect::<Vec<_>>(),
        "refusals": data_set.refusals.iter().map(error_value).collect::<Vec<_>>(),
    })
}
