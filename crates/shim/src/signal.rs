//! Signals by name.

/// Names of the signals that images and task definitions use.
const NAMES: [(&str, i32); 17] = [
    ("ABRT", libc::SIGABRT),
    ("ALRM", libc::SIGALRM),
    ("CONT", libc::SIGCONT),
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("IO", libc::SIGIO),
    ("KILL", libc::SIGKILL),
    ("PIPE", libc::SIGPIPE),
    ("PWR", libc::SIGPWR),
    ("QUIT", libc::SIGQUIT),
    ("STOP", libc::SIGSTOP),
    ("TERM", libc::SIGTERM),
    ("TSTP", libc::SIGTSTP),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("VTALRM", libc::SIGVTALRM),
    ("WINCH", libc::SIGWINCH),
];

/// Reads `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`; nothing if there is no such signal.
pub fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse() {
        return (1..=libc::SIGRTMAX()).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(rest) = name.strip_prefix("RTMIN") {
        let offset = if rest.is_empty() { 0 } else { rest.strip_prefix('+')?.parse().ok()? };
        let number = libc::SIGRTMIN().checked_add(offset)?;
        return (number <= libc::SIGRTMAX()).then_some(number);
    }
    NAMES.iter().find(|(it, _)| *it == name).map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn signals_are_read_by_name_and_number() {
        assert_eq!(parse("SIGTERM"), Some(15));
        assert_eq!(parse("quit"), Some(3));
        assert_eq!(parse("9"), Some(9));
        assert_eq!(parse("SIGRTMIN+3"), Some(libc::SIGRTMIN() + 3));
        for bad in ["", "0", "65", "SIGFOO", "RTMIN+99", "RTMIN-1", "SIGRTMIN+2147483647"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
