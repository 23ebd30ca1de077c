//! Which seats of a zone have which attribute, port or the like.

use std::collections::BTreeMap;

use types::Port;

use super::bits::{Bits, Seat};
use crate::record::ContainerInstance;

/// The seats that have an attribute, and with which value.
#[derive(Debug, Clone, Default)]
pub struct Values {
    all: Bits,
    count: usize,
    by_value: BTreeMap<String, Bits>,
}

impl Values {
    /// All that have it, with whatever value.
    pub fn all(&self) -> &Bits {
        &self.all
    }

    /// How many have it.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Those that have it with this value; an attribute without a value has the empty one.
    pub fn with(&self, value: &str) -> Option<&Bits> {
        self.by_value.get(value)
    }

    /// Every value that occurs, and who has it.
    pub fn each(&self) -> impl Iterator<Item = (&str, &Bits)> {
        self.by_value.iter().map(|(value, bits)| (value.as_str(), bits))
    }

    fn put(&mut self, value: &str, seat: Seat) {
        self.all.put(seat);
        self.count += 1;
        match self.by_value.get_mut(value) {
            Some(bits) => bits.put(seat),
            None => self.by_value.entry(value.to_owned()).or_default().put(seat),
        }
    }

    fn take(&mut self, value: &str, seat: Seat) {
        self.all.take(seat);
        self.count -= 1;
        if let Some(bits) = self.by_value.get_mut(value) {
            bits.take(seat);
            if bits.is_empty() {
                self.by_value.remove(value);
            }
        }
    }
}

/// What decisions ask of the instances of a zone besides room: sets instead of texts.
#[derive(Debug, Clone, Default)]
pub struct Traits {
    attributes: BTreeMap<String, Values>,
    agent_versions: Values,
    machines: Values,
    ports: BTreeMap<Port, Bits>,
    gpus: Bits,
    no_interface: Bits,
}

/// What an instance contributes besides its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks<'a> {
    pub(super) record: &'a ContainerInstance,
    pub(super) ports: &'a BTreeMap<Port, u32>,
    pub(super) has_gpu: bool,
    pub(super) has_interface: bool,
}

impl Traits {
    /// Those that have an attribute.
    pub fn attribute(&self, name: &str) -> Option<&Values> {
        self.attributes.get(name)
    }

    /// By the version of their agent.
    pub fn agent_versions(&self) -> &Values {
        &self.agent_versions
    }

    /// By `ec2InstanceId`.
    pub fn machines(&self) -> &Values {
        &self.machines
    }

    /// Those whose host port is taken.
    pub fn port(&self, port: Port) -> Option<&Bits> {
        self.ports.get(&port)
    }

    /// Those with at least one free GPU.
    pub fn gpus(&self) -> &Bits {
        &self.gpus
    }

    /// Those without a free network interface.
    pub fn no_interface(&self) -> &Bits {
        &self.no_interface
    }

    pub(super) fn put(&mut self, seat: Seat, marks: Marks<'_>) {
        for (name, value) in &marks.record.attributes {
            let value = value.as_deref().unwrap_or_default();
            match self.attributes.get_mut(name) {
                Some(values) => values.put(value, seat),
                None => self.attributes.entry(name.clone()).or_default().put(value, seat),
            }
        }
        self.agent_versions.put(&marks.record.agent_version, seat);
        self.machines.put(&marks.record.ec2_instance_id, seat);
        for port in marks.ports.keys() {
            self.put_port(*port, seat);
        }
        self.set_gpu(seat, marks.has_gpu);
        self.set_interface(seat, marks.has_interface);
    }

    pub(super) fn take(&mut self, seat: Seat, marks: Marks<'_>) {
        for (name, value) in &marks.record.attributes {
            if let Some(values) = self.attributes.get_mut(name) {
                values.take(value.as_deref().unwrap_or_default(), seat);
                if values.all.is_empty() {
                    self.attributes.remove(name);
                }
            }
        }
        self.agent_versions.take(&marks.record.agent_version, seat);
        self.machines.take(&marks.record.ec2_instance_id, seat);
        for port in marks.ports.keys() {
            self.take_port(*port, seat);
        }
        self.gpus.take(seat);
        self.no_interface.take(seat);
    }

    pub(super) fn put_port(&mut self, port: Port, seat: Seat) {
        self.ports.entry(port).or_default().put(seat);
    }

    pub(super) fn take_port(&mut self, port: Port, seat: Seat) {
        if let Some(bits) = self.ports.get_mut(&port) {
            bits.take(seat);
            if bits.is_empty() {
                self.ports.remove(&port);
            }
        }
    }

    pub(super) fn set_gpu(&mut self, seat: Seat, has: bool) {
        if has { self.gpus.put(seat) } else { self.gpus.take(seat) }
    }

    pub(super) fn set_interface(&mut self, seat: Seat, has: bool) {
        if has { self.no_interface.take(seat) } else { self.no_interface.put(seat) }
    }

    pub(super) fn each_attribute(&self) -> impl Iterator<Item = (&str, &Values)> {
        self.attributes.iter().map(|(name, values)| (name.as_str(), values))
    }

    pub(super) fn each_port(&self) -> impl Iterator<Item = (Port, &Bits)> {
        self.ports.iter().map(|(port, bits)| (*port, bits))
    }
}
