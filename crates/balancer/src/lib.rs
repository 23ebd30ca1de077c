//! The load balancer's data plane: carries requests and flows from clients to targets.
