//! Connections that wait at a listening socket which is closed go to another one of its address.
//!
//! Source: the kernel's `ip-sysctl`, `tcp_migrate_req`: without it those connections are reset.

use std::io;

use crate::sysctl;

const MIGRATE: &str = "net/ipv4/tcp_migrate_req";

/// While one process takes the place of another at the same addresses. The setting is put back
/// when this is dropped.
#[derive(Debug)]
pub struct Handover {
    before: io::Result<String>,
}

impl Handover {
    /// Begins; a kernel that does not know the setting resets what waits, as it always did.
    pub fn begin() -> Self {
        let before = sysctl::read(MIGRATE);
        if let Err(error) = sysctl::write(MIGRATE, "1") {
            // Without the right to change it, nothing is lost but what waits at that moment.
            return Self { before: Err(error) };
        }
        Self { before }
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if let Ok(before) = &self.before {
            // It was written a moment ago.
            let _ = sysctl::write(MIGRATE, before);
        }
    }
}
