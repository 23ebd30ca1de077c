//! `landfall up`: a whole region on this machine.

use crate::args::UpFlags;
use crate::server;

pub(crate) fn run(flags: &UpFlags) -> anyhow::Result<()> {
    server::run(&flags.server)
}
