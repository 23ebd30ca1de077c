// Drives a region with the AWS SDK for JavaScript as its manual has it: `node clients.mjs CASE NAME`.
//
// Everything comes from the environment: the endpoint and the keys as `landfall env` tells them, and
// VPC and SUBNETS. A case that does not throw has passed; what it makes has NAME for its name.

import assert from "node:assert/strict";
import { lookup } from "node:dns/promises";
import { setTimeout as pause } from "node:timers/promises";

import * as cloudwatch from "@aws-sdk/client-cloudwatch";
import * as logs from "@aws-sdk/client-cloudwatch-logs";
import * as ecs from "@aws-sdk/client-ecs";
import * as elb from "@aws-sdk/client-elastic-load-balancing-v2";
import * as route53 from "@aws-sdk/client-route-53";
import * as cloudmap from "@aws-sdk/client-servicediscovery";

const [wanted, name] = process.argv.slice(2);
const subnets = process.env.SUBNETS.split(",");
// How waiters ask: often, and as good as for ever.
const patience = { maxWaitTime: 300, minDelay: 1, maxDelay: 1 };
const MINUTE = 60_000;

/** Gives the first true value; what does not come within five minutes is an error. */
async function until(condition, what) {
  for (const end = Date.now() + 5 * MINUTE; Date.now() < end; await pause(50)) {
    const value = await condition();
    if (value) return value;
  }
  throw new Error(`${what} did not come true`);
}

/** All items of all pages, and how many pages there were. */
async function paged(pages, pick) {
  const items = [];
  let count = 0;
  for await (const page of pages) {
    items.push(...(pick(page) ?? []));
    count += 1;
  }
  return [items, count];
}

/** The call is refused at once, with an error of that class, or of that name where the model has none. */
async function refused(kind, status, call) {
  const error = await call().then(() => assert.fail("it is not refused"), (it) => it);
  if (typeof kind === "string") assert.equal(error.name, kind);
  else assert.ok(error instanceof kind, `${error.name} is no ${kind.name}: ${error.message}`);
  assert.equal(error.$fault, "client");
  assert.equal(error.$metadata.httpStatusCode, status);
  assert.equal(error.$metadata.attempts, 1);
  assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
  assert.ok(error.message);
  return error;
}

/** A client whose secret is not the region's. */
const stranger = (Client) =>
  new Client({ credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: "no" } });

