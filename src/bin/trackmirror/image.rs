//! `trackmirror image`: who writes a volume, who must be monitored, and who cannot write any more.

mod elsewhere;
mod listing;

use crate::output::{Answer, Outcome, count};
use crate::terminal::confirm;
use listing::Listing;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trackmirror::monitor::{Area, Identity, ImageReport};
use trackmirror::registry::areas;
use trackmirror::registry::expected::{
    add_expected, expected_file, expected_images, is_image_name, remove_expected,
};
use trackmirror::volume::{Access, Volume, open, open_all};
use trackmirror::{Code, Error, Reason, Result};

const EXAMPLES: &str = "\
Examples:
  trackmirror image list VOL001.ckd VOL002.ckd
  trackmirror image add VOL001.ckd PROD1
  trackmirror image retire VOL001.ckd PROD1
  trackmirror image list --state STATE
  trackmirror image retire --state STATE SYSB

An image is a running system or program that writes a volume and tells a monitor of each write: a program under
`trackmirror monitored`, or one with a monitor of its own. Data sets of a volume that is in use can be moved only while
every image that can write it is monitored. One on another machine belongs to a migration (`migrate --image NAME@URL`),
and is found by the migration's state folder.

What is known of them lies in the registry's folder, which all programs on the machine must share: TRACKMIRROR_REGISTRY,
by default /run/trackmirror, else trackmirror in XDG_RUNTIME_DIR. What lies under /run ends when the machine stops.
The folder serves only the user who made it, or its group, if it is made for one beforehand (mode 0770).";

/// Show the systems that write a volume, name those that must be monitored, retire one
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    List(ListArguments),
    Add(AddArguments),
    Retire(RetireArguments),
}

const LIST_EXAMPLES: &str = "\
Examples:
  trackmirror image list VOL001.ckd
  trackmirror image list --json *.ckd | jq '.result.volumes[].unregistered_writers'
  trackmirror image list --state STATE

STATE is alive; ended (it took its leave); dead (it did not; what it had in flight counts as changed); silent (nobody
knows whether it writes); retired; or missing (it was named by `image add`, and is not registered). NAMED: by `image
add`. KIND is brackets (it tells before and after each write), completions (only what was written) or remote. LAST SIGN:
an image of this machine gives none after its start, since the kernel knows whether it lives. SLOTS are writes in
flight; UNSLOTTED those that found no slot. REFUSED are writes to tracks of data sets that were just being switched, and
LAST REFUSED is the last such track. A close waits until nothing lives any more of a program under `trackmirror
monitored` that has written the volume, whatever has become of its images.

With --state: the images on other machines that belong to a migration, whether they are heard, and up to which number
their reports were applied. One that is silent, and cannot write any more, is retired by `image retire --state`.

Code 4: a migration cannot start now, because an image is silent or missing, or a program writes that is not monitored.";

/// Show every image of volumes, and who else has them open for writing
#[derive(clap::Args)]
#[command(after_help = LIST_EXAMPLES)]
struct ListArguments {
    /// The volume images
    #[arg(required_unless_present = "state", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Show the images on other machines of the migration in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    state: Option<PathBuf>,
}

const ADD_EXAMPLES: &str = "\
Examples:
  trackmirror image add VOL001.ckd PROD1

No data set of the volume is moved while it is in use unless an image of this name is registered and alive. Start it by
`trackmirror monitored --image PROD1 -- COMMAND...`. `image retire` takes the name off again. The volume itself is not
changed, and need not have been monitored before.";

/// Name an image that must be monitored before data sets of the volume are moved
#[derive(clap::Args)]
#[command(after_help = ADD_EXAMPLES)]
struct AddArguments {
    /// The volume image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The image's name: 1 to 32 printable characters without blanks
    #[arg(value_name = "NAME")]
    name: String,
}

const RETIRE_EXAMPLES: &str = "\
Examples:
  trackmirror image retire VOL001.ckd PROD1
  trackmirror image retire --yes VOL001.ckd PROD1
  trackmirror image retire --state STATE SYSB     (an image on another machine)

You confirm that the image cannot write the volume any more, by whatever way: its system was stopped, or has lost the
volume. Every write that it still tells its monitor of is refused. What it had in flight counts as changed. A migration
waits for it no longer, and does not need it to start.

