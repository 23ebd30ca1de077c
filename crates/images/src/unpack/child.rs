//! The helper's main function: shut oneself in, unpack, say how it went.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use super::{Limits, Refusal, Unpacked, apply::Applier, confine, stream};

/// Entered as `landfall unpack ENTRIES BYTES RATIO RATIO_FROM DIRECTORY` with a layer on
/// standard input; `args` are the words after `unpack`.
///
/// Answers with one JSON document on standard output. Has to run before the program starts any
/// thread: it changes the root directory and the rights of the whole process.
pub fn unpack_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let answer = match words(args) {
        Some((limits, target)) => run(&limits, &target),
        None => Err(Refusal::Machine {
            attempted: "unpack ENTRIES BYTES RATIO RATIO_FROM DIRECTORY < LAYER".into(),
            problem: "wrong arguments; Landfall runs this itself".into(),
        }),
    };
    let code = if answer.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    let text = serde_json::to_vec(&answer).expect("plain values");
    match io::stdout().write_all(&text) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn words(args: impl IntoIterator<Item = OsString>) -> Option<(Limits, OsString)> {
    let mut args = args.into_iter();
    let mut number = || args.next()?.to_str()?.parse().ok();
    let limits =
        Limits { entries: number()?, bytes: number()?, ratio: number()?, ratio_from: number()? };
    let target = args.next()?;
    args.next().is_none().then_some((limits, target))
}

fn run(limits: &Limits, target: &OsString) -> Result<Unpacked, Refusal> {
    let layer = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|it| machine("take the layer from standard input", &it))?;
    let directory = confine::enter(target)?;
    confine::give_up_rights(limits)?;
    let (mut archive, meter) = stream::open(File::from(layer), limits)?;
    let mut applier = Applier::new(meter.clone(), limits.entries);
    // A limit or a damaged stream shows as a read error somewhere below; the meter knows better.
    let applied = applier.apply(&mut archive).and_then(|()| stream::drain(&mut archive));
    applied.map_err(|it| meter.refusal().unwrap_or(it))?;
    applier.finish()?;
    drop(directory);
    Ok(Unpacked {
        diff_id: archive.hasher.finish(),
        entries: applier.entries(),
        bytes: applier.bytes(),
    })
}

/// A refusal that is the machine's fault, not the layer's.
pub(super) fn machine(attempted: &str, problem: &io::Error) -> Refusal {
    Refusal::Machine { attempted: attempted.to_owned(), problem: problem.to_string() }
}