const cases = {
  async tasks() {
    const client = new ecs.ECSClient({});
    const { taskDefinition } = await client.send(new ecs.RegisterTaskDefinitionCommand({
      family: name,
      containerDefinitions: [{ name: "web", image: "landfall/demo", command: ["web"], cpu: 16, memory: 32 }],
    }));
    assert.ok(taskDefinition.registeredAt instanceof Date);
    const asked = { taskDefinition: name, count: 2, clientToken: name };
    const run = async () => {
      const answer = await client.send(new ecs.RunTaskCommand(asked));
      return answer.tasks.map((it) => it.taskArn).sort();
    };
    const tasks = await run();
    assert.deepEqual(await run(), tasks);
    const conflict = await refused(ecs.ConflictException, 400, () =>
      client.send(new ecs.RunTaskCommand({ ...asked, count: 3 })));
    assert.equal(conflict.resourceIds.length, 2);

    await ecs.waitUntilTasksRunning({ client, ...patience }, { tasks });
    const pages = ecs.paginateListTasks({ client, pageSize: 1 }, { family: name });
    const [listed, count] = await paged(pages, (it) => it.taskArns);
    assert.deepEqual(listed.sort(), tasks);
    assert.ok(count >= 2);
    for (const task of tasks) await client.send(new ecs.StopTaskCommand({ task }));
    await ecs.waitUntilTasksStopped({ client, ...patience }, { tasks });
  },

  async service() {
    const client = new ecs.ECSClient({});
    const balancing = new elb.ElasticLoadBalancingV2Client({});
    const { TargetGroups: [{ TargetGroupArn }] } = await balancing.send(new elb.CreateTargetGroupCommand({
      Name: name, Protocol: "HTTP", Port: 8080, VpcId: process.env.VPC, TargetType: "ip",
      HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 4,
    }));
    await balancing.send(new elb.ModifyTargetGroupAttributesCommand({
      TargetGroupArn, Attributes: [{ Key: "deregistration_delay.timeout_seconds", Value: "0" }],
    }));
    const { LoadBalancers: [balancer] } = await balancing.send(
      new elb.CreateLoadBalancerCommand({ Name: name, Subnets: subnets }));
    assert.ok(balancer.CreatedTime instanceof Date);
    const { LoadBalancerArn } = balancer;
    await elb.waitUntilLoadBalancerAvailable({ client: balancing, ...patience },
      { LoadBalancerArns: [LoadBalancerArn] });
    await balancing.send(new elb.CreateListenerCommand({
      LoadBalancerArn, Protocol: "HTTP", Port: 80, DefaultActions: [{ Type: "forward", TargetGroupArn }],
    }));

    await client.send(new ecs.RegisterTaskDefinitionCommand({
      family: name, networkMode: "awsvpc",
      containerDefinitions: [{
        name: "web", image: "landfall/demo", command: ["web", "8080"], cpu: 16, memory: 32,
        portMappings: [{ containerPort: 8080 }],
      }],
    }));
    await client.send(new ecs.CreateServiceCommand({
      serviceName: name, taskDefinition: name, desiredCount: 2,
      loadBalancers: [{ targetGroupArn: TargetGroupArn, containerName: "web", containerPort: 8080 }],
      networkConfiguration: { awsvpcConfiguration: { subnets } },
    }));
    const stable = async () => {
      await ecs.waitUntilServicesStable({ client, ...patience }, { services: [name] });
      const { services } = await client.send(new ecs.DescribeServicesCommand({ services: [name] }));
      return services[0].runningCount;
    };
    assert.equal(await stable(), 2);
    await elb.waitUntilTargetInService({ client: balancing, ...patience }, { TargetGroupArn });
    await client.send(new ecs.UpdateServiceCommand({
      service: name, desiredCount: 3, forceNewDeployment: true,
    }));
    assert.equal(await stable(), 3);

    await client.send(new ecs.DeleteServiceCommand({ service: name, force: true }));
    await ecs.waitUntilServicesInactive({ client, ...patience }, { services: [name] });
    await refused(ecs.ServiceNotActiveException, 400, () =>
      client.send(new ecs.UpdateServiceCommand({ service: name, desiredCount: 1 })));
    await balancing.send(new elb.DeleteLoadBalancerCommand({ LoadBalancerArn }));
    await elb.waitUntilLoadBalancersDeleted({ client: balancing, ...patience },
      { LoadBalancerArns: [LoadBalancerArn] });
    await balancing.send(new elb.DeleteTargetGroupCommand({ TargetGroupArn }));
  },

  async refusals() {
    const client = new ecs.ECSClient({});
    const balancing = new elb.ElasticLoadBalancingV2Client({});
    const zones = new route53.Route53Client({});
    await refused(ecs.ClusterNotFoundException, 400, () =>
      client.send(new ecs.ListTasksCommand({ cluster: name })));
    await refused(ecs.ServiceNotFoundException, 400, () =>
      client.send(new ecs.UpdateServiceCommand({ service: name })));
    await refused(ecs.UnsupportedFeatureException, 400, () =>
      client.send(new ecs.CreateTaskSetCommand({ cluster: "default", service: name, taskDefinition: name })));
    await refused("InvalidSignatureException", 400, () =>
      stranger(ecs.ECSClient).send(new ecs.ListClustersCommand({})));
    await refused(elb.LoadBalancerNotFoundException, 400, () =>
      balancing.send(new elb.DescribeLoadBalancersCommand({ Names: [name] })));
    await refused("SignatureDoesNotMatch", 403, () =>
      stranger(elb.ElasticLoadBalancingV2Client).send(new elb.DescribeLoadBalancersCommand({})));
    await refused(cloudwatch.ResourceNotFound, 404, () =>
      new cloudwatch.CloudWatchClient({}).send(new cloudwatch.SetAlarmStateCommand({
        AlarmName: name, StateValue: "OK", StateReason: "a test",
      })));
    await refused(logs.ResourceNotFoundException, 400, () =>
      new logs.CloudWatchLogsClient({}).send(new logs.DescribeLogStreamsCommand({ logGroupName: name })));
    await refused(cloudmap.NamespaceNotFound, 400, () =>
      new cloudmap.ServiceDiscoveryClient({}).send(new cloudmap.GetNamespaceCommand({ Id: "ns-no" })));
    await refused(route53.NoSuchHostedZone, 404, () =>
      zones.send(new route53.GetHostedZoneCommand({ Id: "Z0NO" })));
    await refused("SignatureDoesNotMatch", 403, () =>
      stranger(route53.Route53Client).send(new route53.ListHostedZonesCommand({})));
  },

  async measures() {
    const client = new cloudwatch.CloudWatchClient({});
    const packed = [];
    client.middlewareStack.add((next) => (args) => {
      packed.push(args.request.headers["content-encoding"]);
      return next(args);
    }, { step: "finalizeRequest", priority: "low" });
    const Dimensions = [{ Name: "which", Value: "this" }];
    const metric = { MetricName: "m", Dimensions };
    await client.send(new cloudwatch.PutMetricDataCommand({
      Namespace: name, MetricData: Array.from({ length: 400 }, () => ({ ...metric, Value: 0.5 })),
    }));
    assert.deepEqual(packed, ["gzip"]);
    const { MetricDataResults: [{ Timestamps, Values }] } = await client.send(
      new cloudwatch.GetMetricDataCommand({
        StartTime: new Date(Date.now() - 10 * MINUTE), EndTime: new Date(Date.now() + MINUTE),
        MetricDataQueries: [{
          Id: "a", MetricStat: { Metric: { Namespace: name, ...metric }, Period: 60, Stat: "Sum" },
        }],
      }));
    assert.ok(Timestamps[0] instanceof Date);
    assert.equal(Values.reduce((sum, it) => sum + it, 0), 200);
    await client.send(new cloudwatch.PutMetricAlarmCommand({
      AlarmName: name, Namespace: name, ...metric, Period: 60, EvaluationPeriods: 1, Threshold: 1.5,
      ComparisonOperator: "GreaterThanThreshold", Statistic: "Maximum",
    }));
    const { MetricAlarms: [alarm] } = await client.send(
      new cloudwatch.DescribeAlarmsCommand({ AlarmNames: [name] }));
    assert.ok(alarm.AlarmConfigurationUpdatedTimestamp instanceof Date);
    assert.equal(alarm.Threshold, 1.5);

    const lines = new logs.CloudWatchLogsClient({});
    const where = { logGroupName: name, logStreamName: "s" };
    await lines.send(new logs.CreateLogGroupCommand({ logGroupName: name }));
    await lines.send(new logs.CreateLogStreamCommand(where));
    const said = ["grüße", "zwei"];
    await lines.send(new logs.PutLogEventsCommand({
      ...where, logEvents: said.map((message) => ({ timestamp: Date.now(), message })),
    }));
    const pages = logs.paginateFilterLogEvents({ client: lines, pageSize: 1 }, { logGroupName: name });
    const [found] = await paged(pages, (it) => it.events);
    assert.deepEqual(found.map((it) => it.message), said);
  },

  async names() {
    const client = new cloudmap.ServiceDiscoveryClient({});
    const done = ({ OperationId }) => until(async () => {
      const { Operation } = await client.send(new cloudmap.GetOperationCommand({ OperationId }));
      return Operation.Status === "SUCCESS" && Operation.Targets;
    }, "the operation");
    const { NAMESPACE } = await done(
      await client.send(new cloudmap.CreateHttpNamespaceCommand({ Name: name })));
    const { Service: { Id } } = await client.send(
      new cloudmap.CreateServiceCommand({ Name: "web", NamespaceId: NAMESPACE }));
    await done(await client.send(new cloudmap.RegisterInstanceCommand({
      ServiceId: Id, InstanceId: "one", Attributes: { colour: "blue" },
    })));
    // The client asks at `data-` before the endpoint's host.
    const host = `data-${new URL(process.env.AWS_ENDPOINT_URL).hostname}`;
    await until(() => lookup(host).catch(() => null), `the name ${host}`);
    const { Instances } = await client.send(
      new cloudmap.DiscoverInstancesCommand({ NamespaceName: name, ServiceName: "web" }));
    assert.deepEqual(Instances.map((it) => it.Attributes), [{ colour: "blue" }]);
    await done(await client.send(
      new cloudmap.DeregisterInstanceCommand({ ServiceId: Id, InstanceId: "one" })));
    await client.send(new cloudmap.DeleteServiceCommand({ Id }));
    await client.send(new cloudmap.DeleteNamespaceCommand({ Id: NAMESPACE }));

    const zones = new route53.Route53Client({});
    const { HostedZone } = await zones.send(
      new route53.CreateHostedZoneCommand({ Name: `${name}.test`, CallerReference: name }));
    const change = (Action) => zones.send(new route53.ChangeResourceRecordSetsCommand({
      HostedZoneId: HostedZone.Id,
      ChangeBatch: {
        Changes: [{
          Action,
          ResourceRecordSet: {
            Name: `*.${name}.test`, Type: "A", TTL: 60, ResourceRecords: [{ Value: "10.0.0.1" }],
          },
        }],
      },
    }));
    const { ChangeInfo } = await change("CREATE");
    await route53.waitUntilResourceRecordSetsChanged({ client: zones, ...patience }, { Id: ChangeInfo.Id });
    await refused(route53.InvalidChangeBatch, 400, () => change("CREATE"));
    await refused(route53.HostedZoneNotEmpty, 400, () =>
      zones.send(new route53.DeleteHostedZoneCommand({ Id: HostedZone.Id })));
    await change("DELETE");
    await zones.send(new route53.DeleteHostedZoneCommand({ Id: HostedZone.Id }));
  },
};

await cases[wanted]();