With --state the image is one on another machine, which belongs to the migration in that folder. All tracks are copied
again, since nobody knows what it wrote and did not report, and whatever still comes from it is refused.";

/// Confirm that an image cannot write the volume any more
#[derive(clap::Args)]
#[command(after_help = RETIRE_EXAMPLES, override_usage = "\
trackmirror image retire [OPTIONS] <FILE> <NAME>
       trackmirror image retire [OPTIONS] --state <DIR> <NAME>")]
struct RetireArguments {
    /// The volume image, unless --state is given; and the image's name
    #[arg(required = true, num_args = 1..=2, value_name = "FILE> <NAME")]
    words: Vec<String>,
    /// The migration that an image on another machine belongs to
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Does what was asked.
pub fn run(arguments: &Arguments) -> Outcome<Answer> {
    match &arguments.verb {
        Verb::List(ListArguments { state: Some(folder), .. }) => Ok(elsewhere::list(folder)?),
        Verb::List(arguments) => Ok(list(arguments)?),
        Verb::Add(arguments) => Ok(add(arguments)?),
        Verb::Retire(arguments) => match (&arguments.state, arguments.words.as_slice()) {
            (Some(folder), [name]) => elsewhere::retire(folder, name, arguments),
            (None, [file, name]) => Ok(retire(Path::new(file), name, arguments)?),
            _ => {
                let why =
                    "give the volume image and the image's name; or --state, and the name alone";
                Err(Error::new(Reason::BadRequest, why).into())
            }
        },
    }
}

/// A volume, and what the registry has of it.
struct Registered {
    volume: Arc<dyn Volume>,
    folder: PathBuf,
    identity: Identity,
    /// Its area, if it has one: looking at it makes none.
    area: Option<Area>,
}

impl Registered {
    fn of(volume: Arc<dyn Volume>) -> Result<Registered> {
        let volser = volume.volser();
        let io = |what: &Path, e| Error::io(what.display(), &e).on_volume(volser);
        let folder = areas::area_folder().map_err(|e| io("the registry".as_ref(), e))?;
        let identity = Identity::of(&*volume)?;
        let file = areas::area_file(&folder, identity.device, identity.inode);
        let is_there = file.try_exists().map_err(|e| io(&file, e))?;
        let area = is_there.then(|| Area::open_in(&folder, identity)).transpose()?;
        Ok(Registered { volume, folder, identity, area })
    }

    /// The images that were named.
    fn expected(&self) -> Result<Vec<String>> {
        let Identity { device, inode, .. } = self.identity;
        expected_images(&self.folder, device, inode).map_err(|e| self.error(&e))
    }

    fn error(&self, error: &std::io::Error) -> Error {
        Error::io("the registry", error).on_volume(self.volume.volser())
    }

    fn images(&self) -> Vec<ImageReport> {
        self.area.iter().flat_map(Area::images).collect()
    }

    fn refusal(&self, reason: Reason, why: String) -> Error {
        Error::new(reason, why).on_volume(self.volume.volser())
    }

