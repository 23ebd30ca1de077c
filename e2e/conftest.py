"""What all tests share: a control plane, clusters of their own, instances, and a look at the machine."""

import itertools
import os
import subprocess
import sys
import tempfile

import pytest

import image
import machine
from instance import Instance
from region import BINARY, Region
from until import until

_names = itertools.count(1)
# Said to the run that has the tests which mostly wait, beside the one that has the others.
BESIDE = "LANDFALL_E2E_BESIDE"


def pytest_sessionstart(session):
    session.config.before = machine.snapshot()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Tests that mostly wait for another program are run beside the others, by a process of its own."""
    beside = [it for it in items if it.get_closest_marker("beside")]
    if BESIDE in os.environ or config.option.collectonly or len(beside) in (0, len(items)):
        return
    config.hook.pytest_deselected(items=beside)
    items[:] = [it for it in items if it not in beside]
    config.said_beside = tempfile.TemporaryFile("w+")
    config.beside = subprocess.Popen(
        [sys.executable, "-m", "pytest", *(it.nodeid for it in beside)], cwd=config.rootpath,
        env={**os.environ, BESIDE: "yes"}, stdout=config.said_beside, stderr=subprocess.STDOUT)


def pytest_terminal_summary(terminalreporter, config):
    if hasattr(config, "beside"):
        config.said_beside.seek(0)
        terminalreporter.section("beside these")
        terminalreporter.write(config.said_beside.read())


def pytest_sessionfinish(session, exitstatus):
    """The run fails if the one beside it does, or if anything is on the machine that was not there before."""
    if BESIDE in os.environ:
        return
    if hasattr(session.config, "beside") and session.config.beside.wait() != 0:
        session.exitstatus = 1
    before = session.config.before

    def left():
        return machine.snapshot() - before

    try:
        until(lambda: not left(), 20, what="the machine is as before")
    except AssertionError:
        for line in sorted(left()):
            print(f"\nLEFT BEHIND: {line}")
        session.exitstatus = 1


@pytest.fixture(scope="session")
def region():
    """A control plane without instances. Tests make clusters and instances of their own in it."""
    it = Region().start()
    yield it
    try:
        assert it.process.poll() is None, f"the control plane has ended:\n{it.tail()}"
        assert "panicked" not in it.tail()
    finally:
        it.down()


@pytest.fixture(scope="session")
def ecs(region):
    return region.client()


@pytest.fixture
def name():
    """A name that no other test of this run has."""
    return f"t{os.getpid()}-{next(_names)}"


@pytest.fixture
def cluster(ecs, name):
    """A fresh cluster."""
    ecs.create_cluster(clusterName=name)
    return name


@pytest.fixture
def instances(region, cluster):
    """Makes instances of the test's cluster; they hang up at the end."""
    made = []

    def make(zones="a", **settings):
        fresh = [Instance(region, settings.pop("cluster", cluster), zone=zone, **settings)
                 for zone in zones]
        made.extend(fresh)
        return fresh if len(fresh) > 1 else fresh[0]

    yield make
    for it in made:
        it.hang_up()


@pytest.fixture
def definition(ecs, name):
    """Registers a task definition of one container; gives its family and revision."""

    def make(cpu=64, memory=64, family=None, ports=(), **settings):
        container = {"name": "main", "image": "landfall/demo", "cpu": cpu, "memory": memory,
                     **settings.pop("container", {})}
        if ports:
            container["portMappings"] = [{"containerPort": it, "hostPort": it} for it in ports]
        found = ecs.register_task_definition(
            family=family or f"{name}-{next(_names)}", containerDefinitions=[container], **settings
        )["taskDefinition"]
        return f"{found['family']}:{found['revision']}"

    return make


def runs_containers():
    """Whether this binary and this machine can run a whole region."""
    if os.geteuid() != 0:
        return False
    found = subprocess.run([BINARY, "up", "--help"], capture_output=True, text=True)
    doctor = subprocess.run([BINARY, "doctor", "--help"], capture_output=True, text=True)
    return found.returncode == 0 and doctor.returncode == 0


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """`landfall up`: three instances that run real containers."""
    if not runs_containers():
        pytest.skip("containers need root and a binary that runs them")
    it = Region("--give-up-after", "6", command="up")
    try:
        it.start(within=90)
        until(lambda: it.connected() == 3, 60, what="three instances")
        if image.busybox():
            archive = image.archive(tmp_path_factory.mktemp("image") / "busybox.tar")
            it.landfall("image", "load", str(archive))
        yield it
        assert "panicked" not in it.tail()
    finally:
        it.down()
