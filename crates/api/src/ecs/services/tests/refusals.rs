//! Every refusal of the operations on services: its code and its words.
//!
//! A row has a request and, below it, code and words. `$` stands before names of the table.

use serde_json::{Value, json};

use super::table::Table;

/// Codes that any operation may answer with.
const COMMON: [&str; 1] = ["ValidationException"];

/// Each request is refused with that code and those words, and changes nothing. Where requests say
/// nothing else, they say what `usual` says; `null` takes away.
#[track_caller]
fn check(operation: &str, usual: &Value, rows: &str) {
    let mut table = Table::new();
    let lines: Vec<&str> = rows.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    for row in lines.chunks(2) {
        let [request, refusal] = row else { panic!("half a row: {row:?}") };
        let over: Value =
            serde_json::from_str(request).unwrap_or_else(|it| panic!("{request}: {it}"));
        let mut ask = usual.clone();
        for (key, value) in over.as_object().expect("members") {
            ask[key] = value.clone();
        }
        ask.as_object_mut().expect("members").retain(|_, it| !it.is_null());
        check_one(&mut table, operation, &ask, refusal);
    }
}

#[track_caller]
fn check_one(table: &mut Table, operation: &str, ask: &Value, refusal: &str) {
    let before = table.region.state.clone();
    let Err(fault) = table.ecs(operation, ask) else { panic!("{operation} {ask} is answered") };
    let said = format!("{}: {}", fault.code, fault.message);
    assert_eq!(said, table.spelled(refusal), "{operation} {ask}");
    assert_eq!(fault.status, 400, "{operation} {ask}");
    let after = &table.region.state;
    assert!(after.services() == before.services(), "{operation} {ask}");
    assert!(after.service_deployments() == before.service_deployments());
    let schema = shapes::ecs::SERVICE.operation(operation).expect("an operation");
    let mut listed = schema.errors.iter().map(|it| it.name);
    let is_listed = listed.any(|it| it == fault.code) || COMMON.contains(&&*fault.code);
    assert!(is_listed, "the model does not list {} at {operation}", fault.code);
}

fn usual() -> Value {
    json!({"serviceName": "new", "taskDefinition": "web", "desiredCount": 1})
}

#[test]
fn a_service_names_what_is_there() {
    check(
        "CreateService",
        &usual(),
        r#"
        {"cluster": "nowhere"}
        ClusterNotFoundException: Cluster not found.
        {"serviceName": ""}
        InvalidParameterException: Service name can not be blank.
        {"serviceName": "a b"}
        InvalidParameterException: Invalid service name. Up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.
        {"clientToken": "0123456789012345678901234567890123456"}
        InvalidParameterException: clientToken must have at most 36 printable ASCII characters (33 to 126).
        {"clientToken": "a b"}
        InvalidParameterException: clientToken must have at most 36 printable ASCII characters (33 to 126).
        {"taskDefinition": null}
        InvalidParameterException: Task definition can not be blank.
        {"taskDefinition": "nothing"}
        ClientException: TaskDefinition not found.
        {"taskDefinition": "old:1"}
        InvalidParameterException: TaskDefinition is inactive
        {"tags": [{"key": "aws:x", "value": "y"}]}
        InvalidParameterException: Tag keys must not begin with 'aws:'.
        {"serviceName": "api", "desiredCount": 3}
        InvalidParameterException: Creation of service was not idempotent.
        {"serviceName": "leaving"}
        InvalidParameterException: Unable to Start a service that is still Draining.
    "#,
    );
}