    /// The volume and all names, for programs.
    fn value(&self, more: &[(&str, Value)]) -> Result<Value> {
        let mut value = json!({
            "volser": self.volume.volser().to_string(),
            "location": self.volume.location(),
            "named": self.expected()?,
        });
        for (key, part) in more {
            value[*key] = part.clone();
        }
        Ok(value)
    }
}

fn list(arguments: &ListArguments) -> Result<Answer> {
    let (mut text, mut values, mut remarks) = (String::new(), Vec::new(), false);
    for volume in open_all(&arguments.files, Access::Read)? {
        let listing = Listing::of(&Registered::of(volume)?)?;
        if !text.is_empty() {
            text.push('\n');
        }
        text += &listing.text();
        values.push(listing.value());
        remarks |= listing.has_remarks();
    }
    Ok(Answer::with_remarks(remarks, text, json!({ "volumes": values })))
}

fn add(arguments: &AddArguments) -> Result<Answer> {
    let registered = Registered::of(open(&arguments.file, Access::Read)?)?;
    let (name, volser) = (&arguments.name, registered.volume.volser());
    if !is_image_name(name) {
        let why = format!(
            "'{name}' is no name for an image, which has 1 to 32 printable ASCII characters and no blanks"
        );
        return Err(registered.refusal(Reason::BadImageName, why));
    }
    let Identity { device, inode, .. } = registered.identity;
    let is_new = add_expected(&registered.folder, device, inode, name)
        .map_err(|error| registered.error(&error))?;
    let is_alive = registered.images().iter().any(|image| image.name == *name && is_alive(image));
    let told = if is_new { "must be monitored now" } else { "was named before" };
    let mut text = format!("volume {volser}: image {name} {told}\n");
    if !is_alive {
        text += &format!(
            "it is not registered yet: start it by `trackmirror monitored --image {name} -- COMMAND...`\n"
        );
    }
    let more = [("name", json!(name)), ("added", json!(is_new)), ("alive", json!(is_alive))];
    let mut value = registered.value(&more)?;
    value["list"] = json!(expected_file(&registered.folder, device, inode));
    Ok(Answer::done(text, value))
}

fn is_alive(image: &ImageReport) -> bool {
    image.standing == trackmirror::monitor::Standing::Attached
}

fn retire(file: &Path, name: &str, arguments: &RetireArguments) -> Result<Answer> {
    let registered = Registered::of(open(file, Access::Read)?)?;
    let volser = registered.volume.volser();
    let is_named = registered.expected()?.iter().any(|named| named == name);
    let images = registered.images();
    let of_name: Vec<_> = images.iter().filter(|image| image.name == name).collect();
    // One that died writes no more, but nobody may have looked yet: it is retired like one that lives.
    let writes = |image: &&&ImageReport| listing::may_come_back(image);
    let writer = of_name.iter().find(writes).or(of_name.last()).copied();
    if !is_named && writer.is_none_or(|image| !listing::may_come_back(image)) {
        let why = match writer {
            Some(image) => format!(
                "image {name} is {} already, and was not named by `image add`; there is nothing to retire",
                listing::state(image)
            ),
            None => format!(
                "there is no image {name}; `trackmirror image list {}` shows all",
                file.display()
            ),
        };
        return Err(registered.refusal(Reason::NoSuchImage, why));
    }
    let state = writer.map_or_else(|| "not registered".into(), listing::described);
    let what = format!(
        "Image {name} on volume {volser} is {state}.\n\
         Retiring it says that it cannot write the volume any more, by whatever way: every write that it still tells \
         its monitor of is refused,\nand no migration waits for it. If it does write, data that was just moved is \
         lost.\n"
    );
    let not_done = || registered.value(&[("name", json!(name)), ("retired", json!(false))]);
    if arguments.dry_run {
        return Ok(Answer::done(what + "nothing was done\n", not_done()?));
    }
    if !confirm(&what, arguments.yes)? {
        let (code, text) = (Code::Refused, "nothing was done\n".into());
        return Ok(Answer { code, text, json: not_done()? });
    }
    finish_retiring(&registered, name, is_named)
}

fn finish_retiring(registered: &Registered, name: &str, is_named: bool) -> Result<Answer> {
    let retired = match &registered.area {
        None => None,
        Some(area) => match area.retire(name) {
            Ok(reaped) => Some(reaped),
            // It was only named, or has ended by itself meanwhile.
            Err(error) if error.reason() == Reason::NoSuchImage && is_named => None,
            Err(error) => return Err(error),
        },
    };
    let Identity { device, inode, .. } = registered.identity;
    let was_named = is_named
        && remove_expected(&registered.folder, device, inode, name)
            .map_err(|error| registered.error(&error))?;
    let volser = registered.volume.volser();
    let mut text = String::new();
    if let Some(reaped) = &retired {
        let changed = match reaped {
            _ if reaped.all_changed => "all tracks count as changed".into(),
            _ if reaped.write_count == 0 => "it had nothing in flight".into(),
            _ => {
                let writes = count(reaped.write_count, "write");
                format!("{writes} in flight: their tracks count as changed")
            }
        };
        text += &format!("volume {volser}: image {name} was retired; {changed}\n");
    }
    if was_named {
        text += &format!("volume {volser}: image {name} need not be monitored any more\n");
    }
    let more = [
        ("name", json!(name)),
        ("retired", json!(retired.is_some())),
        ("writes_in_flight", json!(retired.map(|reaped| reaped.write_count))),
        ("all_changed", json!(retired.map(|reaped| reaped.all_changed))),
        ("was_named", json!(was_named)),
    ];
    Ok(Answer::done(text, registered.value(&more)?))
}
