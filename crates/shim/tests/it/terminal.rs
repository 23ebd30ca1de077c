//! Terminals and open inputs, as Docker's `-t` and `-i` give them; with both runtimes.

use shim::{Command, Input, LogSink};

use crate::fixture::{Task, runtimes};

const ASK: &str = "test -t 0 && test -t 1 && test -t 2 && echo terminal; \
                   test -c /dev/console && test -t 0 < /dev/console && echo console; \
                   echo over > /dev/tty; readlink /proc/self/fd/0; echo $TERM";

#[test]
fn a_terminal_is_input_output_and_console() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let mut spec = task.script("a", ASK);
        spec.input = Input::Terminal;
        let (code, output) = task.run(spec);
        assert_eq!(code, 0);
        assert_eq!(output, "terminal\r\nconsole\r\nover\r\n/dev/pts/0\r\nxterm\r\n");
        let (_, output) = {
            let spec = task.script("b", ASK);
            task.run(spec)
        };
        assert!(!output.contains("terminal"), "{output}");
        task.finish();
    }
}

#[test]
fn a_terminal_belongs_to_the_user_and_outlives_whoever_leaves_it() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let mut spec = task.script("a", "echo x > /dev/tty; stat -c %u /dev/pts/0; exec > /dev/null 2>&1 < /dev/null; test -e /data; exit 4");
        spec.input = Input::Terminal;
        spec.user = "1000".to_owned();
        assert_eq!(task.run(spec), (4, "x\r\n1000\r\n".to_owned()));
        task.finish();
    }
}

#[test]
fn a_terminal_without_a_log_never_fills_up() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let mut spec = task.script("a", "head -c 1000000 /dev/zero | tr '\\0' 'x'; exit 3");
        (spec.input, spec.log) = (Input::Terminal, LogSink::None);
        task.start(spec).expect("starts");
        assert_eq!(task.exit("a").code, 3);
        task.finish();
    }
}

#[test]
fn an_input_is_open_only_if_asked_for() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        // Who reads an open input waits until somebody ends it: 143; an input at its end is 0, also
        // where that is found out late.
        let script = "(busybox timeout 60 cat; echo $?) 2>/dev/null";
        let spec = task.script("closed", script);
        assert_eq!(task.run(spec), (0, "0\n".to_owned()));
        let script = "(busybox timeout 1 cat; echo $?) 2>/dev/null";
        let mut spec = task.script("open", script);
        spec.input = Input::Open;
        assert_eq!(task.run(spec), (0, "143\n".to_owned()));
        let mut spec = task.script("terminal", script);
        spec.input = Input::Terminal;
        assert_eq!(task.run(spec), (0, "143\r\n".to_owned()));
        task.finish();
    }
}

#[test]
fn a_started_again_container_has_a_terminal_again() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let mut spec = task.script("a", "test -t 1 && echo terminal");
        spec.input = Input::Terminal;
        assert_eq!(task.run(spec).1, "terminal\r\n");
        task.call(Command::Start { name: "a".to_owned() }).expect("starts again");
        assert_eq!(task.exit("a").code, 0);
        assert_eq!(task.output("a"), "terminal\r\nterminal\r\n");
        task.finish();
    }
}
