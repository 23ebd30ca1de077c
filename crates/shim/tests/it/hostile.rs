//! Images that try to reach the host.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use shim::{Access, Content, Mount, Refusal};

use crate::fixture::{Task, runtimes};

/// Adds a layer made by `make` on top of the image, and runs a command in it.
fn run_hostile(
    task: &mut Task,
    make: impl FnOnce(&std::path::Path),
    change: impl FnOnce(&mut shim::ContainerSpec),
    script: &str,
) -> Result<String, Refusal> {
    let layer = task.path("hostile");
    fs::create_dir(&layer).expect("layer");
    make(&layer);
    let mut spec = task.script("a", script);
    spec.layers.insert(0, layer);
    change(&mut spec);
    task.start(spec)?;
    task.exit("a");
    Ok(task.output("a"))
}

#[test]
fn links_in_place_of_the_kernels_directories_are_refused() {
    for runtime in runtimes() {
        for name in ["proc", "dev", "sys"] {
            let mut task = Task::with(|it| it.runtime = runtime.clone());
            let outside = task.path("outside");
            fs::create_dir(&outside).expect("folder");
            let make = |layer: &std::path::Path| {
                symlink(&outside, layer.join(name)).expect("link");
            };
            let result = run_hostile(&mut task, make, |_| {}, "echo ran");
            let refusal = result.expect_err("refused");
            assert!(refusal.message.contains(name), "{refusal}");
            let touched = fs::read_dir(task.path("outside")).expect("folder").count();
            assert_eq!(touched, 0, "{name}");
            task.finish();
        }
    }
}

#[test]
fn links_on_the_way_to_a_mount_stay_inside() {
    let Some(mut task) = Task::new() else { return };
    let outside = task.path("outside");
    fs::create_dir(&outside).expect("folder");
    fs::create_dir(task.path("volume")).expect("folder");
    let make = |layer: &std::path::Path| {
        symlink(&outside, layer.join("away")).expect("link");
        symlink("../../../../../../tmp", layer.join("up")).expect("link");
    };
    let volume = task.path("volume");
    let made = format!("made-by-{}", task.spec.id);
    let change = |it: &mut shim::ContainerSpec| {
        for target in ["/away/made".to_owned(), format!("/up/{made}")] {
            it.mounts.push(Mount::Bind {
                source: volume.clone(),
                target,
                access: Access::Writable,
                content: Content::AsIs,
            });
        }
    };
    // The first link leads to a path that the container has not got: refused, not followed out.
    assert!(run_hostile(&mut task, make, change, "true").is_err());
    assert_eq!(fs::read_dir(task.path("outside")).expect("folder").count(), 0);
    assert!(!std::env::temp_dir().join(&made).exists());
    task.finish();
}

#[test]
fn a_linked_etc_gets_its_files_inside_or_not_at_all() {
    for target in ["/elsewhere", "/proc/self", "/proc/self/fd/3"] {
        let Some(mut task) = Task::new() else { return };
        let make = |layer: &std::path::Path| {
            fs::create_dir(layer.join("elsewhere")).expect("folder");
            // A whiteout, so that the image's own directory gives way to the link.
            symlink(target, layer.join("etc")).expect("link");
        };
        let change = |it: &mut shim::ContainerSpec| it.hosts_file = Some("mine\n".to_owned());
        let result = run_hostile(&mut task, make, change, "cat /elsewhere/hosts");
        match target {
            "/elsewhere" => assert_eq!(result.expect("runs"), "mine\n"),
            _ => assert!(result.is_err(), "{target}: {result:?}"),
        }
        task.finish();
    }
}

#[test]
fn no_descriptor_of_the_host_is_a_working_directory() {
    for number in 3..16 {
        let Some(mut task) = Task::new() else { return };
        let mut spec = task.script("a", "ls");
        spec.working_dir = format!("/proc/self/fd/{number}");
        assert!(task.start(spec).is_err(), "descriptor {number}");
        let mut spec = task.script("b", "ls /proc/self/fd | tr '\\n' ' '");
        spec.init = true;
        assert_eq!(task.run(spec), (0, "0 1 2 3 \n".to_owned()), "ls itself has the last open");
        task.finish();
    }
}

#[test]
fn files_that_are_read_for_users_cannot_be_traps() {
    let Some(mut task) = Task::new() else { return };
    let make = |layer: &std::path::Path| {
        fs::create_dir(layer.join("etc")).expect("folder");
        let made = std::process::Command::new("/usr/bin/busybox")
            .arg("mkfifo")
            .arg(layer.join("etc/passwd"))
            .status();
        assert!(made.expect("runs").success());
    };
    let change = |it: &mut shim::ContainerSpec| it.user = "web".to_owned();
    let refusal = run_hostile(&mut task, make, change, "id").expect_err("refused");
    assert!(refusal.message.contains("not a regular file"), "{refusal}");
    task.finish();

    let Some(mut task) = Task::new() else { return };
    let make = |layer: &std::path::Path| {
        fs::create_dir(layer.join("etc")).expect("folder");
        symlink("/../../../../../../etc/shadow", layer.join("etc/passwd")).expect("link");
    };
    let change = |it: &mut shim::ContainerSpec| it.user = "daemon".to_owned();
    assert!(run_hostile(&mut task, make, change, "id").is_err());
    for user in ["../root", "web/../../x", "\0", "a:b:c", "-1"] {
        let mut spec = task.script("b", "id");
        spec.name = format!("u{}", user.len());
        spec.user = user.to_owned();
        assert!(task.start(spec).is_err(), "{user:?}");
    }
    task.finish();
}

#[test]
fn the_program_behind_the_first_process_cannot_be_written() {
    let Some(mut task) = Task::new() else { return };
    // A script that names the running program as its interpreter makes the shim's own program
    // the container's; init mode leaves it there as process 1 (CVE-2019-5736).
    let make = |layer: &std::path::Path| {
        let path = layer.join("trap");
        fs::write(&path, "#!/proc/self/exe\n").expect("script");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("mode");
    };
    let change = |it: &mut shim::ContainerSpec| {
        it.init = true;
        it.capabilities.add = vec!["SYS_PTRACE".to_owned()];
    };
    let script = "readlink /proc/1/exe | wc -l; /trap 2>/dev/null; \
                  (: >> /proc/1/exe) 2>&1 | grep -c -E 'busy|Read-only|denied'";
    let output = run_hostile(&mut task, make, change, script).expect("runs");
    assert!(output.ends_with("1\n"), "{output}");
    let program = fs::read(env!("CARGO_BIN_EXE_shim-for-tests")).expect("program");
    assert!(program.starts_with(b"\x7fELF"));
    task.finish();
}
