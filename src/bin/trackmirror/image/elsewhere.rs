//! Images on other machines: those of a migration.

use super::RetireArguments;
use crate::output::{Answer, Outcome};
use crate::status::{machines_of, machines_text};
use crate::steering::{self, Order};
use crate::terminal::confirm;
use serde_json::{Value, json};
use std::path::Path;
use trackmirror::{Code, Error, Reason, Result};

/// Shows the images on other machines of a migration.
pub fn list(folder: &Path) -> Result<Answer> {
    let machines = machines_of(folder)?;
    let all = machines.as_array().map_or(&[][..], |all| all);
    let text = match all {
        [] => "the migration has no images on other machines\n".into(),
        _ => machines_text(&machines).trim_start().to_string(),
    };
    let is_well = |machine: &Value| {
        let standing = machine["standing"].as_str().unwrap_or_default();
        ["heard", "left", "retired"].contains(&standing) && machine["trouble"].is_null()
    };
    let remarks = !all.iter().all(is_well);
    Ok(Answer::with_remarks(remarks, text, json!({ "machines": machines })))
}

/// Retires one: by the process that leads the migration, or, if there is none, in its checkpoint.
pub fn retire(folder: &Path, name: &str, arguments: &RetireArguments) -> Outcome<Answer> {
    let machines = machines_of(folder)?;
    let all = machines.as_array().map_or(&[][..], |all| all);
    let Some(machine) = all.iter().find(|machine| machine["name"] == name) else {
        let why = format!(
            "the migration has no image {name} on another machine; `trackmirror image list --state {}` shows all",
            folder.display()
        );
        return Err(Error::new(Reason::NoSuchImage, why).into());
    };
    let what = format!(
        "Image {name} on another machine is {}.\n\
         Retiring it says that it cannot write the volumes any more, by whatever way: all is copied again, whatever it \
         reports is refused,\nand the migration waits for it no longer. If it does write, data that was just moved is \
         lost.\n",
        machine["standing"].as_str().unwrap_or("unknown")
    );
    let value = |retired: bool| json!({ "name": name, "retired": retired });
    if arguments.dry_run {
        return Ok(Answer::done(what + "nothing was done\n", value(false)));
    }
    if !confirm(&what, arguments.yes)? {
        let (code, text) = (Code::Refused, "nothing was done\n".into());
        return Ok(Answer { code, text, json: value(false) });
    }
    match steering::order(folder, Order::Retire(name.into()), true)? {
        Some(reply) => {
            let answer = steering::answer(reply)?;
            Ok(Answer { json: value(true), ..answer })
        }
        None => {
            crate::migrate::retire_elsewhere(folder, name)?;
            let text = format!(
                "image {name} was retired; `trackmirror resume --state {}` goes on, and copies all again\n",
                folder.display()
            );
            Ok(Answer::done(text, value(true)))
        }
    }
}
