"""The example: a chat of several tasks as services, in both set-ups that its document mixes."""

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

import chat
from browser import Browser
from chat import EXAMPLE, Chat, Client, crash, everybody_hears, nobody_heard_twice
from region import BINARY
from terraform import MIRRORS, PROVIDER
from test_guides import commands
from until import BUSY, QUICKLY, until
from web import Load, serving


@pytest.fixture(scope="module")
def region():
    archive = chat.images()
    for it in serving("--give-up-after", "6"):
        it.landfall("image", "load", str(archive))
        yield it


@pytest.fixture(scope="module")
def folder():
    return chat.client_folder()


def set_up(*modes):
    """The chat in these network modes: each test in the document's first one, the first in both."""
    return pytest.mark.parametrize("started", modes, indirect=True, scope="module")


@pytest.fixture(scope="module")
def started(request, region):
    it = Chat(region, f"chat-{request.param}", request.param)
    try:
        yield it.start()
    finally:
        it.end()


@pytest.fixture
def users(started, folder, name):
    """Users by each transport, enough that not all are at one task."""
    started.settled()
    made = [Client(folder, started.url(), f"{by}-{n}-{name}", by)
            for by in ("polling", "websocket", "polling,websocket") for n in range(3)]
    try:
        for it in made:
            until(it.task, 60, what=f"{it.name} is connected")
        yield made
    finally:
        for it in made:
            it.end()


@set_up("bridge", "awsvpc")
def test_users_at_several_tasks_hear_each_other_by_either_transport(started, users):
    assert len({it.task() for it in users}) > 1
    for it in users:
        until(lambda it=it: it.transport() == it.name.split("-")[0].split(",")[-1], 60,
              what=f"the transport of {it.name}")
    everybody_hears(users, "hello")
    nobody_heard_twice(users)
    assert not [it for user in users for it in user.all("disconnected", "failed")]

    with urllib.request.urlopen(f"{started.url()}/history", timeout=10 * BUSY) as answer:
        kept = {(it["from"], it["text"]) for it in json.load(answer)}
    assert kept >= {(it.name, "hello") for it in users}


@set_up("bridge")
def test_a_rolling_update_loses_no_request_and_no_message(started, users):
    everybody_hears(users, "before")
    old = {it["taskArn"] for it in started.tasks()}
    with Load(started, threads=2) as load:
        started.begin_update("2")
        for it in range(10):
            everybody_hears(users, f"meanwhile {it}")
            load.more()
        started.settled()
        for it in users:
            until(lambda it=it: it.release() == "2", 60, what=f"{it.name} is at the new release")
        load.more()
    assert not load.failed
    assert not old & {it["taskArn"] for it in started.tasks()}
    everybody_hears(users, "after")
    nobody_heard_twice(users)


@set_up("bridge")
def test_a_task_that_dies_is_replaced_and_its_users_go_on(started, users):
    everybody_hears(users, "before")
    task = next(it["taskArn"] for it in started.tasks()
                if it["taskArn"].rsplit("/", 1)[1].startswith(users[0].task()))
    crash(task.rsplit("/", 1)[1])
    everybody_hears(users, "meanwhile")
    started.settled()
    assert task not in {it["taskArn"] for it in started.tasks()}
    for it in users:
        until(lambda it=it: it.task() and it.task() not in task, 60,
              what=f"{it.name} is at another task")
    everybody_hears(users, "after")
    nobody_heard_twice(users)


@set_up("bridge")
def test_the_chat_finds_the_next_redis_by_its_name(started, users):
    everybody_hears(users, "before")
    task = started.tasks("redis")[0]["taskArn"]
    started.ecs.stop_task(task=task)
    started.ecs.get_waiter("tasks_stopped").wait(tasks=[task], WaiterConfig=QUICKLY)
    everybody_hears(users, "meanwhile")
    assert task not in {it["taskArn"] for it in started.tasks("redis")}
    assert not [it for user in users for it in user.all("disconnected", "failed")]


@set_up("bridge")
@pytest.mark.parametrize("fault", ["kill-instance", "kill-zone"])
def test_what_an_instance_or_a_zone_had_starts_elsewhere_and_users_go_on(started, users, region, fault):
    everybody_hears(users, "before")
    lost = started.instance_of(users[0].task())
    named = lost["containerInstanceArn"] if fault == "kill-instance" else next(
        it["value"] for it in lost["attributes"] if it["name"] == "ecs.availability-zone")
    try:
        region.landfall("fault", fault, named)
        everybody_hears(users, "meanwhile")
        until(lambda: lost["containerInstanceArn"] not in started.instances(), 60,
              what="nothing is where nothing can be")
        started.settled()
        for it in users:
            until(it.task, 60, what=f"{it.name} is connected")
        everybody_hears(users, "after")
        nobody_heard_twice(users)
    finally:
        region.landfall("fault", "heal")
        until(lambda: region.connected() == 3, 60, what="three instances")


