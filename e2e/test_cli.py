"""The `aws` command line, typed as its user guide and the articles on task launches type it."""

import json
import threading
import uuid

import pytest

from until import until


def answer(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture
def aws(region, cluster, name):
    """Runs a command with $CLUSTER, $FAMILY and $TOKEN set."""
    def run(words, check=True, **names):
        given = {"CLUSTER": cluster, "FAMILY": name, **names}
        exports = "".join(f"export {key}='{it}'; " for key, it in given.items())
        return region.aws(exports + words, check=check)
    return run


@pytest.fixture
def family(aws):
    definitions = '[{"name":"main","image":"landfall/demo","command":["web"],"memory":32,"cpu":32}]'
    return answer(aws(f"aws ecs register-task-definition --family $FAMILY "
                      f"--container-definitions '{definitions}'"))["taskDefinition"]


def test_the_exports_of_landfall_env_are_all_that_the_tools_need(region):
    done = region.aws(f'eval "$({__import__("region").BINARY} env --data {region.data})"; '
                      "aws sts get-caller-identity --query Account --output text")
    assert done.stdout.strip() == "123456789012"


def test_a_task_is_run_awaited_stopped_and_awaited(aws, family, instances):
    instances("abc")
    run = answer(aws("aws ecs run-task --cluster $CLUSTER --task-definition $FAMILY --count 2"))
    assert run["failures"] == []
    tasks = " ".join(it["taskArn"] for it in run["tasks"])
    aws(f"aws ecs wait tasks-running --cluster $CLUSTER --tasks {tasks}")
    listed = answer(aws("aws ecs list-tasks --cluster $CLUSTER --family $FAMILY"))
    assert sorted(listed["taskArns"]) == sorted(tasks.split())
    first = tasks.split()[0]
    stop = answer(aws(f"aws ecs stop-task --cluster $CLUSTER --task {first} --reason 'by hand'"))
    assert stop["task"]["desiredStatus"] == "STOPPED"
    aws(f"aws ecs wait tasks-stopped --cluster $CLUSTER --tasks {first}")
    shown = aws(f"aws ecs describe-tasks --cluster $CLUSTER --tasks {first} "
                "--query 'tasks[0].[lastStatus,stopCode,stoppedReason]' --output text")
    assert shown.stdout.split("\t") == ["STOPPED", "UserInitiated", "by hand\n"]


def test_a_launch_with_a_client_token_is_made_once_however_often_it_is_said(aws, family, instances):
    instances("abc")
    words = ("aws ecs run-task --cluster $CLUSTER --task-definition $FAMILY --count 2 "
             "--client-token $TOKEN")
    token = str(uuid.uuid4())
    first = answer(aws(words, TOKEN=token))
    again = answer(aws(words, TOKEN=token))
    names = lambda it: [task["taskArn"] for task in it["tasks"]]
    assert names(again) == names(first)
    assert len(answer(aws("aws ecs list-tasks --cluster $CLUSTER"))["taskArns"]) == 2
    other = aws(words.replace("--count 2", "--count 1"), TOKEN=token, check=False)
    assert other.returncode != 0
    assert "ConflictException" in other.stderr


def test_without_a_token_every_command_is_a_launch_of_its_own(aws, family, instances):
    instances()
    for _ in range(2):
        answer(aws("aws ecs run-task --cluster $CLUSTER --task-definition $FAMILY"))
    assert len(answer(aws("aws ecs list-tasks --cluster $CLUSTER"))["taskArns"]) == 2


def test_two_shells_with_one_token_at_once_make_one_launch(aws, family, instances):
    instances("abc")
    token, answers = str(uuid.uuid4()), []
    run = lambda: answers.append(answer(aws(
        "aws ecs run-task --cluster $CLUSTER --task-definition $FAMILY --client-token $TOKEN",
        TOKEN=token)))
    shells = [threading.Thread(target=run) for _ in range(4)]
    for it in shells:
        it.start()
    for it in shells:
        it.join()
    assert len({it["tasks"][0]["taskArn"] for it in answers}) == 1


def test_start_task_starts_on_the_instance_it_names(aws, family, instances):
    one, two = instances("ab")
    run = answer(aws("aws ecs start-task --cluster $CLUSTER --task-definition $FAMILY "
                     f"--container-instances {two.arn}"))
    assert run["tasks"][0]["containerInstanceArn"] == two.arn


def test_a_placement_strategy_in_shorthand_spreads(aws, region, family, instances):
    instances("abc")
    run = answer(aws(
        "aws ecs run-task --cluster $CLUSTER --task-definition $FAMILY --count 9 "
        "--placement-strategy type=spread,field=attribute:ecs.availability-zone "
        "type=binpack,field=memory"))
    zones = [it["availabilityZone"] for it in run["tasks"]]
    assert sorted(zones.count(it) for it in set(zones)) == [3, 3, 3]
    run = answer(aws(
        "aws ecs run-task --cluster $CLUSTER --task-definition $FAMILY "
        "--placement-constraints type=memberOf,expression='attribute:ecs.availability-zone == us-east-1b'"))
    assert run["tasks"][0]["availabilityZone"] == "us-east-1b"
    story = region.landfall("why", run["tasks"][0]["taskArn"]).stdout
    assert "Chosen among the 1 of 3 container instances that could take it" in story
    assert story.count("is not a member of `attribute:ecs.availability-zone == us-east-1b`") == 2


def test_instances_attributes_and_queries(aws, instances):
    one, two = instances("ab")
    answer(aws(f"aws ecs put-attributes --cluster $CLUSTER --attributes "
               f"name=stack,value=production,targetId={one.arn}"))
    found = answer(aws("aws ecs list-container-instances --cluster $CLUSTER "
                       "--filter 'attribute:stack == production'"))
    assert found["containerInstanceArns"] == [one.arn]
    shown = answer(aws(f"aws ecs describe-container-instances --cluster $CLUSTER "
                       f"--container-instances {two.arn}"))
    assert shown["containerInstances"][0]["agentConnected"] is True


def test_the_command_line_walks_all_pages(aws, cluster, instances, family):
    instances(cpu=8192)
    for _ in range(3):
        answer(aws("aws ecs run-task --cluster $CLUSTER --task-definition $FAMILY --count 10"))
    found = answer(aws("aws ecs list-tasks --cluster $CLUSTER --page-size 7"))
    assert len(found["taskArns"]) == 30


def test_errors_are_printed_with_code_and_operation(aws):
    done = aws("aws ecs describe-task-definition --task-definition nobody", check=False)
    assert done.returncode in (254, 255)
    assert ("An error occurred (ClientException) when calling the DescribeTaskDefinition operation: "
            "Unable to describe task definition.") in done.stderr
    done = aws("aws ecs run-task --cluster $CLUSTER --task-definition nobody", check=False)
    assert done.returncode in (254, 255)


def test_a_service_is_made_waited_for_and_deleted(aws, family, instances):
    instances()
    made = answer(aws("aws ecs create-service --cluster $CLUSTER --service-name s "
                      "--task-definition $FAMILY --desired-count 2"))["service"]
    assert made["serviceArn"].endswith("/s")
    aws("aws ecs wait services-stable --cluster $CLUSTER --services s")
    shown = answer(aws("aws ecs describe-services --cluster $CLUSTER --services s"))["services"][0]
    assert (shown["runningCount"], len(shown["deployments"])) == (2, 1)
    aws("aws ecs delete-service --cluster $CLUSTER --service s --force")
    aws("aws ecs wait services-inactive --cluster $CLUSTER --services s")
    assert answer(aws("aws ecs list-services --cluster $CLUSTER"))["serviceArns"] == []


def test_an_operation_that_is_not_served_yet_is_refused_at_once(aws):
    done = aws("aws ecs create-task-set --cluster $CLUSTER --service s --task-definition t "
               "--scale value=100,unit=PERCENT", check=False)
    assert "UnsupportedFeatureException" in done.stderr


def test_log_groups_are_made_written_read_and_tailed(aws, region, name):
    aws("aws logs create-log-group --log-group-name /e2e/$FAMILY")
    aws("aws logs create-log-stream --log-group-name /e2e/$FAMILY --log-stream-name s")
    logs = region.client("logs")
    import time
    now = int(time.time() * 1000)
    logs.put_log_events(logGroupName=f"/e2e/{name}", logStreamName="s", logEvents=[
        {"timestamp": now - 1000, "message": "first"}, {"timestamp": now, "message": "second ERROR"}])
    read = lambda words: aws(words).stdout
    # What `aws logs tail` of the second version asks for, page after page.
    tail = "aws logs filter-log-events --log-group-name /e2e/$FAMILY --interleaved --output text"
    until(lambda: "second" in read(tail), 10, what="tail")
    if aws("aws logs tail help", check=False).returncode == 0:
        assert "second" in read("aws logs tail /e2e/$FAMILY --since 1h")
    assert "first" not in read("aws logs filter-log-events --log-group-name /e2e/$FAMILY "
                               "--filter-pattern ERROR")
    events = answer(aws("aws logs get-log-events --log-group-name /e2e/$FAMILY "
                        "--log-stream-name s --start-from-head"))["events"]
    assert [it["message"] for it in events] == ["first", "second ERROR"]
    aws("aws logs delete-log-group --log-group-name /e2e/$FAMILY")