#[test]
fn counts_and_percentages_go_together() {
    check(
        "CreateService",
        &usual(),
        r#"
        {"desiredCount": null}
        InvalidParameterException: A desiredCount is required for services that use the REPLICA scheduling strategy.
        {"desiredCount": -1}
        InvalidParameterException: The desiredCount must be at least 0.
        {"desiredCount": 5001}
        InvalidParameterException: The desiredCount must not exceed 5000, the quota of tasks of one service.
        {"schedulingStrategy": "DAEMON"}
        InvalidParameterException: The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again
        {"deploymentConfiguration": {"minimumHealthyPercent": -1}}
        InvalidParameterException: minimumHealthyPercent must be between 0 and 100.
        {"deploymentConfiguration": {"minimumHealthyPercent": 101}}
        InvalidParameterException: minimumHealthyPercent must be between 0 and 100.
        {"deploymentConfiguration": {"maximumPercent": 99}}
        InvalidParameterException: maximumPercent must be at least 100.
        {"schedulingStrategy": "DAEMON", "desiredCount": null, "deploymentConfiguration": {"maximumPercent": 150}}
        InvalidParameterException: The daemon scheduling strategy requires a maximumPercent of 100.
        {"schedulingStrategy": "DAEMON", "desiredCount": null, "deploymentConfiguration": {"minimumHealthyPercent": 100}}
        InvalidParameterException: Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.
        {"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true, "thresholdConfiguration": {"type": "COUNT", "value": 0}}}}
        InvalidParameterException: The value of a thresholdConfiguration must be at least 1.
        {"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true, "thresholdConfiguration": {"type": "BOUNDED_PERCENT", "value": 101}}}}
        InvalidParameterException: The value of a thresholdConfiguration in percent must be between 1 and 100.
    "#,
    );
}

#[test]
fn load_balancers_name_a_group_that_is_used_and_a_port_that_is_there() {
    let rows = r#"
        {"loadBalancers": [{"targetGroupArn": "$free", "containerName": "app", "containerPort": 80}]}
        InvalidParameterException: The target group with targetGroupArn $free does not have an associated load balancer.
        {"loadBalancers": [{"targetGroupArn": "arn:none", "containerName": "app", "containerPort": 80}]}
        InvalidParameterException: The target group with targetGroupArn arn:none does not exist.
        {"loadBalancers": [{"targetGroupArn": "$ip", "containerName": "app", "containerPort": 80}]}
        InvalidParameterException: The provided target group $ip has target type ip, which is incompatible with the bridge network mode specified in the task definition.
        {"loadBalancers": [{"targetGroupArn": "$tg", "containerName": "db", "containerPort": 80}]}
        InvalidParameterException: The container db does not exist in the task definition.
        {"loadBalancers": [{"targetGroupArn": "$tg", "containerName": "app", "containerPort": 81}]}
        InvalidParameterException: The container app did not have a container port 81 defined.
        {"loadBalancers": [{"targetGroupArn": "$tg", "containerName": "", "containerPort": 80}]}
        InvalidParameterException: Container Name can not be blank.
        {"loadBalancers": [{"targetGroupArn": "$tg", "containerName": "app"}]}
        InvalidParameterException: Container Port must be between 1 and 65535.
        {"loadBalancers": [{"containerName": "app", "containerPort": 80}]}
        InvalidParameterException: Either loadBalancerName or targetGroupArn must be specified for a load balancer.
        {"loadBalancers": [{"targetGroupArn": "$tg", "loadBalancerName": "x", "containerName": "app", "containerPort": 80}]}
        InvalidParameterException: loadBalancerName and targetGroupArn cannot both be specified. You must specify either a loadBalancerName or a targetGroupArn.
        {"loadBalancers": [{"loadBalancerName": "classic", "containerName": "app", "containerPort": 80}]}
        InvalidParameterException: The load balancer classic does not exist.
        {"loadBalancers": [{}, {}, {}, {}, {}, {}]}
        InvalidParameterException: load balancers can have at most 5 items.
        {"loadBalancers": [{"targetGroupArn": "$tg", "containerName": "app", "containerPort": 80, "advancedConfiguration": {"alternateTargetGroupArn": "$free"}}]}
        UnsupportedFeatureException: Advanced configurations of load balancers are not supported by this region yet.
    "#;
    check("CreateService", &usual(), rows);
    check("UpdateService", &json!({"service": "api"}), rows);
    let awsvpc = json!({"serviceName": "new", "taskDefinition": "net", "desiredCount": 1,
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["$s1"]}}});
    check(
        "CreateService",
        &awsvpc,
        r#"
        {"loadBalancers": [{"targetGroupArn": "$tg", "containerName": "app", "containerPort": 80}]}
        InvalidParameterException: The provided target group $tg has target type instance, which is incompatible with the awsvpc network mode specified in the task definition.
        {"loadBalancers": [{"targetGroupArn": "$ip", "containerName": "app", "containerPort": 80}], "role": "ecs"}
        InvalidParameterException: You cannot specify an IAM role for services that require a service linked role.
    "#,
    );
    check(
        "CreateService",
        &usual(),
        r#"
        {"role": "ecs"}
        InvalidParameterException: IAM roles are only valid for services configured to use load balancers.
        {"healthCheckGracePeriodSeconds": 30}
        InvalidParameterException: Health check grace period is only valid for services configured to use load balancers
        {"healthCheckGracePeriodSeconds": -1}
        InvalidParameterException: The healthCheckGracePeriodSeconds must be at least 0.
    "#,
    );
}