@set_up("bridge")
def test_who_is_at_a_task_that_stood_still_hears_what_was_said_meanwhile(started, users, region):
    """Still for longer than a task waits for Redis, and more said than a newcomer is told."""
    everybody_hears(users, "before")
    still = started.instance_of(users[0].task())["containerInstanceArn"]
    others = [it for it in users if started.instance_of(it.task())["containerInstanceArn"] != still]
    region.landfall("fault", "pause", still, "--for", "8s")
    said = {(it.name, f"meanwhile {n}") for n in range(60) for it in others}
    for n in range(60):
        for it in others:
            it.say(f"meanwhile {n}")
    everybody_hears(users, "after")
    for it in users:
        until(lambda it=it: said <= set(it.heard()), 60, what=f"{it.name} hears all of it")
    nobody_heard_twice(users)
    until(lambda: region.connected() == 3, 60, what="three instances")


@set_up("bridge")
def test_two_browsers_chat(started, users):
    browser = Browser()
    try:
        ann, bob = (browser.open(f"{started.url()}/?name={it}") for it in ("Ann", "Bob"))
        for it in (ann, bob):
            until(lambda it=it: "by websocket" in it.text(), 60, what="a browser is connected")
        ann.say("Is anybody there?")
        until(lambda: "Ann: Is anybody there?" in bob.text(), 60, what="Bob reads it")
        bob.say("At another task, yes.")
        until(lambda: "Bob: At another task, yes." in ann.text(), 60, what="Ann reads it")
        everybody_hears(users, "we saw it")
        assert {("Ann", "Is anybody there?"), ("Bob", "At another task, yes.")} <= set(users[0].heard())
    finally:
        browser.end()


@pytest.fixture
def reader(region, tmp_path):
    """Who has the example's folder, `landfall` and Terraform, and types."""
    mirror = next((it for it in MIRRORS if it and (Path(it) / PROVIDER).is_dir()), None)
    if not mirror or not shutil.which("terraform"):
        pytest.skip("terraform and its AWS provider are not on this machine")
    for it in ("bin", "data"):
        (tmp_path / it).mkdir()
    (tmp_path / "bin/landfall").symlink_to(BINARY)
    (tmp_path / "data/landfall").symlink_to(region.data)
    (tmp_path / "rc").write_text(
        f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror}" }}\n}}\n')
    here = tmp_path / "socketio"
    shutil.copytree(EXAMPLE, here, ignore=shutil.ignore_patterns(
        "node_modules", ".terraform*", "terraform.tfstate*", "images.tar"))
    shutil.copy2(chat.images(), here / "images.tar")
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
                   "XDG_DATA_HOME": f"{tmp_path}/data", "TF_CLI_CONFIG_FILE": f"{tmp_path}/rc",
                   "TF_CLI_ARGS_apply": "-auto-approve", "TF_CLI_ARGS_destroy": "-auto-approve",
                   "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}

    def types(script):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=here, text=True,
                              env=environment, capture_output=True, timeout=300 * BUSY)
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    yield types
    types('eval "$(landfall env)"; terraform destroy -input=false')


@pytest.mark.beside
def test_five_commands_of_the_readme_bring_it_up_and_another_release_is_one_more(reader, folder):
    typed = [it for it in commands(EXAMPLE / "README.md") if not it.startswith("landfall up")]
    assert len(typed) == 4
    reader("\n".join(typed))
    region = 'eval "$(landfall env)";'
    reader(f"{region} terraform plan -detailed-exitcode")
    user = Client(folder, reader("terraform output -raw url"), "reader")
    try:
        until(lambda: user.release() == "1", 60, what="the user is connected")
        everybody_hears([user], "hello")
        assert "terraform apply -var release=2" in (EXAMPLE / "README.md").read_text()
        reader(f"{region} terraform apply -var release=2")
        until(lambda: user.release() == "2", 60, what="the user is at the new release")
        everybody_hears([user], "hello again")
        nobody_heard_twice([user])
    finally:
        user.end()
