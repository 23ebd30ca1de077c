//! Volumes, binds, temporary file systems and generated files; with both runtimes.

use std::fs;

use shim::{Access, Content, Mount};

use crate::fixture::{Task, runtimes};

fn bind(source: std::path::PathBuf, target: &str, access: Access, content: Content) -> Mount {
    Mount::Bind { source, target: target.to_owned(), access, content }
}

#[test]
fn binds_are_written_through_or_not_as_asked() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        fs::create_dir(task.path("rw")).expect("folder");
        fs::create_dir(task.path("ro")).expect("folder");
        fs::write(task.path("file"), "one file\n").expect("file");
        let script =
            "echo in > /deep/down/here/f; touch /ro/x 2>/dev/null || echo ro; cat /etc/one";
        let mut spec = task.script("a", script);
        spec.mounts = vec![
            bind(task.path("file"), "/etc/one", Access::ReadOnly, Content::AsIs),
            bind(task.path("rw"), "/deep/down/here", Access::Writable, Content::AsIs),
            bind(task.path("ro"), "/ro", Access::ReadOnly, Content::AsIs),
        ];
        assert_eq!(task.run(spec), (0, "ro\none file\n".to_owned()));
        assert_eq!(fs::read_to_string(task.path("rw/f")).expect("written"), "in\n");
        task.finish();
    }
}

#[test]
fn a_new_volume_receives_what_the_image_holds() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        fs::create_dir(task.path("volume")).expect("folder");
        let mut spec =
            task.script("a", "cat /data/from-image; rm /data/from-image; touch /data/new");
        let volume = bind(task.path("volume"), "/data", Access::Writable, Content::CopyFromImage);
        spec.mounts = vec![volume];
        assert_eq!(task.run(spec.clone()), (0, "image\n".to_owned()));
        spec.name = "b".to_owned();
        spec.argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), "ls /data".to_owned()];
        task.start(spec).expect("starts");
        task.exit("b");
        let left: Vec<_> = fs::read_dir(task.path("volume")).expect("volume").flatten().collect();
        assert_eq!(left.len(), 1, "not filled a second time");
        task.finish();
    }
}

#[test]
fn what_is_written_to_one_container_is_not_in_the_image_or_another() {
    let Some(mut task) = Task::new() else { return };
    let spec =
        task.script("a", "echo x > /etc/passwd; rm /bin/true; ls /bin/true 2>/dev/null; echo done");
    assert_eq!(task.run(spec).1, "done\n");
    let spec = task.script("b", "ls /bin/true; grep -c root /etc/passwd");
    assert_eq!(task.run(spec).1, "/bin/true\n1\n");
    task.finish();
}

#[test]
fn temporary_file_systems_and_shared_memory_have_their_sizes() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let script = "df -k /cache | tail -n 1 | tr -s ' ' | cut -d' ' -f2; \
                      df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d' ' -f2; \
                      stat -c %a /cache; cat /etc/hosts /etc/hostname /etc/resolv.conf";
        let mut spec = task.script("a", script);
        let options = vec!["size=2m".to_owned(), "mode=0700".to_owned()];
        spec.mounts = vec![Mount::Tmpfs { target: "/cache".to_owned(), options }];
        spec.shm_bytes = Some(3 << 20);
        spec.hosts_file = Some("hosts\n".to_owned());
        spec.hostname_file = Some("name\n".to_owned());
        spec.resolv_file = Some("resolv\n".to_owned());
        assert_eq!(task.run(spec), (0, "2048\n3072\n700\nhosts\nname\nresolv\n".to_owned()));
        task.finish();
    }
}

#[test]
fn a_bind_to_a_place_that_is_not_there_is_refused() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let mut spec = task.script("a", "true");
        let missing = bind(task.path("missing"), "/x", Access::Writable, Content::AsIs);
        spec.mounts = vec![missing];
        let refusal = task.start(spec).expect_err("refused");
        assert!(refusal.message.contains("missing"), "{refusal}");
        task.finish();
    }
}