#[test]
fn registries_and_networks_go_with_the_task_definition() {
    check(
        "CreateService",
        &usual(),
        r#"
        {"serviceRegistries": [{}]}
        InvalidParameterException: The registryArn of a service registry must be specified.
        {"serviceRegistries": [{}, {}]}
        InvalidParameterException: service registries can have at most 1 items.
        {"serviceRegistries": [{"registryArn": "arn:none"}]}
        InvalidParameterException: The service registry with registryArn arn:none does not exist.
        {"serviceRegistries": [{"registryArn": "arn:none", "port": 70000}]}
        InvalidParameterException: The port of a service registry must be between 1 and 65535.
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["$s1"]}}}
        InvalidParameterException: Network Configuration is not valid for the given networkMode of this task definition.
        {"taskDefinition": "net"}
        InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified.
        {"taskDefinition": "net", "networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}}
        InvalidParameterException: subnets can not be empty.
        {"taskDefinition": "net", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}}
        InvalidParameterException: Error retrieving subnet information for [subnet-1]: The subnet ID 'subnet-1' does not exist (ErrorCode: InvalidSubnetID.NotFound)
        {"taskDefinition": "net", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["$s1"], "securityGroups": ["sg-9"]}}}
        InvalidParameterException: Error retrieving security group information for [sg-9]: The security group 'sg-9' does not exist (ErrorCode: InvalidGroup.NotFound)
        {"taskDefinition": "net", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["$s1"], "assignPublicIp": "ENABLED"}}}
        InvalidParameterException: Assign public IP is not supported for this launch type.
    "#,
    );
}

