//! What every test needs: processes, ports, folders, a wire client and ways to look at a process.

pub(crate) mod broker;
pub(crate) mod client_program;
pub(crate) mod group;
pub(crate) mod kafka;
pub(crate) mod members;
pub(crate) mod place;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod talk;
pub(crate) mod tools;
pub(crate) mod turn;
pub(crate) mod wire;

pub(crate) use broker::Broker;
pub(crate) use kafka::Kafka;
pub(crate) use wire::Wire;