#[test]
fn what_a_region_cannot_do_is_refused_by_name() {
    let rows = r#"
        {"deploymentController": {"type": "CODE_DEPLOY"}}
        UnsupportedFeatureException: Deployment controller CODE_DEPLOY is not supported by this region yet: use ECS.
        {"deploymentController": {"type": "EXTERNAL"}}
        UnsupportedFeatureException: Deployment controller EXTERNAL is not supported by this region yet: use ECS.
        {"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}
        UnsupportedFeatureException: Deployment strategy BLUE_GREEN is not supported by this region yet: use ROLLING.
        {"deploymentConfiguration": {"strategy": "LINEAR"}}
        UnsupportedFeatureException: Deployment strategy LINEAR is not supported by this region yet: use ROLLING.
        {"deploymentConfiguration": {"strategy": "CANARY"}}
        UnsupportedFeatureException: Deployment strategy CANARY is not supported by this region yet: use ROLLING.
        {"deploymentConfiguration": {"canaryConfiguration": {}}}
        UnsupportedFeatureException: Canary and linear deployments are not supported by this region yet.
        {"deploymentConfiguration": {"bakeTimeInMinutes": 5}}
        UnsupportedFeatureException: Bake times of deployments are not supported by this region yet.
        {"deploymentConfiguration": {"lifecycleHooks": [{}]}}
        UnsupportedFeatureException: Lifecycle hooks of deployments are not supported by this region yet.
        {"deploymentConfiguration": {"earlySuccessCriteria": {"enable": true}}}
        UnsupportedFeatureException: Early success criteria of deployments are not supported by this region yet.
        {"deploymentConfiguration": {"alarms": {"alarmNames": [], "enable": true, "rollback": true}}}
        InvalidParameterException: Alarms of a deployment that are enabled must have between 1 and 50 names, each of 1 to 255 characters.
        {"capacityProviderStrategy": [{"capacityProvider": "cp"}]}
        UnsupportedFeatureException: Capacity providers are not supported by this region yet.
        {"platformVersion": "LATEST"}
        InvalidParameterException: The platform version must be null when specifying an EC2 launch type.
        {"volumeConfigurations": [{"name": "v"}]}
        UnsupportedFeatureException: Volumes configured at launch are not supported by this region yet.
        {"vpcLatticeConfigurations": [{"roleArn": "a", "targetGroupArn": "b", "portName": "c"}]}
        UnsupportedFeatureException: VPC Lattice configurations are not supported by this region yet.
    "#;
    check("CreateService", &usual(), rows);
    check("UpdateService", &json!({"service": "api"}), rows);
    check(
        "CreateService",
        &usual(),
        r#"
        {"launchType": "FARGATE"}
        UnsupportedFeatureException: Launch type FARGATE is not supported by this region yet: its tasks run on container instances (launch type EC2).
        {"launchType": "EC2", "capacityProviderStrategy": [{"capacityProvider": "cp"}]}
        InvalidParameterException: Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.
    "#,
    );
}

#[test]
fn placement_goes_with_the_scheduling_strategy_and_rebalancing_with_both() {
    check(
        "CreateService",
        &usual(),
        r#"
        {"placementStrategy": [{"type": "spread", "field": "moon"}]}
        InvalidParameterException: Invalid field for placement strategy: 'moon'.
        {"placementConstraints": [{"type": "distinctInstance", "expression": "x"}]}
        InvalidParameterException: An expression must not be given for placement constraint type distinctInstance.
        {"schedulingStrategy": "DAEMON", "desiredCount": null, "placementStrategy": [{"type": "random"}]}
        InvalidParameterException: Placement strategies are not supported with the DAEMON scheduling strategy.
        {"schedulingStrategy": "DAEMON", "desiredCount": null, "placementConstraints": [{"type": "distinctInstance"}]}
        InvalidParameterException: The distinctInstance placement constraint is not supported with the DAEMON scheduling strategy.
        {"availabilityZoneRebalancing": "ENABLED", "schedulingStrategy": "DAEMON", "desiredCount": null}
        InvalidParameterException: Availability Zone rebalancing does not support the DAEMON scheduling strategy.
        {"availabilityZoneRebalancing": "ENABLED", "deploymentConfiguration": {"maximumPercent": 100}}
        InvalidParameterException: Availability Zone rebalancing does not support a maximumPercent of 100.
        {"availabilityZoneRebalancing": "ENABLED", "placementStrategy": [{"type": "binpack", "field": "cpu"}]}
        InvalidParameterException: Availability Zone rebalancing does not support a first placement strategy other than a spread over Availability Zones.
        {"availabilityZoneRebalancing": "ENABLED", "placementConstraints": [{"type": "memberOf", "expression": "attribute:ecs.availability-zone == us-east-1a"}]}
        InvalidParameterException: Availability Zone rebalancing does not support placement constraints on ecs.availability-zone.
    "#,
    );
}

#[test]
fn an_update_names_an_active_service_and_a_count_that_it_can_have() {
    check(
        "UpdateService",
        &json!({"service": "api"}),
        r#"
        {"cluster": "nowhere"}
        ClusterNotFoundException: Cluster not found.
        {"service": "nothing"}
        ServiceNotFoundException: Service not found.
        {"service": "arn:aws:ecs:us-east-1:123456789012:service/other/api"}
        ServiceNotFoundException: Service not found.
        {"service": "arn:aws:ecs:us-east-1:123456789012:cluster/api"}
        InvalidParameterException: Invalid identifier: arn:aws:ecs:us-east-1:123456789012:cluster/api is not the ARN of a service.
        {"service": "leaving"}
        ServiceNotActiveException: Service was not ACTIVE.
        {"service": "agent", "desiredCount": 1}
        InvalidParameterException: The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again
        {"desiredCount": -1}
        InvalidParameterException: The desiredCount must be at least 0.
        {"taskDefinition": "nothing"}
        ClientException: TaskDefinition not found.
        {"taskDefinition": "old:1"}
        InvalidParameterException: TaskDefinition is inactive
        {"taskDefinition": "net"}
        InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified.
        {"healthCheckGracePeriodSeconds": 30}
        InvalidParameterException: Health check grace period is only valid for services configured to use load balancers
    "#,
    );
    check(
        "DeleteService",
        &json!({"service": "api"}),
        r#"
        {}
        InvalidParameterException: The service cannot be stopped while it is scaled above 0.
        {"service": "nothing"}
        ServiceNotFoundException: Service not found.
        {"cluster": "nowhere"}
        ClusterNotFoundException: Cluster not found.
    "#,
    );
}

#[test]
fn looks_at_services_name_few_and_known_things() {
    check(
        "DescribeServices",
        &json!({"services": ["api"]}),
        r#"
        {"services": []}
        InvalidParameterException: Services cannot be empty.
        {"services": ["1","2","3","4","5","6","7","8","9","10","11"]}
        InvalidParameterException: Services cannot exceed 10 elements.
        {"cluster": "nowhere"}
        ClusterNotFoundException: Cluster not found.
    "#,
    );
    check(
        "ListServices",
        &json!({}),
        r#"
        {"maxResults": 101}
        InvalidParameterException: maxResults must be between 1 and 100.
        {"nextToken": "x"}
        InvalidParameterException: Invalid nextToken.
    "#,
    );
    check(
        "ListServicesByNamespace",
        &json!({"namespace": "nothing"}),
        r"
        {}
        NamespaceNotFoundException: The namespace 'nothing' was not found.
    ",
    );
    check(
        "ListTasks",
        &json!({"serviceName": "api"}),
        r#"
        {"serviceName": "nothing"}
        ServiceNotFoundException: Service not found.
        {"startedBy": "me"}
        InvalidParameterException: startedBy cannot be combined with other filters.
    "#,
    );
    check(
        "RunTask",
        &json!({"taskDefinition": "web"}),
        r#"
        {"group": "service:api"}
        InvalidParameterException: Invalid namespace for group.
    "#,
    );
    check(
        "DeleteCluster",
        &json!({"cluster": "default"}),
        r"
        {}
        ClusterContainsServicesException: The Cluster cannot be deleted while Services are active.
    ",
    );
}

#[test]
fn deployments_and_revisions_are_named_by_arn() {
    let none = "arn:aws:ecs:us-east-1:123456789012:service-deployment/default/api/1";
    check(
        "StopServiceDeployment",
        &json!({"serviceDeploymentArn": none}),
        r#"
        {}
        ServiceDeploymentNotFoundException: The service deployment was not found.
        {"serviceDeploymentArn": "api"}
        InvalidParameterException: Invalid identifier: api is not the ARN of a service-deployment.
    "#,
    );
    check(
        "ListServiceDeployments",
        &json!({"service": "api"}),
        r#"
        {"service": "nothing"}
        ServiceNotFoundException: Service not found.
    "#,
    );
    check(
        "DescribeServiceDeployments",
        &json!({}),
        r#"
        {"serviceDeploymentArns": []}
        InvalidParameterException: serviceDeploymentArns cannot be empty.
        {"serviceDeploymentArns": ["x"]}
        InvalidParameterException: Invalid identifier: x is not the ARN of a service-deployment.
    "#,
    );
    check(
        "DescribeServiceRevisions",
        &json!({}),
        r#"
        {"serviceRevisionArns": []}
        InvalidParameterException: serviceRevisionArns cannot be empty.
        {"serviceRevisionArns": ["x"]}
        InvalidParameterException: Invalid identifier: x is not the ARN of a service-revision.
    "#,
    );
}

#[test]
fn task_protection_names_few_tasks_and_a_time_in_range() {
    let usual = json!({"cluster": "default", "tasks": ["1"], "protectionEnabled": true});
    check(
        "UpdateTaskProtection",
        &usual,
        r#"
        {"cluster": "nowhere"}
        ClusterNotFoundException: Cluster not found.
        {"tasks": []}
        InvalidParameterException: Tasks cannot be empty.
        {"tasks": ["1","2","3","4","5","6","7","8","9","10","11"]}
        InvalidParameterException: Tasks cannot have more than 10 entries.
        {"expiresInMinutes": 0}
        InvalidParameterException: expiresInMinutes must be between 1 and 2880.
        {"expiresInMinutes": 2881}
        InvalidParameterException: expiresInMinutes must be between 1 and 2880.
    "#,
    );
}
